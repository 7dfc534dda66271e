/*
 * Looking at files of a tree that is not trusted. No symlink is followed, neither on
 * the way nor at the end, and nothing that stands in the place of a file can hang us.
 *
 * Paths (util/path.h, not ".") are below the directory `rootfd`. All return 1 when
 * there is something at the path, 0 when there is not (a symlink or a file on the way
 * to it included), -1 with errno when that cannot be told or read.
 */
#ifndef PMM_PEEK_H
#define PMM_PEEK_H

#include <stddef.h>
#include <sys/stat.h>

/* lstat. */
int peek_stat(int rootfd, const char *path, struct stat *st);

/* Read the first `cap` bytes of a file; *len are there, and it was the whole file if
 * *len < cap. What is no regular file reads as an empty one. */
int peek_file(int rootfd, const char *path, void *buf, size_t cap, size_t *len);

/* The names in a directory in byte order (dirlist_free of store/dirlist.h). What is no
 * directory is not there. */
int peek_dir(int rootfd, const char *path, char ***names, size_t *n);

#endif
