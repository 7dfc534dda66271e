/*
 * POSIX ACLs as the kernel shows them: the value of an extended attribute (acl(5), and
 * posix_acl_xattr.h in Linux). No libacl is needed for that.
 */
#ifndef ARCHIVE_ACL_H
#define ARCHIVE_ACL_H

#include <stddef.h>
#include <stdint.h>

#include "util/err.h"

#define ACL_XATTR_ACCESS  "system.posix_acl_access"
#define ACL_XATTR_DEFAULT "system.posix_acl_default"

struct acl_row {
    uint16_t tag;  /* 1 user_obj, 2 user, 4 group_obj, 8 group, 16 mask, 32 other */
    uint16_t perm; /* rwx, 0..7 */
    uint32_t id;   /* tags 2 and 8, else 0xffffffff */
};

/* Value of an ACL attribute <-> rows. acl_decode allocates *rows (free it); -1 if the
 * value is not a version 2 ACL with its rows in order, none twice (no err); it then has
 * to be kept as the bytes it is. acl_encode sorts the rows as the kernel wants them and
 * allocates the value. */
int acl_decode(const uint8_t *value, size_t len, struct acl_row **rows, size_t *n);
int acl_encode(struct acl_row *rows, size_t n, uint8_t **value, size_t *len,
               struct err *err);

#endif
