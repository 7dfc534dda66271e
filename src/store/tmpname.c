#include "store/tmpname.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

static const char letters[] =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/* A name only has to be free, which O_EXCL and mkdir see to; where the kernel has no
 * random bytes yet, the clock will do. */
static uint64_t draw(void)
{
    uint64_t v;
    if (getrandom(&v, sizeof v, GRND_NONBLOCK) == (ssize_t)sizeof v)
        return v;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_nsec * 2654435761u ^ (uint64_t)getpid() << 20;
}

char *tmpname_make(char out[TMPNAME_SIZE], const char *prefix, const char *suffix)
{
    char random[TMPNAME_RANDOM + 1];
    uint64_t v = draw();
    for (unsigned i = 0; i < TMPNAME_RANDOM; i++, v /= sizeof letters - 1)
        random[i] = letters[v % (sizeof letters - 1)];
    random[TMPNAME_RANDOM] = '\0';
    snprintf(out, TMPNAME_SIZE, "%s%s%s", prefix, random, suffix);
    return out;
}

int tmpname_is(const char *name, const char *prefix)
{
    size_t n = strlen(prefix);
    return strncmp(name, prefix, n) == 0 && strlen(name + n) == TMPNAME_RANDOM &&
           strspn(name + n, letters) == TMPNAME_RANDOM;
}
