/* The directory that holds a path, reached without following a symlink. */
#ifndef STORE_BELOW_H
#define STORE_BELOW_H

/* Open (O_PATH) the directory that holds `path` (util/path.h, not ".") below rootfd,
 * component by component, and set *name to the last component, a pointer into path. The
 * caller closes it. -1 with errno: ENOENT, ENOTDIR or ELOOP for what is no directory.
 */
int below_parent(int rootfd, const char *path, const char **name);

#endif
