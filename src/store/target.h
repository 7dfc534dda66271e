/* A directory that a restore is to make or fill: its real path, its parent, its lock.
 */
#ifndef STORE_TARGET_H
#define STORE_TARGET_H

#include <stdbool.h>

#include "util/err.h"

struct target {
    char *path;   /* absolute, resolved; the last component need not exist */
    char *parent; /* its parent, NULL for "/" */
    char *name;   /* its last component, "" for "/" */
    int fd;       /* open and locked if it exists, else -1 */
    int parentfd; /* open for reading, or -1 where that is not allowed */
};

/* Fill t->path, parent, name, parentfd from a path the user gave; symlinks are
 * followed. The target need not exist, its parent must (ERR_FAIL with a hint). On 0 and
 * on -1 call target_close. */
int target_resolve(struct target *t, const char *path, struct err *err);

/* Open t->path and lock it (LOCK_EX or LOCK_SH, not waiting: ERR_BUSY). Returns 1, 0 if
 * there is nothing of that name, -1. ERR_USAGE: it is no directory. */
int target_hold(struct target *t, int lock, struct err *err);

/* Whether entries of the parent can be made and exchanged by this user, the target
 * among them. */
bool target_parent_writable(const struct target *t);

void target_close(struct target *t);

#endif
