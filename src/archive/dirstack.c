#include "archive/dirstack.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* As the kernel writes it (getdents64(2)); glibc and musl name it differently. */
struct dirent_head {
    uint64_t ino;
    int64_t off;
    uint16_t reclen;
    uint8_t type;
};
#define NAME_AT 19u /* the name follows the head without padding */

#define READ_SIZE 32768u

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Keep the names of one buffer of the kernel's. The arena's places are 32 bits. */
static int keep_names(struct dirstack_level *l, const char *buf, size_t len)
{
    struct dirent_head h;
    for (size_t i = 0; i < len; i += h.reclen) {
        memcpy(&h, buf + i, sizeof h);
        const char *name = buf + i + NAME_AT;
        if (is_dots(name))
            continue;
        if (l->names.len > UINT32_MAX - 512) {
            errno = EOVERFLOW;
            return -1;
        }
        if (buf_add(&l->names, &h.type, 1) != 0 ||
            buf_add(&l->names, name, strlen(name) + 1) != 0) {
            errno = ENOMEM;
            return -1;
        }
        l->n++;
    }
    return 0;
}

static int read_names(struct dirstack_level *l)
{
    char buf[READ_SIZE];
    for (;;) {
        long n = syscall(SYS_getdents64, l->fd, buf, sizeof buf);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return (int)n;
        if (keep_names(l, buf, (size_t)n) != 0)
            return -1;
    }
}

static int cmp(const void *a, const void *b, void *names)
{
    const char *base = names;
    return strcmp(base + *(const uint32_t *)a + 1, base + *(const uint32_t *)b + 1);
}

/* Give back what doubling took too much, and sort. */
static int sort_names(struct dirstack_level *l)
{
    if (l->n == 0)
        return 0;
    uint8_t *fit = realloc(l->names.p, l->names.len);
    if (fit != NULL) {
        l->names.p = fit;
        l->names.cap = l->names.len;
    }
    l->order = malloc(l->n * sizeof *l->order);
    if (l->order == NULL)
        return -1;
    size_t at = 0;
    for (size_t i = 0; i < l->n; i++) {
        l->order[i] = (uint32_t)at;
        at += 1 + strlen((const char *)l->names.p + at + 1) + 1;
    }
    qsort_r(l->order, l->n, sizeof *l->order, cmp, l->names.p);
    return 0;
}

static void release(struct dirstack_level *l)
{
    free(l->order);
    buf_free(&l->names);
    close(l->fd);
}

int dirstack_enter(struct dirstack *s, int fd, dev_t dev, bool *entered)
{
    struct dirstack_level l = {.fd = fd, .dev = dev};
    l.path_len = s->n > 0 ? s->path.len : 0;
    *entered = false;
    int rc = read_names(&l);
    int sys = errno;
    if (s->n == s->cap) {
        size_t cap = s->cap > 0 ? 2 * s->cap : 16;
        struct dirstack_level *v = realloc(s->v, cap * sizeof *v);
        if (v == NULL)
            goto nomem;
        s->v = v;
        s->cap = cap;
    }
    if (sort_names(&l) != 0)
        goto nomem;
    s->v[s->n++] = l;
    *entered = true;
    errno = sys;
    return rc;

nomem:
    release(&l);
    errno = ENOMEM;
    return -1;
}

/* Make the path that of `name` in directory l. */
static int set_path(struct dirstack *s, const struct dirstack_level *l,
                    const char *name)
{
    s->path.len = l->path_len;
    if ((l->path_len > 0 && buf_add(&s->path, "/", 1) != 0) ||
        buf_add(&s->path, name, strlen(name) + 1) != 0)
        return -1;
    s->path.len--; /* the NUL stays behind the end */
    return 0;
}

const char *dirstack_next(struct dirstack *s, uint8_t *type)
{
    struct dirstack_level *l = &s->v[s->n - 1];
    const char *names = (const char *)l->names.p;
    errno = 0;
    while (l->next < l->n) {
        size_t i = l->next++;
        const char *name = names + l->order[i] + 1;
        if (i > 0 && strcmp(name, names + l->order[i - 1] + 1) == 0)
            continue;
        *type = l->names.p[l->order[i]];
        if (set_path(s, l, name) != 0) {
            errno = ENOMEM;
            return NULL;
        }
        return name;
    }
    return NULL;
}

const char *dirstack_path(const struct dirstack *s)
{
    return s->path.len > 0 ? (const char *)s->path.p : ".";
}

const struct dirstack_level *dirstack_top(const struct dirstack *s)
{
    return &s->v[s->n - 1];
}

void dirstack_leave(struct dirstack *s)
{
    release(&s->v[--s->n]);
}

void dirstack_clear(struct dirstack *s)
{
    while (s->n > 0)
        dirstack_leave(s);
    free(s->v);
    buf_free(&s->path);
    *s = (struct dirstack){0};
}
