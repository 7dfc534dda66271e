/*
 * Open things below a directory without ever leaving it: no "..", no absolute name, no
 * symlink on the way, no magic link. openat2(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS)
 * where the kernel has it; where it answers ENOSYS or EPERM (old kernels, seccomp) or
 * the path is longer than PATH_MAX, a walk component by component with O_NOFOLLOW. See
 * openat2(2).
 */
#ifndef ARCHIVE_BENEATH_H
#define ARCHIVE_BENEATH_H

#include <stdbool.h>

/* Open `path` (util/path.h; "." is rootfd itself, a new descriptor) with open(2) flags;
 * O_NOFOLLOW and O_CLOEXEC are added, O_CREAT is not for this. With `walk` the fallback
 * is used even where openat2 exists (for tests). Returns a descriptor the caller
 * closes, or -1 with errno: ELOOP or EXDEV or ENOTDIR for an attempt to escape. */
int beneath_open(int rootfd, const char *path, int flags, bool walk);

/* Open the directory that holds `path` and set *name to its last component (a pointer
 * into path). For "." it fails with EINVAL. */
int beneath_parent(int rootfd, const char *path, const char **name, bool walk);

#endif
