#include "archive/meta.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/acl.h"
#include "archive/xattr.h"

#define ACL_GROUP_OBJ 4u /* tag of the owning group */

int meta_stat(const struct meta_at *at, struct stat *st)
{
    if (at->fd >= 0)
        return fstat(at->fd, st);
    return fstatat(at->dirfd, at->name, st, AT_SYMLINK_NOFOLLOW);
}

int meta_type(const struct stat *st)
{
    switch (st->st_mode & S_IFMT) {
    case S_IFREG:
        return ITEM_FILE;
    case S_IFDIR:
        return ITEM_DIR;
    case S_IFLNK:
        return ITEM_SYMLINK;
    case S_IFIFO:
        return ITEM_FIFO;
    case S_IFCHR:
        return ITEM_CHAR;
    case S_IFBLK:
        return ITEM_BLOCK;
    default:
        return 0;
    }
}

bool meta_same_time(const struct item *item, const struct stat *st)
{
    return item->mtime == st->st_mtim.tv_sec &&
           (int64_t)item->mtime_ns == st->st_mtim.tv_nsec;
}

static int lies(const char *path, const char *what, struct err *err)
{
    return err_set(
        err, ERR_FAIL,
        "cannot restore: %s: the file system took its %s and did not keep it", path,
        what);
}

static int look(const struct meta_at *at, const char *path, struct stat *st,
                struct err *err)
{
    if (meta_stat(at, st) != 0)
        return err_sys(err, ERR_FAIL, "cannot look at: %s", path);
    return 0;
}

/* ---- owner and mode ---- */

static int change_owner(const struct meta_at *at, uid_t uid, gid_t gid)
{
    if (at->fd >= 0)
        return fchown(at->fd, uid, gid);
    return fchownat(at->dirfd, at->name, uid, gid, AT_SYMLINK_NOFOLLOW);
}

/* Afterwards the item has the owner that the file has. EINVAL is an id that a user
 * namespace does not map: not to be had either. */
static int apply_owner(const struct meta_at *at, const char *path, bool set,
                       struct item *item, struct meta_missed *missed, struct err *err)
{
    struct stat st;
    bool done = false;
    if (set) {
        done = change_owner(at, item->uid, item->gid) == 0;
        if (!done && errno != EPERM && errno != EINVAL)
            return err_sys(err, ERR_FAIL, "cannot set the owner of: %s", path);
        /* Somebody who may not give a file away may still give it to a group of his. */
        if (!done)
            (void)!change_owner(at, (uid_t)-1, item->gid);
    }
    if (look(at, path, &st, err) != 0)
        return -1;
    if (st.st_uid != item->uid || st.st_gid != item->gid) {
        if (done)
            return lies(path, "owner", err);
        missed->owner = true;
        item->mode &= ~(uint32_t)(S_ISUID | S_ISGID);
        item->uid = st.st_uid;
        item->gid = st.st_gid;
    }
    return 0;
}

/* A name is followed by fchmodat(2), but it is never a symlink's here, and nobody else
 * works in the directory. */
static int apply_mode(const struct meta_at *at, const char *path, struct item *item,
                      struct err *err)
{
    int rc = at->fd >= 0 ? fchmod(at->fd, (mode_t)item->mode)
                         : fchmodat(at->dirfd, at->name, (mode_t)item->mode, 0);
    if (rc != 0)
        return err_sys(err, ERR_FAIL, "cannot set the mode of: %s", path);
    return 0;
}

/* ---- attributes ---- */

static bool not_to_be_had(const char *attr)
{
    bool acl =
        strcmp(attr, ACL_XATTR_ACCESS) == 0 || strcmp(attr, ACL_XATTR_DEFAULT) == 0;
    return errno == EPERM || errno == EACCES || errno == ENOTSUP ||
           (errno == EINVAL && acl); /* it names an id that is not mapped */
}

/*
 * An access ACL could not be set. With one the group bits of the mode are its mask,
 * which may allow more than the owning group has: that must not become the group's.
 * Sets the item's mode to what the group itself may do; the named ones lose their
 * access.
 */
static void narrow_mode(const struct xattr *acl, struct item *item)
{
    struct acl_row *rows;
    size_t n;
    uint32_t group = 0;
    if (acl_decode(acl->value, acl->len, &rows, &n) == 0) {
        for (size_t i = 0; i < n; i++) {
            if (rows[i].tag == ACL_GROUP_OBJ)
                group = rows[i].perm;
        }
        free(rows);
    }
    item->mode &= ~070u | group << 3;
}

/* Take out of e the attributes that are marked as not set (their name is NULL). */
static void drop_unset(struct entry *e)
{
    size_t kept = 0;
    for (size_t i = 0; i < e->nxattrs; i++) {
        if (e->xattrs[i].name != NULL)
            e->xattrs[kept++] = e->xattrs[i];
        else
            free(e->xattrs[i].value);
    }
    e->nxattrs = kept;
}

static int xattr_missed(const struct meta_at *at, const char *path, struct xattr *x,
                        struct item *item, struct meta_missed *missed, struct err *err)
{
    if (!not_to_be_had(x->name))
        return err_sys(err, ERR_FAIL, "cannot set the extended attribute %s of: %s",
                       x->name, path);
    missed->xattr = true;
    if (strcmp(x->name, ACL_XATTR_ACCESS) == 0) {
        narrow_mode(x, item);
        if (apply_mode(at, path, item, err) != 0)
            return -1;
    }
    free(x->name);
    x->name = NULL;
    return 0;
}

/* Set those of user.*, or all others. */
static int apply_xattrs(const struct meta_at *at, const char *path, bool user,
                        struct entry *e, struct meta_missed *missed, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; i < e->nxattrs && rc == 0; i++) {
        struct xattr *x = &e->xattrs[i];
        if ((strncmp(x->name, "user.", 5) == 0) == user &&
            xattr_set(at->fd, at->dirfd, at->name, x) != 0)
            rc = xattr_missed(at, path, x, &e->item, missed, err);
    }
    drop_unset(e);
    return rc;
}

/* The name of the first attribute that is in one list only or differs, or NULL. */
static const char *first_diff(const struct entry *a, const struct entry *b)
{
    for (size_t i = 0; i < a->nxattrs || i < b->nxattrs; i++) {
        if (i == a->nxattrs)
            return b->xattrs[i].name;
        if (i == b->nxattrs)
            return a->xattrs[i].name;
        const struct xattr *x = &a->xattrs[i], *y = &b->xattrs[i];
        int c = strcmp(x->name, y->name);
        if (c != 0)
            return c < 0 ? x->name : y->name;
        if (x->len != y->len || memcmp(x->value, y->value, x->len) != 0)
            return x->name;
    }
    return NULL;
}

int meta_xattr_diff(const struct meta_at *at, const char *path, const struct entry *e,
                    struct entry *now, const char **name, struct err *err)
{
    struct err why = {0};
    *name = NULL;
    if (xattr_read(at->fd, at->dirfd, at->name, now, &why) != 0) {
        if (why.sys == EACCES)
            return 0;
        return err_set(err, ERR_FAIL, "cannot look at: %s: %s", path, why.text);
    }
    *name = first_diff(e, now);
    return 1;
}

/* Attributes that a mode without read permission hides from the caller are believed. */
static int check_xattrs(const struct meta_at *at, const char *path,
                        const struct entry *e, struct err *err)
{
    if (e->nxattrs == 0)
        return 0;
    struct entry now = {0};
    const char *name;
    int rc = meta_xattr_diff(at, path, e, &now, &name, err);
    if (rc == 1)
        rc = name ? lies(path, name, err) : 0;
    entry_clear(&now);
    return rc;
}

/* ---- all together ---- */

static int apply_time(const struct meta_at *at, const char *path,
                      const struct item *item, struct err *err)
{
    struct timespec t[2] = {
        {.tv_nsec = UTIME_OMIT},
        {.tv_sec = (time_t)item->mtime, .tv_nsec = (long)item->mtime_ns},
    };
    int rc = at->fd >= 0 ? futimens(at->fd, t)
                         : utimensat(at->dirfd, at->name, t, AT_SYMLINK_NOFOLLOW);
    if (rc != 0)
        return err_sys(err, ERR_FAIL, "cannot set the time of: %s", path);
    return 0;
}

/* What was set must now be there. */
static int check(const struct meta_at *at, const char *path, struct entry *e,
                 struct meta_missed *missed, struct err *err)
{
    struct item *item = &e->item;
    struct stat st;
    if (look(at, path, &st, err) != 0)
        return -1;
    if (st.st_uid != item->uid || st.st_gid != item->gid)
        return lies(path, "owner", err);
    if (item->type == ITEM_FILE && (uint64_t)st.st_size != item->size)
        return lies(path, "size", err);

    uint32_t mode = st.st_mode & 07777u;
    if (item->type == ITEM_SYMLINK)
        item->mode = mode;
    if (mode != item->mode) {
        /* The kernel withholds setgid from who is not in the group, without a word. */
        if (mode != (item->mode & ~(uint32_t)S_ISGID))
            return lies(path, "mode", err);
        missed->owner = true;
        item->mode = mode;
    }
    if (!meta_same_time(item, &st)) {
        missed->time = true;
        item->mtime = st.st_mtim.tv_sec;
        item->mtime_ns = (uint32_t)st.st_mtim.tv_nsec;
    }
    return check_xattrs(at, path, e, err);
}

/* The order matters: user.* needs the right to write, which the mode may take away; a
 * new owner clears setuid bits and capabilities; a new mode rewrites the mask of an
 * ACL; and all of these touch the times. */
int meta_apply(const struct meta_at *at, const char *path, bool set_owner,
               struct entry *e, struct meta_missed *missed, struct err *err)
{
    if (apply_xattrs(at, path, true, e, missed, err) != 0 ||
        apply_owner(at, path, set_owner, &e->item, missed, err) != 0)
        return -1;
    if (e->item.type != ITEM_SYMLINK && apply_mode(at, path, &e->item, err) != 0)
        return -1;
    if (apply_xattrs(at, path, false, e, missed, err) != 0 ||
        apply_time(at, path, &e->item, err) != 0)
        return -1;
    return check(at, path, e, missed, err);
}
