/* Which moves bring parts of a tree into a directory that has content. */
#ifndef STORE_PARTS_H
#define STORE_PARTS_H

#include <stdbool.h>
#include <stddef.h>

#include "store/journal.h"
#include "util/err.h"

/* Plan to move each of `paths` (util/path.h, none below another, none ".") into the
 * directory `root`, whose resolved path is `where`. A path of which a parent is missing
 * is moved as that parent: staging holds it with its metadata, and in it only what was
 * asked for. ERR_REFUSED names the path: something is there and `replace` is not given,
 * a parent is a symlink, no directory or on another file system, or a file system is
 * mounted in what would be replaced. Appends to `j`. */
int parts_plan(int root, const char *where, const char *const *paths, size_t n,
               bool replace, struct journal *j, struct err *err);

struct parts_rules {
    bool replace;        /* what stands in root may go */
    char *const *mounts; /* names that stay as they are on both sides; or NULL */
    const char *last;    /* the name that is moved last; or NULL */
};

/* Plan to put all that is in the directory `src` in the place of all that is in `root`.
 * lost+found of root, what belongs to restores, and the mounts stay; *kept is set where
 * src has a lost+found with content that therefore stays behind. ERR_REFUSED: root has
 * content and `replace` is not given. */
int parts_plan_all(int root, const char *where, int src,
                   const struct parts_rules *rules, struct journal *j, bool *kept,
                   struct err *err);

/* Whether the directory has content: entries other than lost+found, ours, and `mounts`
 * (or NULL). -1 with errno. *lost (may be NULL) tells whether it has lost+found. */
int parts_has_content(int dirfd, char *const *mounts, bool *lost);

#endif
