/*
 * Files that were not selected and whose data is needed all the same, because a hard
 * link to them was: by the path of the primary.
 */
#ifndef JOB_FETCHED_H
#define JOB_FETCHED_H

#include <stddef.h>
#include <stdint.h>

#include "format/item.h"
#include "util/err.h"

struct fetched {
    char *primary;   /* its path */
    uint64_t offset; /* of it in the tar, as the links say */
    char *path;      /* of the first selected link: the name it gets */
    uint8_t *item;   /* the primary's item, encoded; the caller's to set, freed here */
    size_t item_len;
    size_t range; /* the caller's own */
};

struct fetched_set;

/* An empty set. Returns 0 and *s (fetched_free it), or -1 with ERR_FAIL. */
int fetched_new(struct fetched_set **s, struct err *err);
void fetched_free(struct fetched_set *s);

/* Add the primary of `link`, an ITEM_HARDLINK whose primary is not in the set yet. */
int fetched_add(struct fetched_set *s, const struct item *link, size_t range,
                struct err *err);

/* The one with this path, or NULL. Owned by s. */
struct fetched *fetched_find(struct fetched_set *s, const char *primary);

#endif
