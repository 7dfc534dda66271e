/*
 * A directory whose content is read: what a backup or a comparison starts from.
 */
#ifndef STORE_CONTENT_H
#define STORE_CONTENT_H

#include <stdbool.h>

#include "util/err.h"

/* Open a directory to read a tree from and hold it: flock shared, ERR_BUSY when a
 * restore holds it. Returns the descriptor or -1: ERR_FAIL (missing, unreadable, hint),
 * ERR_USAGE (no directory), ERR_REFUSED (a restore into it was killed in the middle of
 * its swap: the content is half old, half new, until the next restore puts it in
 * order). */
int content_open(const char *path, struct err *err);

/* Whether a restore into the directory `path` was killed in the middle of its moves:
 * the next one puts back what stood there. No directory: no. */
bool content_half_done(const char *path);

/* Whether the directory has no entry but "lost+found" (whatever is in that) and names
 * that only restores use (path_reserved). 1, 0, or -1 with ERR_FAIL. */
int content_is_empty(int dirfd, struct err *err);

#endif
