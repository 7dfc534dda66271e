/*
 * The directories on the way down a tree: for each its descriptor and its names, sorted
 * by bytes; and the path of the name the walk is at. On the heap, so that depth costs
 * no C stack.
 *
 * The names of a directory are packed (6 bytes + its length a name) and dropped when
 * the walk leaves it.
 */
#ifndef ARCHIVE_DIRSTACK_H
#define ARCHIVE_DIRSTACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/buf.h"

struct dirstack_level {
    int fd;
    dev_t dev;
    struct buf names; /* for each name: its d_type, the name, NUL */
    uint32_t *order;  /* places in `names`, sorted; n of them */
    size_t n, next;
    size_t path_len; /* of the directory's own path; 0 for the root */
};

struct dirstack {
    struct dirstack_level *v;
    size_t n, cap;
    struct buf path;
};

/* Enter the directory `fd`, whose path is the current one (the root: the first one
 * entered), and read its names. fd is the stack's from now on, also on failure. Returns
 * 0; -1 with errno when it could not be read to its end: what was read is kept, and the
 * directory is entered all the same, unless memory was short for that (ENOMEM: *entered
 * false). */
int dirstack_enter(struct dirstack *s, int fd, dev_t dev, bool *entered);

/* The next name in the directory entered last, or NULL when there is none left. Sets
 * *type (DT_...) and makes dirstack_path that name's path. A name that was read twice
 * comes once. Returns NULL with errno ENOMEM when memory is short, else with errno 0.
 */
const char *dirstack_next(struct dirstack *s, uint8_t *type);

/* The path of the current name, relative to the root. Any length. */
const char *dirstack_path(const struct dirstack *s);

/* The directory entered last. At least one must be. */
const struct dirstack_level *dirstack_top(const struct dirstack *s);

/* Leave the directory entered last: closes it. */
void dirstack_leave(struct dirstack *s);

/* Leave all and release the memory. */
void dirstack_clear(struct dirstack *s);

#endif
