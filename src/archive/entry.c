#include "archive/entry.h"

#include <stdlib.h>
#include <string.h>

/* The strings of an item are const for its readers; the entry that owns them frees
 * them. */
static void drop_string(const char **field)
{
    free((char *)*field);
    *field = NULL;
}

void entry_clear(struct entry *e)
{
    drop_string(&e->item.path);
    drop_string(&e->item.user);
    drop_string(&e->item.group);
    drop_string(&e->item.link);
    for (size_t i = 0; i < e->nxattrs; i++) {
        free(e->xattrs[i].name);
        free(e->xattrs[i].value);
    }
    free(e->xattrs);
    free(e->extents);
    *e = (struct entry){0};
}

int entry_set_string(const char **field, const char *s, size_t len, struct err *err)
{
    char *copy = NULL;
    if (s != NULL) {
        copy = malloc(len + 1);
        if (copy == NULL)
            return err_nomem(err);
        memcpy(copy, s, len);
        copy[len] = '\0';
    }
    drop_string(field); /* after the copy: s may point into the old string */
    *field = copy;
    return 0;
}

/* Where `name` is (true), or where it would have to be inserted (false). */
static bool find(const struct entry *e, const char *name, size_t *at)
{
    size_t lo = 0, hi = e->nxattrs;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int c = strcmp(e->xattrs[mid].name, name);
        if (c == 0) {
            *at = mid;
            return true;
        }
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    *at = lo;
    return false;
}

/* Open a place at index `at` for an attribute that then owns name and value. */
static int insert(struct entry *e, size_t at, struct xattr x)
{
    struct xattr *p = realloc(e->xattrs, (e->nxattrs + 1) * sizeof *p);
    if (p == NULL)
        return -1;
    e->xattrs = p;
    memmove(p + at + 1, p + at, (e->nxattrs - at) * sizeof *p);
    p[at] = x;
    e->nxattrs++;
    return 0;
}

int entry_add_xattr(struct entry *e, const char *name, const void *value, size_t len,
                    struct err *err)
{
    size_t at;
    struct xattr x = {.len = len};
    x.value = malloc(len > 0 ? len : 1);
    if (x.value == NULL)
        return err_nomem(err);
    if (len > 0)
        memcpy(x.value, value, len);
    if (find(e, name, &at)) {
        free(e->xattrs[at].value);
        e->xattrs[at].value = x.value;
        e->xattrs[at].len = len;
        return 0;
    }
    x.name = strdup(name);
    if (x.name == NULL || insert(e, at, x) != 0) {
        free(x.name);
        free(x.value);
        return err_nomem(err);
    }
    return 0;
}

const struct xattr *entry_xattr(const struct entry *e, const char *name)
{
    size_t at;
    return find(e, name, &at) ? &e->xattrs[at] : NULL;
}
