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

/* The names in the absolute, resolved directory `path` on which something is mounted:
 * a sorted array that ends with NULL (mount_names_free). A mount deeper below is
 * ERR_REFUSED, as above. Returns 0 or -1. */
int mount_names(const char *path, char ***names, struct err *err);
void mount_names_free(char **names);

/* Whether `name` is one of them; `names` may be NULL. */
bool mount_has(char *const *names, const char *name);

#endif
