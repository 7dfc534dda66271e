/* The metadata of a directory whose place cannot change: carried from another
 * directory. */
#ifndef STORE_DIRMETA_H
#define STORE_DIRMETA_H

#include <stdbool.h>
#include <sys/stat.h>

/* Give the directory `to` owner and mode of `st`, and the user.* attributes and POSIX
 * ACLs of the directory `from`. What this user may not set (EPERM) is left and *denied
 * set; so are attributes that the file system does not have. Returns 0, or -1 with
 * errno. */
int dirmeta_copy(int from, const struct stat *st, int to, bool *denied);

/* Set the modification time of `fd` to that of `st`. Returns 0, or -1 with errno. */
int dirmeta_time(int fd, const struct stat *st);

#endif
