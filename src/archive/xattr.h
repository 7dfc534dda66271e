/*
 * Extended attributes and POSIX ACLs of one file, by descriptor or, for what cannot be
 * opened, by (directory, name) through /proc/self/fd. Kept: user.*, trusted.* (as
 * root), security.capability, POSIX ACLs. Never: security.selinux, security.ima,
 * security.evm, trusted.overlay.*, system.nfs4_acl and the like.
 */
#ifndef ARCHIVE_XATTR_H
#define ARCHIVE_XATTR_H

#include <stdbool.h>

#include "archive/entry.h"
#include "util/err.h"

/* Whether an attribute of this name belongs in an archive. */
bool xattr_wanted(const char *name);

/* Read the wanted attributes into e. If fd >= 0 it is asked (an O_RDONLY or O_PATH
 * descriptor both work), else `name` in dirfd, not following a symlink. A file system
 * without attributes gives none. Returns 0; -1 with ERR_FAIL. */
int xattr_read(int fd, int dirfd, const char *name, struct entry *e, struct err *err);

/* Set one attribute. Returns 0, or -1 with errno. */
int xattr_set(int fd, int dirfd, const char *name, const struct xattr *x);

/* Remove one attribute (a default ACL inherited from a parent, say). 0, or -1 with
 * errno. */
int xattr_remove(int fd, int dirfd, const char *name, const char *attr);

#endif
