#include "archive/extents.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#define EXTENTS_MAX 100000u /* beyond, zeros are cheaper than the map */

struct map {
    struct extent *v;
    size_t n, cap;
};

/* The next run of data from *pos on, advancing *pos behind it. 1; 0 if there is none;
 * -1 if the file system does not make sense. */
static int next_run(int fd, uint64_t size, uint64_t *pos, struct extent *x)
{
    if (*pos >= size)
        return 0;
    off_t data = lseek(fd, (off_t)*pos, SEEK_DATA);
    if (data < 0)
        return errno == ENXIO ? 0 : -1;
    if ((uint64_t)data >= size)
        return 0;
    off_t hole = lseek(fd, data, SEEK_HOLE);
    if ((uint64_t)data < *pos || hole <= data)
        return -1;
    uint64_t end = (uint64_t)hole < size ? (uint64_t)hole : size;
    *x = (struct extent){(uint64_t)data, end - (uint64_t)data};
    *pos = end;
    return 1;
}

static int add(struct map *m, struct extent x)
{
    if (m->n == m->cap) {
        size_t cap = m->cap > 0 ? 2 * m->cap : 16;
        struct extent *v = realloc(m->v, cap * sizeof *v);
        if (v == NULL)
            return -1;
        m->v = v;
        m->cap = cap;
    }
    m->v[m->n++] = x;
    return 0;
}

/* 1: a map of the whole file; 0: no map to be had; -1: no memory. */
static int read_map(int fd, uint64_t size, struct map *m)
{
    uint64_t pos = 0;
    struct extent x;
    int got;
    while ((got = next_run(fd, size, &pos, &x)) == 1) {
        if (m->n == EXTENTS_MAX)
            return 0;
        if (add(m, x) != 0)
            return -1;
    }
    return got == 0;
}

int extents_find(int fd, struct entry *e, struct err *err)
{
    uint64_t size = e->item.size;
    struct map m = {.v = NULL};
    int got = read_map(fd, size, &m);
    bool rewound = lseek(fd, 0, SEEK_SET) == 0;
    bool full = m.n == 1 && m.v[0].off == 0 && m.v[0].len == size;
    if (got == 1 && size > 0 && !full) {
        free(e->extents);
        e->extents = m.v;
        e->nextents = m.n;
        e->item.flags |= ITEM_SPARSE;
    } else {
        free(m.v);
    }
    if (got < 0)
        return err_nomem(err);
    return rewound ? 0 : err_sys(err, ERR_FAIL, "cannot rewind: %s", e->item.path);
}
