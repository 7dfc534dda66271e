/* Where one file system ends and another begins. */
#ifndef STORE_MOUNT_H
#define STORE_MOUNT_H

#include <stdbool.h>

#include "util/err.h"

/* Whether the open directory `fd` is the root of a mount (a bind mount included). */
bool mount_is_root(int fd);

/* Refuse a mount point in the way of a move: ERR_REFUSED naming the first mount below
 * the absolute, resolved directory `path` (or `path` itself, with `itself`). A
 * directory with a mount in it cannot be moved or removed without taking somebody's
 * volume along. */
int mount_refuse(const char *path, bool itself, struct err *err);

#endif
