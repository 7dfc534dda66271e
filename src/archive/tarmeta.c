#include "archive/tarmeta.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <archive.h>

#include "archive/acl.h"

/* libarchive's reader takes a pax header of at most 1 MiB; names need up to 128 KiB of
 * it. */
#define HEADER_BYTES_MAX (768u * 1024u)
/* Newer ones take a textual ACL of at most 128 KiB and a SCHILY name of at most 128
 * bytes. */
#define ACL_ROWS_MAX   1000u
#define PLAIN_NAME_MAX 128u
#define ACL_ROW_BYTES  80u /* of text, at most */

static const struct {
    uint8_t item;
    mode_t mode;
} types[] = {
    {ITEM_FILE, S_IFREG}, {ITEM_DIR, S_IFDIR},  {ITEM_SYMLINK, S_IFLNK},
    {ITEM_FIFO, S_IFIFO}, {ITEM_CHAR, S_IFCHR}, {ITEM_BLOCK, S_IFBLK},
};

/* A hard link has the type of its primary: always a regular file. */
static mode_t file_type(uint8_t item_type)
{
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (types[i].item == item_type)
            return types[i].mode;
    }
    return S_IFREG;
}

/* libarchive's tag for a kernel's, 0 if there is none. */
static int acl_tag(uint16_t tag)
{
    switch (tag) {
    case 1:
        return ARCHIVE_ENTRY_ACL_USER_OBJ;
    case 2:
        return ARCHIVE_ENTRY_ACL_USER;
    case 4:
        return ARCHIVE_ENTRY_ACL_GROUP_OBJ;
    case 8:
        return ARCHIVE_ENTRY_ACL_GROUP;
    case 16:
        return ARCHIVE_ENTRY_ACL_MASK;
    case 32:
        return ARCHIVE_ENTRY_ACL_OTHER;
    default:
        return 0;
    }
}

/*
 * Whether libarchive's text form carries exactly these rows: the three base rows are
 * there (an access ACL takes missing ones from the mode), an access ACL is more than
 * them (or it is dropped as trivial), ids fit an int. Any other ACL travels as a plain
 * attribute.
 */
static bool acl_portable(const struct acl_row *rows, size_t n, bool access)
{
    unsigned tags = 0;
    for (size_t i = 0; i < n; i++) {
        tags |= rows[i].tag;
        if (rows[i].id != UINT32_MAX && rows[i].id > INT32_MAX)
            return false;
    }
    const unsigned base = 1u | 4u | 32u;
    return n <= ACL_ROWS_MAX && (tags & base) == base && (!access || tags != base);
}

/* Add the ACL in an attribute's value: 1; 0 if it has to stay an attribute; -1. */
static int add_acl(struct archive_entry *ae, const struct xattr *x, size_t *budget,
                   struct err *err)
{
    bool access = strcmp(x->name, ACL_XATTR_ACCESS) == 0;
    if (!access && strcmp(x->name, ACL_XATTR_DEFAULT) != 0)
        return 0;
    struct acl_row *rows;
    size_t n;
    if (acl_decode(x->value, x->len, &rows, &n) != 0)
        return 0;
    bool portable = acl_portable(rows, n, access) && n * ACL_ROW_BYTES <= *budget;
    int type = access ? ARCHIVE_ENTRY_ACL_TYPE_ACCESS : ARCHIVE_ENTRY_ACL_TYPE_DEFAULT;
    int rc = ARCHIVE_OK;
    for (size_t i = 0; portable && i < n && rc == ARCHIVE_OK; i++)
        rc = archive_entry_acl_add_entry(
            ae, type, rows[i].perm, acl_tag(rows[i].tag),
            rows[i].id == UINT32_MAX ? -1 : (int)rows[i].id, NULL);
    if (portable)
        *budget -= n * ACL_ROW_BYTES;
    free(rows);
    return rc != ARCHIVE_OK ? err_nomem(err) : portable;
}

/* libarchive escapes such bytes of a name, but its reader undoes that only in its own
 * LIBARCHIVE.xattr records. */
static bool name_odd(const char *name)
{
    size_t len = 0;
    for (; name[len] != '\0'; len++) {
        char c = name[len];
        if (c < 33 || c > 126 || c == '%' || c == '=')
            return true;
    }
    return len > PLAIN_NAME_MAX;
}

/* Without memory libarchive adds an attribute without its value, or none, and has no
 * way to say so. */
static int check_xattrs(struct archive_entry *ae, size_t n, size_t bytes,
                        struct err *err)
{
    const char *name;
    const void *value;
    size_t len, there = 0, sum = 0;
    archive_entry_xattr_reset(ae);
    while (archive_entry_xattr_next(ae, &name, &value, &len) == ARCHIVE_OK) {
        there++;
        sum += len;
    }
    return there == n && sum == bytes ? 0 : err_nomem(err);
}

static int add_xattrs(struct archive_entry *ae, const struct entry *e, bool *odd,
                      const struct notice_sink *notices, struct err *err)
{
    size_t budget = HEADER_BYTES_MAX, n = 0, bytes = 0;
    for (size_t i = 0; i < e->nxattrs; i++) {
        const struct xattr *x = &e->xattrs[i];
        int acl = add_acl(ae, x, &budget, err);
        if (acl < 0)
            return -1;
        if (acl == 1)
            continue;
        /* as escaped name and base 64, the longer of the two forms */
        size_t need = 3 * strlen(x->name) + x->len / 3 * 4 + 64;
        if (need > budget) {
            notice(notices, NOTICE_WARNING, "xattr-skipped", e->item.path,
                   "extended attribute %s is not stored: together they are too large "
                   "for a tar header",
                   x->name);
            continue;
        }
        budget -= need;
        archive_entry_xattr_add_entry(ae, x->name, x->value, x->len);
        *odd = *odd || name_odd(x->name);
        n++;
        bytes += x->len;
    }
    return check_xattrs(ae, n, bytes, err);
}

/* The end of the file is marked by an empty extent, also where nothing else is stored:
 * without any the file would count as not sparse. */
static void add_extents(struct archive_entry *ae, const struct entry *e)
{
    for (size_t i = 0; i < e->nextents; i++)
        archive_entry_sparse_add_entry(ae, (int64_t)e->extents[i].off,
                                       (int64_t)e->extents[i].len);
    if (e->nextents == 0)
        archive_entry_sparse_add_entry(ae, (int64_t)e->item.size, 0);
}

int tarmeta_fill(struct archive_entry *ae, const struct entry *e, bool *odd,
                 const struct notice_sink *notices, struct err *err)
{
    const struct item *item = &e->item;
    archive_entry_clear(ae);
    archive_entry_copy_pathname(ae, item->path);
    archive_entry_set_mode(ae, file_type(item->type) | (mode_t)item->mode);
    archive_entry_set_uid(ae, item->uid);
    archive_entry_set_gid(ae, item->gid);
    archive_entry_copy_uname(ae, item->user);
    archive_entry_copy_gname(ae, item->group);
    archive_entry_set_mtime(ae, (time_t)item->mtime, (long)item->mtime_ns);
    archive_entry_set_size(ae, item->type == ITEM_FILE ? (int64_t)item->size : 0);
    if (item->type == ITEM_FILE && (item->flags & ITEM_SPARSE) != 0)
        add_extents(ae, e);
    if (item->type == ITEM_SYMLINK)
        archive_entry_copy_symlink(ae, item->link);
    if (item->type == ITEM_HARDLINK)
        archive_entry_copy_hardlink(ae, item->link);
    if (item->type == ITEM_CHAR || item->type == ITEM_BLOCK) {
        archive_entry_set_rdevmajor(ae, item->dev_major);
        archive_entry_set_rdevminor(ae, item->dev_minor);
    }
    *odd = false;
    /* Last: an access ACL takes its part of the mode. */
    return add_xattrs(ae, e, odd, notices, err);
}
