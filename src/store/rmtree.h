/* Remove a directory with all that is in it. */
#ifndef STORE_RMTREE_H
#define STORE_RMTREE_H

#include "util/err.h"

/* Remove the directory dirfd/name and everything below it; absent is well. Follows no
 * symlink, stops at a mount point (ERR_FAIL), works at any depth and however long the
 * path, and gives its owner the rights he lacks. Does not look at stop signals: it is
 * what cleans up after one. */
int rmtree_at(int dirfd, const char *name, struct err *err);

#endif
