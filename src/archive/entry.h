/*
 * One entry of a tree, complete: the item that goes into ENTRIES, plus what only the
 * tar carries (extended attributes, the map of a sparse file).
 *
 * POSIX ACLs are held as the extended attributes the kernel shows them as
 * (system.posix_acl_access, system.posix_acl_default, little-endian version 2); tarout
 * and tarin turn them into libarchive's ACLs and back, so that other tars understand
 * them.
 */
#ifndef ARCHIVE_ENTRY_H
#define ARCHIVE_ENTRY_H

#include <stddef.h>
#include <stdint.h>

#include "format/item.h"

struct xattr {
    char *name;     /* NUL-terminated */
    uint8_t *value; /* len bytes */
    size_t len;
};

struct extent {
    uint64_t off, len; /* bytes; a run of data between holes */
};

struct entry {
    struct item item; /* its strings are owned by the entry: path, user, group, link */
    struct xattr *xattrs; /* sorted by name, no name twice */
    size_t nxattrs;
    struct extent
        *extents; /* ITEM_SPARSE: ascending, apart, within size; may be none */
    size_t nextents;
};

/* Release all an entry owns and zero it. The struct itself is the caller's. */
void entry_clear(struct entry *e);

/* Replace one of the entry's own strings (&e->item.path, .user, .group, .link) by a
 * copy of `len` bytes at `s`, or by NULL if s is NULL. Returns 0, or -1 with ERR_FAIL.
 */
int entry_set_string(const char **field, const char *s, size_t len, struct err *err);

/* Add an xattr (both copied), keeping the order; an equal name is replaced. */
int entry_add_xattr(struct entry *e, const char *name, const void *value, size_t len,
                    struct err *err);

/* Find by name, or NULL. */
const struct xattr *entry_xattr(const struct entry *e, const char *name);

#endif
