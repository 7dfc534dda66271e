/*
 * Owner, mode, attributes and times of one file: set, then looked at again. A file
 * system that takes a value and does not keep it is found here.
 */
#ifndef ARCHIVE_META_H
#define ARCHIVE_META_H

#include <stdbool.h>
#include <sys/stat.h>

#include "archive/entry.h"
#include "util/err.h"

/* Where the file is: a descriptor of it, or, for what is never opened, fd -1 and its
 * name in a directory. */
struct meta_at {
    int fd;
    int dirfd;
    const char *name;
};

/* What could not be had, for want of the right or because the file system knows no such
 * thing. */
struct meta_missed {
    bool owner; /* or a setuid or setgid bit that goes with the owner */
    bool xattr;
    bool time; /* the file system keeps coarser or fewer times than this one */
};

/* Set what e->item (uid, gid, mode, mtime) and e->xattrs want; with `set_owner` false
 * the owner stays as it is. On return e says what the file has now: attributes that
 * could not be set are taken out of it. `path` is for messages. A setuid or setgid bit
 * is never given to a file whose owner is not the wanted one. Returns 0 and adds to
 * *missed; -1 with ERR_FAIL. */
int meta_apply(const struct meta_at *at, const char *path, bool set_owner,
               struct entry *e, struct meta_missed *missed, struct err *err);

/* Read the file's wanted attributes (archive/xattr.h) into `now`, which the caller
 * gives empty and clears, and look for one that differs from those of e. Returns 1 and
 * *name, owned by e or `now`, NULL if none differs; 0 if the caller has no right to
 * read them; -1 with ERR_FAIL. */
int meta_xattr_diff(const struct meta_at *at, const char *path, const struct entry *e,
                    struct entry *now, const char **name, struct err *err);

/* fstat(2), or fstatat(2) that does not follow a symlink. 0, or -1 with errno. */
int meta_stat(const struct meta_at *at, struct stat *st);

/* The type of what fstat(2) found: an enum item_type, or 0 for a socket. */
int meta_type(const struct stat *st);

/* Whether the item's mtime is that of `st`. */
bool meta_same_time(const struct item *item, const struct stat *st);

#endif
