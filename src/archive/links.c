#include "archive/links.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

struct link {
    struct link *next; /* in its bucket */
    struct links_id id;
    uint64_t left; /* names not met yet */
    uint64_t tar_offset;
    char path[];
};

struct links {
    struct link **bucket;
    size_t nbuckets; /* a power of two */
    size_t n;
};

#define BUCKETS_FIRST 64u

struct links_id links_id_of(int dirfd, const char *name, const struct stat *st)
{
    struct links_id id = {.dev = st->st_dev, .ino = st->st_ino};
    struct statx x;
    int flags = AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH;
    if (statx(dirfd, name, flags, STATX_BTIME | STATX_INO, &x) == 0 &&
        (x.stx_mask & STATX_BTIME) != 0 && x.stx_ino == st->st_ino &&
        makedev(x.stx_dev_major, x.stx_dev_minor) == st->st_dev) {
        id.born = x.stx_btime.tv_sec;
        id.born_ns = x.stx_btime.tv_nsec;
    } else {
        id.born = st->st_mtim.tv_sec;
        id.born_ns = (uint32_t)st->st_mtim.tv_nsec;
        id.size = (uint64_t)st->st_size;
    }
    return id;
}

static bool same_inode(const struct links_id *a, const struct links_id *b)
{
    return a->dev == b->dev && a->ino == b->ino;
}

static bool same(const struct links_id *a, const struct links_id *b)
{
    return same_inode(a, b) && a->born == b->born && a->born_ns == b->born_ns &&
           a->size == b->size;
}

/* Inode numbers run in sequence: multiply to spread them, take the upper half. */
static size_t slot(const struct links *l, const struct links_id *id)
{
    uint64_t h = (id->ino ^ id->dev << 32) * UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(h >> 32) & (l->nbuckets - 1);
}

int links_new(struct links **l, struct err *err)
{
    struct links *new = calloc(1, sizeof *new);
    if (new == NULL)
        return err_nomem(err);
    new->nbuckets = BUCKETS_FIRST;
    new->bucket = calloc(new->nbuckets, sizeof *new->bucket);
    if (new->bucket == NULL) {
        links_free(new);
        return err_nomem(err);
    }
    *l = new;
    return 0;
}

void links_free(struct links *l)
{
    if (l == NULL)
        return;
    for (size_t i = 0; l->bucket != NULL && i < l->nbuckets; i++) {
        for (struct link *p = l->bucket[i], *next; p != NULL; p = next) {
            next = p->next;
            free(p);
        }
    }
    free(l->bucket);
    free(l);
}

static int grow(struct links *l)
{
    size_t old = l->nbuckets;
    struct link **from = l->bucket, **to = calloc(old * 2, sizeof *to);
    if (to == NULL)
        return -1;
    l->bucket = to;
    l->nbuckets = old * 2;
    for (size_t i = 0; i < old; i++) {
        for (struct link *p = from[i], *next; p != NULL; p = next) {
            size_t at = slot(l, &p->id);
            next = p->next;
            p->next = to[at];
            to[at] = p;
        }
    }
    free(from);
    return 0;
}

/* Take the inode's link out, whatever file it was of. */
static void drop(struct links *l, const struct links_id *id)
{
    for (struct link **p = &l->bucket[slot(l, id)]; *p != NULL; p = &(*p)->next) {
        if (same_inode(&(*p)->id, id)) {
            struct link *gone = *p;
            *p = gone->next;
            free(gone);
            l->n--;
            return;
        }
    }
}

int links_add(struct links *l, const struct links_id *id, uint64_t names,
              const char *path, uint64_t tar_offset, struct err *err)
{
    drop(l, id);
    if (names < 2)
        return 0;
    size_t len = strlen(path) + 1;
    struct link *p = malloc(sizeof *p + len);
    if (p == NULL || (l->n >= l->nbuckets && grow(l) != 0)) {
        free(p);
        return err_nomem(err);
    }
    size_t at = slot(l, id);
    *p = (struct link){l->bucket[at], *id, names - 1, tar_offset};
    memcpy(p->path, path, len);
    l->bucket[at] = p;
    l->n++;
    return 0;
}

static struct link *find(const struct links *l, const struct links_id *id)
{
    struct link *p = l->bucket[slot(l, id)];
    while (p != NULL && !same(&p->id, id))
        p = p->next;
    return p;
}

bool links_find(const struct links *l, const struct links_id *id, const char **path,
                uint64_t *tar_offset)
{
    const struct link *p = find(l, id);
    if (p == NULL)
        return false;
    *path = p->path;
    *tar_offset = p->tar_offset;
    return true;
}

void links_done(struct links *l, const struct links_id *id)
{
    struct link *p = find(l, id);
    if (p != NULL && --p->left == 0)
        drop(l, id);
}
