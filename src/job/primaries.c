#include "job/primaries.h"

#include <stdlib.h>
#include <string.h>

#include "archive/digest.h"
#include "util/random.h"

#define TAR_BLOCK 512u
#define GROUP     254u /* files: a group is just below 2 KiB */

/* Files in the order of the tar. In blocks, the first one's place is that of the group;
 * the others lie less than 2^32 blocks behind it. */
struct primaries_group {
    uint64_t first;
    uint32_t n;
    struct {
        uint32_t behind; /* the group's first, in blocks */
        uint32_t hash;
    } file[GROUP];
};

static uint32_t hash(const struct primaries *p, const char *path)
{
    return (uint32_t)digest_short(p->seed, path, strlen(path));
}

static int add_group(struct primaries *p, uint64_t block, struct err *err)
{
    if (p->n == 0 && random_bytes(&p->seed, sizeof p->seed, err) != 0)
        return -1;
    if (p->n == p->cap) {
        size_t cap = p->cap > 0 ? 2 * p->cap : 16;
        struct primaries_group **groups = realloc(p->groups, cap * sizeof *groups);
        if (groups == NULL)
            return err_nomem(err);
        p->groups = groups;
        p->cap = cap;
    }
    struct primaries_group *g = malloc(sizeof *g);
    if (g == NULL)
        return err_nomem(err);
    g->first = block;
    g->n = 0;
    p->groups[p->n++] = g;
    return 0;
}

int primaries_add(struct primaries *p, const char *path, uint64_t tar_offset,
                  struct err *err)
{
    uint64_t block = tar_offset / TAR_BLOCK;
    struct primaries_group *g = p->n > 0 ? p->groups[p->n - 1] : NULL;
    if (g == NULL || g->n == GROUP || block - g->first > UINT32_MAX) {
        if (add_group(p, block, err) != 0)
            return -1;
        g = p->groups[p->n - 1];
    }
    g->file[g->n].behind = (uint32_t)(block - g->first);
    g->file[g->n].hash = hash(p, path);
    g->n++;
    return 0;
}

/* The group that may hold the block: the last one that does not begin behind it. */
static const struct primaries_group *find_group(const struct primaries *p,
                                                uint64_t block)
{
    size_t from = 0, to = p->n;
    while (from < to) {
        size_t mid = from + (to - from) / 2;
        if (p->groups[mid]->first <= block)
            from = mid + 1;
        else
            to = mid;
    }
    return from > 0 ? p->groups[from - 1] : NULL;
}

bool primaries_has(const struct primaries *p, const char *path, uint64_t tar_offset)
{
    uint64_t block = tar_offset / TAR_BLOCK;
    const struct primaries_group *g = find_group(p, block);
    if (g == NULL || tar_offset % TAR_BLOCK != 0)
        return false;
    size_t from = 0, to = g->n;
    while (from < to) {
        size_t mid = from + (to - from) / 2;
        if (g->file[mid].behind < block - g->first)
            from = mid + 1;
        else
            to = mid;
    }
    return from < g->n && g->file[from].behind == block - g->first &&
           g->file[from].hash == hash(p, path);
}

void primaries_clear(struct primaries *p)
{
    for (size_t i = 0; i < p->n; i++)
        free(p->groups[i]);
    free(p->groups);
    *p = (struct primaries){0};
}
