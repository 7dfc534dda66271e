#include "job/fetched.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

struct fetched_set {
    void *root; /* struct fetched, see tsearch(3) */
};

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct fetched *)a)->primary,
                  ((const struct fetched *)b)->primary);
}

int fetched_new(struct fetched_set **s, struct err *err)
{
    *s = calloc(1, sizeof **s);
    return *s != NULL ? 0 : err_nomem(err);
}

static void free_one(void *v)
{
    struct fetched *f = v;
    free(f->primary);
    free(f->path);
    free(f->item);
    free(f);
}

void fetched_free(struct fetched_set *s)
{
    if (s == NULL)
        return;
    tdestroy(s->root, free_one);
    free(s);
}

int fetched_add(struct fetched_set *s, const struct item *link, size_t range,
                struct err *err)
{
    struct fetched *f = calloc(1, sizeof *f);
    if (f == NULL)
        return err_nomem(err);
    f->offset = link->link_offset;
    f->range = range;
    f->path = strdup(link->path);
    f->primary = strdup(link->link);
    if (f->path == NULL || f->primary == NULL ||
        tsearch(f, &s->root, compare) == NULL) {
        free_one(f);
        return err_nomem(err);
    }
    return 0;
}

struct fetched *fetched_find(struct fetched_set *s, const char *primary)
{
    const struct fetched key = {.primary = (char *)primary};
    struct fetched *const *found = tfind(&key, &s->root, compare);
    return found != NULL ? *found : NULL;
}
