/* Where one file system ends and another begins. */
#ifndef STORE_MOUNT_H
#define STORE_MOUNT_H

#include <stdbool.h>

#include "util/err.h"

/* Whether the open directory `fd` is the root of a mount (a bind mount included). */
bool mount_is_root(int fd);

/* --require-mount: ERR_REFUSED if the open directory `fd`, called `path`, is not the
 * root of a mount: a backup disk that is not mounted leaves an empty directory. */
int mount_require(int fd, const char *path, struct err *err);

/* Refuse a mount point in the way of a move: ERR_REFUSED naming the first mount below
 * the absolute, resolved directory `path` (or `path` itself, with `itself`). A
 * directory with a mount in it cannot be moved or removed without taking somebody's
 * volume along. */
int mount_refuse(const char *path, bool itself, struct err *err);

/* The names in the open directory `dirfd`, whose absolute, resolved path is `path`, on
 * which something is mounted: a sorted array that ends with NULL (mount_names_free).
 * ERR_REFUSED: a mount deeper below, as above, or one of a part of the directory itself
 * (a bind mount), which nobody could replace and keep. Returns 0 or -1. */
int mount_names(int dirfd, const char *path, char ***names, struct err *err);
void mount_names_free(char **names);

/* Whether `name` is one of them; `names` may be NULL. */
bool mount_has(char *const *names, const char *name);

#endif
