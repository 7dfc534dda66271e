/* The names in a directory, in byte order. */
#ifndef STORE_DIRLIST_H
#define STORE_DIRLIST_H

#include <stddef.h>

/* Read all names but "." and ".." of the directory `dirfd` (borrowed; its offset is not
 * touched). Returns 0 and an array of *n strings (dirlist_free it), or -1 with errno.
 */
int dirlist_read(int dirfd, char ***names, size_t *n);
void dirlist_free(char **names, size_t n);

#endif
