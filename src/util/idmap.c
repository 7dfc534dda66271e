#include "util/idmap.h"

#include <inttypes.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>

#define ALL UINT32_MAX /* the count of a map that maps everything */

/* A map with one line, 0 to 0 for all numbers, is none. */
static void read_map(const char *root, const char *name, char out[IDMAP_TEXT])
{
    char path[PATH_MAX];
    uint32_t inside, outside, count;
    size_t n = 0;
    out[0] = '\0';
    snprintf(path, sizeof path, "%s/proc/self/%s", root, name);
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return;
    while (n < IDMAP_TEXT - 1 && fscanf(f, "%" SCNu32 " %" SCNu32 " %" SCNu32, &inside,
                                        &outside, &count) == 3) {
        if (inside == 0 && outside == 0 && count == ALL)
            break;
        n += (size_t)snprintf(out + n, IDMAP_TEXT - n,
                              "%s%" PRIu32 " %" PRIu32 " %" PRIu32, n > 0 ? ", " : "",
                              inside, outside, count);
    }
    fclose(f);
}

void idmap_own(const char *root, struct idmap *m)
{
    read_map(root, "uid_map", m->uid);
    read_map(root, "gid_map", m->gid);
}

bool idmap_is_identity(const struct idmap *m)
{
    return m->uid[0] == '\0' && m->gid[0] == '\0';
}
