#include "archive/partials.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SUFFIX_MAX 32u /* ".damaged", a dot and a number */

int partials_add(struct partials *p, struct entry *e,
                 const uint8_t hash[SPOOL_HASH_SIZE], size_t level, const char *what,
                 struct err *err)
{
    if (p->n == p->cap) {
        size_t cap = p->cap ? 2 * p->cap : 8;
        struct partial_file *v = realloc(p->v, cap * sizeof *v);
        if (v == NULL)
            return err_nomem(err);
        p->v = v;
        p->cap = cap;
    }
    struct partial_file f = {
        .level = level, .path = strdup(e->item.path), .what = strdup(what)};
    if (f.path == NULL || f.what == NULL) {
        free(f.path);
        free(f.what);
        return err_nomem(err);
    }
    memcpy(f.hash, hash, sizeof f.hash);
    f.e = *e;
    *e = (struct entry){.item.type = ITEM_FILE};
    p->v[p->n++] = f;
    return 0;
}

/* NAME with the suffix of the n-th try, cut so that it is a name. */
static void suffixed(char name[NAME_MAX + 1], const char *base, unsigned n)
{
    char suffix[SUFFIX_MAX];
    if (n == 1)
        snprintf(suffix, sizeof suffix, ".damaged");
    else
        snprintf(suffix, sizeof suffix, ".damaged.%u", n);
    snprintf(name, NAME_MAX + 1, "%.*s%s", (int)(NAME_MAX - strlen(suffix)), base,
             suffix);
}

/* Its new path: that of the directory stays. */
static int set_path(struct entry *e, const char *name, struct err *err)
{
    const char *path = e->item.path, *slash = strrchr(path, '/');
    size_t dir = slash != NULL ? (size_t)(slash - path) + 1 : 0, len = strlen(name);
    char *b = malloc(dir + len + 1);
    if (b == NULL)
        return err_nomem(err);
    memcpy(b, path, dir);
    memcpy(b + dir, name, len + 1);
    int rc = entry_set_string(&e->item.path, b, dir + len, err);
    free(b);
    return rc;
}

/* Nobody else works in the directory, so a name that is free stays free. */
static int settle(struct partial_file *f, int dirfd, struct err *err)
{
    const char *slash = strrchr(f->path, '/');
    const char *base = slash != NULL ? slash + 1 : f->path;
    char name[NAME_MAX + 1];
    struct stat st;
    unsigned n = 0;
    do
        suffixed(name, base, ++n);
    while (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0);
    if (errno != ENOENT || renameat(dirfd, base, dirfd, name) != 0)
        return err_sys(err, ERR_FAIL, "cannot rename to %s: %s", name, f->path);
    f->settled = true;
    return set_path(&f->e, name, err);
}

int partials_settle(struct partials *p, size_t level, int dirfd, struct spool *spool,
                    const struct notice_sink *notices, struct err *err)
{
    for (size_t i = p->n; i-- > 0;) {
        struct partial_file *f = &p->v[i];
        if (f->settled || f->level != level)
            continue;
        if (settle(f, dirfd, err) != 0 ||
            (spool != NULL && spool_add(spool, &f->e, f->hash, err) != 0))
            return -1;
        const char *slash = strrchr(f->e.item.path, '/');
        notice(notices, NOTICE_WARNING, "entry-partial", f->path,
               "saved in part, as %s: %s", slash ? slash + 1 : f->e.item.path, f->what);
    }
    return 0;
}

bool partials_named(const struct partials *p, const char *path)
{
    for (size_t i = 0; i < p->n; i++)
        if (strcmp(p->v[i].path, path) == 0 || strcmp(p->v[i].e.item.path, path) == 0)
            return true;
    return false;
}

void partials_free(struct partials *p)
{
    for (size_t i = 0; i < p->n; i++) {
        entry_clear(&p->v[i].e);
        free(p->v[i].path);
        free(p->v[i].what);
    }
    free(p->v);
    *p = (struct partials){0};
}
