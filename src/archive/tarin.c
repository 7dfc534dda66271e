#include "archive/tarin.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "archive/acl.h"
#include "archive/xattr.h"
#include "format/limits.h"
#include "util/io.h"
#include "util/path.h"

#define NO_ID     UINT32_MAX /* chown(2) takes it for "as it is" */
#define ACL_KINDS (ARCHIVE_ENTRY_ACL_TYPE_ACCESS | ARCHIVE_ENTRY_ACL_TYPE_DEFAULT)

struct tarin {
    struct archive *a;
    tarin_read_fn *fn;
    void *ctx;
    struct err *err; /* of the call under way: for the read callback */
    bool opened;     /* libarchive has begun to read */
    bool broken;     /* the read callback failed; its error stands in *err */
    bool drained;    /* the read callback has no more */
    bool at_end;     /* of the tar, and what follows it is looked at */
    uint64_t end;    /* then: where the end mark begins */

    const uint8_t *run; /* the last run supplied ... */
    size_t run_len;
    uint64_t run_end; /* ... and where it ends, in bytes supplied */

    struct entry entry;
    uint64_t seen;     /* bytes of the current content handed out */
    uint64_t next_off; /* where the next run may begin at the earliest */
    size_t extent;     /* ITEM_SPARSE: the extent that holds next_off, or lies behind */
};

/* ---- bytes ---- */

static ssize_t pull(struct tarin *t, const void **buf)
{
    *buf = NULL;
    ssize_t n = t->fn(t->ctx, buf, t->err);
    if (n < 0) {
        t->broken = true;
        return -1;
    }
    t->drained = n == 0;
    if (n > 0) {
        t->run = *buf;
        t->run_len = (size_t)n;
        t->run_end += (uint64_t)n;
    }
    return n;
}

static la_ssize_t on_read(struct archive *a, void *ctx, const void **buf)
{
    int saved = errno; /* see no_memory */
    ssize_t n = pull(ctx, buf);
    errno = saved;
    if (n < 0) {
        archive_set_error(a, EIO, "read failed");
        return ARCHIVE_FATAL;
    }
    return n;
}

static int rest_is_zero(struct tarin *t, const void *p, size_t len)
{
    if (len == 0 || io_is_zero(p, len))
        return 0;
    return err_set(t->err, ERR_DAMAGED,
                   "the tar in the archive is damaged: bytes after its end");
}

/* After the end mark there may be zeros and nothing else, or something hides there. */
static int check_rest(struct tarin *t)
{
    uint64_t used = (uint64_t)archive_filter_bytes(t->a, 0);
    uint64_t left = t->run_end > used ? t->run_end - used : 0;
    size_t here = left < t->run_len ? (size_t)left : t->run_len;
    if (here > 0 && rest_is_zero(t, t->run + (t->run_len - here), here) != 0)
        return -1;
    while (!t->drained) {
        const void *p;
        ssize_t n = pull(t, &p);
        if (n < 0 || rest_is_zero(t, p, (size_t)n) != 0)
            return -1;
    }
    return 0;
}

/*
 * Whether memory was short since errno was cleared. What libarchive has no memory for
 * it leaves out, an extended attribute or its value without a word, or it takes it for
 * a fault of the tar; and malloc tells by errno.
 */
static bool no_memory(const struct tarin *t)
{
    return errno == ENOMEM || archive_errno(t->a) == ENOMEM;
}

/* What libarchive says, unless the bytes failed before it could. */
static int lib_error(struct tarin *t)
{
    if (t->broken)
        return -1;
    if (no_memory(t))
        return err_nomem(t->err);
    const char *why = archive_error_string(t->a);
    return err_set(t->err, ERR_DAMAGED, "the tar in the archive is damaged: %s",
                   why ? why : "not a tar");
}

static int damaged(struct tarin *t, const char *why)
{
    if (no_memory(t))
        return err_nomem(t->err);
    return err_set(t->err, ERR_DAMAGED, "the tar in the archive is damaged: %s: %s",
                   t->entry.item.path ? t->entry.item.path : "an entry", why);
}

int tarin_open(struct tarin **out, tarin_read_fn *fn, void *ctx, struct err *err)
{
    struct tarin *t = calloc(1, sizeof *t);
    if (t == NULL)
        return err_nomem(err);
    t->fn = fn;
    t->ctx = ctx;
    t->a = archive_read_new();
    /* The empty format is for a selection of nothing: a stream without a byte. */
    if (t->a == NULL || archive_read_support_format_tar(t->a) != ARCHIVE_OK ||
        archive_read_support_format_empty(t->a) != ARCHIVE_OK) {
        tarin_free(t);
        return err_nomem(err);
    }
    *out = t;
    return 0;
}

void tarin_free(struct tarin *t)
{
    if (t == NULL)
        return;
    if (t->a != NULL)
        archive_read_free(t->a);
    entry_clear(&t->entry);
    free(t);
}

/* ---- one header ---- */

/* Set *field to `s`, of at most `max` bytes; NULL and "" are no string. */
static int take_string(struct tarin *t, const char **field, const char *s, size_t max)
{
    size_t len = s ? strlen(s) : 0;
    if (len > max)
        return damaged(t, "a name is too long");
    return len > 0 ? entry_set_string(field, s, len, t->err) : 0;
}

/* A directory comes as "dir/", the root as "./". */
static int take_path(struct tarin *t, const char *s, bool dir)
{
    if (s == NULL)
        return damaged(t, "it has no name");
    size_t len = strlen(s);
    if (dir && len > 1 && s[len - 1] == '/')
        len--;
    if (len > PATH_BYTES_MAX)
        return damaged(t, "its name is too long");
    if (!path_valid(s, len))
        return err_set(
            t->err, ERR_DAMAGED,
            "the tar in the archive is damaged: an entry has an unsafe name: "
            "%s",
            s);
    return entry_set_string(&t->entry.item.path, s, len, t->err);
}

static int take_type(struct tarin *t, struct archive_entry *ae)
{
    struct item *item = &t->entry.item;
    if (archive_entry_hardlink(ae) != NULL) {
        item->type = ITEM_HARDLINK;
        return 0;
    }
    switch (archive_entry_filetype(ae)) {
    case AE_IFREG:
        item->type = ITEM_FILE;
        return 0;
    case AE_IFDIR:
        item->type = ITEM_DIR;
        return 0;
    case AE_IFLNK:
        item->type = ITEM_SYMLINK;
        return 0;
    case AE_IFIFO:
        item->type = ITEM_FIFO;
        return 0;
    case AE_IFCHR:
        item->type = ITEM_CHAR;
        return 0;
    case AE_IFBLK:
        item->type = ITEM_BLOCK;
        return 0;
    default:
        return damaged(t, "an entry of unknown type");
    }
}

/* The target of either kind of link. */
static int take_link(struct tarin *t, struct archive_entry *ae)
{
    struct item *item = &t->entry.item;
    bool hard = item->type == ITEM_HARDLINK;
    if (!hard && item->type != ITEM_SYMLINK)
        return 0;
    const char *link = hard ? archive_entry_hardlink(ae) : archive_entry_symlink(ae);
    if (take_string(t, &item->link, link, PATH_BYTES_MAX) != 0)
        return -1;
    if (item->link == NULL)
        return damaged(t, "a link without a target");
    if (hard && !path_valid(link, strlen(link)))
        return damaged(t, "a hard link to an unsafe name");
    return 0;
}

/* Owner, mode, time, device. */
static int take_numbers(struct tarin *t, struct archive_entry *ae)
{
    struct item *item = &t->entry.item;
    int64_t uid = archive_entry_uid(ae), gid = archive_entry_gid(ae);
    if (uid < 0 || uid >= NO_ID || gid < 0 || gid >= NO_ID)
        return damaged(t, "its owner is out of range");
    item->uid = (uint32_t)uid;
    item->gid = (uint32_t)gid;
    item->mode = (uint32_t)archive_entry_perm(ae) & 07777;

    /* Negative times: the reader gives the floor in seconds and a fraction forward, as
     * the kernel does; an item knows no other form. */
    long ns = archive_entry_mtime_nsec(ae);
    if (!archive_entry_mtime_is_set(ae) || ns < 0 || ns > 999999999)
        return damaged(t, "its time is out of range");
    item->mtime = archive_entry_mtime(ae);
    item->mtime_ns = (uint32_t)ns;

    if (item->type == ITEM_CHAR || item->type == ITEM_BLOCK) {
        item->dev_major = (uint32_t)archive_entry_rdevmajor(ae);
        item->dev_minor = (uint32_t)archive_entry_rdevminor(ae);
    }
    return 0;
}

/* Add the next extent of a map; libarchive marks the end of a file that ends in a hole
 * by an extent of no bytes. */
static int take_extent(struct tarin *t, struct archive_entry *ae, size_t *n)
{
    struct entry *e = &t->entry;
    la_int64_t off, len;
    if (archive_entry_sparse_next(ae, &off, &len) != ARCHIVE_OK)
        return damaged(t, "its map of holes cannot be read");
    if (len == 0)
        return 0;
    uint64_t from = *n > 0 ? e->extents[*n - 1].off + e->extents[*n - 1].len : 0;
    if (off < 0 || len < 0 || (uint64_t)off < from ||
        (uint64_t)off + (uint64_t)len > e->item.size)
        return damaged(t, "its map of holes is wrong");
    e->extents[(*n)++] = (struct extent){(uint64_t)off, (uint64_t)len};
    e->item.stored += (uint64_t)len;
    return 0;
}

/* Size and map. A plain file has no map at all, or one extent over everything, which
 * libarchive counts as none. */
static int take_size(struct tarin *t, struct archive_entry *ae)
{
    struct entry *e = &t->entry;
    int64_t size = archive_entry_size_is_set(ae) ? archive_entry_size(ae) : 0;
    if (size < 0)
        return damaged(t, "its size is out of range");
    if (e->item.type != ITEM_FILE)
        return size == 0 ? 0 : damaged(t, "it is no file and has content");
    e->item.size = (uint64_t)size;

    int count = archive_entry_sparse_reset(ae);
    if (size == 0 || count <= 0) {
        e->item.stored = e->item.size;
        return 0;
    }
    e->item.flags = ITEM_SPARSE;
    e->extents = calloc((size_t)count, sizeof *e->extents);
    if (e->extents == NULL)
        return err_nomem(t->err);
    for (int i = 0; i < count; i++) {
        if (take_extent(t, ae, &e->nextents) != 0)
            return -1;
    }
    return 0;
}

/* ---- attributes and ACLs ---- */

static int take_xattrs(struct tarin *t, struct archive_entry *ae)
{
    const char *name;
    const void *value;
    size_t len;
    archive_entry_xattr_reset(ae);
    while (archive_entry_xattr_next(ae, &name, &value, &len) == ARCHIVE_OK) {
        if (name == NULL || *name == '\0')
            return damaged(t, "an extended attribute without a name");
        if (!xattr_wanted(name))
            return damaged(t, "an extended attribute that is never stored");
        if (entry_add_xattr(&t->entry, name, value, len, t->err) != 0)
            return -1;
    }
    return 0;
}

/* libarchive's tag as the kernel's, 0 if it is none of POSIX. */
static uint16_t acl_tag(int tag)
{
    switch (tag) {
    case ARCHIVE_ENTRY_ACL_USER_OBJ:
        return 1;
    case ARCHIVE_ENTRY_ACL_USER:
        return 2;
    case ARCHIVE_ENTRY_ACL_GROUP_OBJ:
        return 4;
    case ARCHIVE_ENTRY_ACL_GROUP:
        return 8;
    case ARCHIVE_ENTRY_ACL_MASK:
        return 16;
    case ARCHIVE_ENTRY_ACL_OTHER:
        return 32;
    default:
        return 0;
    }
}

static int acl_rows(struct tarin *t, struct archive_entry *ae, int kind,
                    struct acl_row *rows, size_t cap, size_t *n)
{
    int type, perm, tag, id;
    const char *name;
    while (archive_entry_acl_next(ae, kind, &type, &perm, &tag, &id, &name) ==
           ARCHIVE_OK) {
        struct acl_row row = {acl_tag(tag), (uint16_t)(perm & 7), NO_ID};
        bool named = row.tag == 2 || row.tag == 8;
        if (row.tag == 0 || *n == cap || (named && id == -1))
            return damaged(t, "its ACL cannot be read");
        if (named)
            row.id = (uint32_t)id;
        /* The kernel shows the mask as the group's permission; in the tar the mode has
         * what the owning group itself may do. */
        if (row.tag == 16 && kind == ARCHIVE_ENTRY_ACL_TYPE_ACCESS)
            t->entry.item.mode = (t->entry.item.mode & ~070u) | (uint32_t)row.perm << 3;
        rows[(*n)++] = row;
    }
    return 0;
}

static int take_acl(struct tarin *t, struct archive_entry *ae, int kind,
                    const char *attr)
{
    /* An access ACL of three rows says what the mode says, and is none. */
    int count = archive_entry_acl_reset(ae, kind);
    if (count <= (kind == ARCHIVE_ENTRY_ACL_TYPE_ACCESS ? 3 : 0))
        return 0;
    size_t n = 0, len = 0;
    uint8_t *value = NULL;
    int rc = -1;
    struct acl_row *rows = calloc((size_t)count, sizeof *rows);
    if (rows == NULL)
        return err_nomem(t->err);
    if (acl_rows(t, ae, kind, rows, (size_t)count, &n) == 0 &&
        acl_encode(rows, n, &value, &len, t->err) == 0)
        rc = entry_add_xattr(&t->entry, attr, value, len, t->err);
    free(value);
    free(rows);
    return rc;
}

static int take_acls(struct tarin *t, struct archive_entry *ae)
{
    if ((archive_entry_acl_types(ae) & ~ACL_KINDS) != 0)
        return damaged(t, "an ACL of unknown kind");
    if (take_acl(t, ae, ARCHIVE_ENTRY_ACL_TYPE_ACCESS, ACL_XATTR_ACCESS) != 0)
        return -1;
    return take_acl(t, ae, ARCHIVE_ENTRY_ACL_TYPE_DEFAULT, ACL_XATTR_DEFAULT);
}

/* ---- the reader ---- */

static int take_entry(struct tarin *t, struct archive_entry *ae)
{
    struct item *item = &t->entry.item;
    if (take_type(t, ae) != 0 ||
        take_path(t, archive_entry_pathname(ae), item->type == ITEM_DIR) != 0 ||
        take_link(t, ae) != 0 || take_numbers(t, ae) != 0 || take_size(t, ae) != 0 ||
        take_xattrs(t, ae) != 0 || take_acls(t, ae) != 0 ||
        take_string(t, &item->user, archive_entry_uname(ae), NAME_BYTES_MAX) != 0 ||
        take_string(t, &item->group, archive_entry_gname(ae), NAME_BYTES_MAX) != 0)
        return -1;
    item->tar_offset = (uint64_t)archive_read_header_position(t->a);
    if (strcmp(item->path, ".") == 0 && item->type != ITEM_DIR)
        return damaged(t, "the root is no directory");
    return 0;
}

/* libarchive reads the first bytes when it opens, so that waits until they are wanted.
 */
static int open_first(struct tarin *t)
{
    if (t->opened)
        return ARCHIVE_OK;
    t->opened = true;
    return archive_read_open(t->a, t, NULL, on_read, NULL);
}

int tarin_next(struct tarin *t, const struct entry **e, struct err *err)
{
    t->err = err;
    if (t->at_end)
        return 0;
    if (t->broken)
        return err_set(err, ERR_FAIL,
                       "the tar in the archive cannot be read any further");
    entry_clear(&t->entry);
    t->seen = t->next_off = 0;
    t->extent = 0;

    /* The writer's tar never makes libarchive hesitate: a warning is damage, too. */
    struct archive_entry *ae;
    errno = 0;
    int rc = open_first(t);
    if (rc == ARCHIVE_OK)
        rc = archive_read_next_header(t->a, &ae);
    if (rc == ARCHIVE_EOF) {
        if (t->broken || check_rest(t) != 0)
            return -1;
        t->at_end = true;
        t->end = (uint64_t)archive_read_header_position(t->a);
        return 0;
    }
    if (rc != ARCHIVE_OK)
        return lib_error(t);
    if (take_entry(t, ae) != 0)
        return -1;
    if (no_memory(t))
        return err_nomem(err);
    *e = &t->entry;
    return 1;
}

uint64_t tarin_end(const struct tarin *t)
{
    return t->end;
}

/* Whether a run lies where the map says, or right behind the last one. */
static bool run_fits(struct tarin *t, uint64_t off, size_t len)
{
    const struct entry *e = &t->entry;
    if ((e->item.flags & ITEM_SPARSE) == 0)
        return off == t->next_off && len <= e->item.size - off;
    while (t->extent < e->nextents &&
           e->extents[t->extent].off + e->extents[t->extent].len <= off)
        t->extent++;
    return t->extent < e->nextents && off >= t->next_off &&
           off >= e->extents[t->extent].off &&
           len <= e->extents[t->extent].len - (off - e->extents[t->extent].off);
}

int tarin_data(struct tarin *t, const void **buf, size_t *len, uint64_t *off,
               struct err *err)
{
    t->err = err;
    if (t->entry.item.type != ITEM_FILE)
        return 0;
    for (;;) {
        la_int64_t at;
        errno = 0;
        int rc = archive_read_data_block(t->a, buf, len, &at);
        if (rc == ARCHIVE_EOF) {
            if (t->broken)
                return -1;
            if (t->seen != t->entry.item.stored)
                return damaged(t, "part of its content is missing");
            return 0;
        }
        if (rc != ARCHIVE_OK)
            return lib_error(t);
        if (*len == 0)
            continue;
        if (at < 0 || !run_fits(t, (uint64_t)at, *len))
            return damaged(t, "its content does not fit its map of holes");
        *off = (uint64_t)at;
        t->next_off = *off + *len;
        t->seen += *len;
        return 1;
    }
}

/* A run is counted as used up only when the next one is asked for. */
uint64_t tarin_position(const struct tarin *t)
{
    return (uint64_t)archive_filter_bytes(t->a, 0);
}
