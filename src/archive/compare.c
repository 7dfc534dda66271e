#include "archive/compare.h"

#include <errno.h>
#include <fcntl.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "archive/beneath.h"
#include "archive/dirstack.h"
#include "archive/holes.h"
#include "archive/meta.h"
#include "format/limits.h"
#include "util/fdlimit.h"
#include "util/io.h"
#include "util/path.h"

#define BUFFER (1024u * 1024u)

/*
 * Each entry is looked up from the root on its own. What the archive does not have is
 * found besides, by a second walk: `stack` holds the directories on the way to the last
 * entry that are on both sides, and in each the names up to the entry have been dealt
 * with.
 */
struct compare {
    int rootfd;
    struct compare_opts opts;
    compare_fn *fn;
    void *ctx;
    uint64_t count;

    char last[PATH_BYTES_MAX + 1]; /* path of the last entry; "" before the first */
    struct dirstack stack;         /* empty when the entries are a selection */
    const char
        *pending; /* read from the top directory, behind the last entry; or NULL */
    uint8_t pending_type;

    uint8_t *buf; /* BUFFER bytes */
    int fd;       /* of the current file while its content may still be equal, or -1 */
    uint64_t size,
        next; /* of the current file: its size, the end of what was compared */
};

static void differs(struct compare *c, const char *path, const char *what)
{
    c->count++;
    c->fn(c->ctx, path, what);
}

static int unreadable(const char *path, struct err *err)
{
    return err_sys(err, ERR_FAIL, "cannot compare: %s", path);
}

static int damaged(const char *path, const char *why, struct err *err)
{
    return err_set(err, ERR_DAMAGED, "the archive is damaged: %s: %s", path, why);
}

/* ---- what is on disk only ---- */

/* Go into the directory `fd` (taken), whose path is the stack's current one. */
static int enter(struct compare *c, int fd, const char *path, struct err *err)
{
    bool entered;
    if (dirstack_enter(&c->stack, fd, 0, &entered) != 0)
        return unreadable(path, err);
    c->pending = NULL;
    return 0;
}

/* The name on disk that is next in the top directory, or NULL. */
static int peek(struct compare *c, const char **name, struct err *err)
{
    if (c->pending == NULL) {
        c->pending = dirstack_next(&c->stack, &c->pending_type);
        if (c->pending == NULL && errno != 0)
            return err_nomem(err);
    }
    *name = c->pending;
    return 0;
}

/* The pending name is not in the archive. */
static int extra(struct compare *c, struct err *err)
{
    const char *path = dirstack_path(&c->stack);
    uint8_t type = c->pending_type;
    if (type == DT_UNKNOWN) {
        struct stat st;
        int rc =
            fstatat(dirstack_top(&c->stack)->fd, c->pending, &st, AT_SYMLINK_NOFOLLOW);
        if (rc != 0 && errno != ENOENT)
            return unreadable(path, err);
        type = rc != 0 ? DT_SOCK : (uint8_t)IFTODT(st.st_mode);
    }
    c->pending = NULL;
    if (type == DT_SOCK)
        return 0;
    bool is_dir = type == DT_DIR;
    if ((c->opts.excludes == NULL || !glob_match(c->opts.excludes, path, is_dir)) &&
        (c->opts.defaults == NULL || !glob_match(c->opts.defaults, path, is_dir)))
        differs(c, path, "extra");
    return 0;
}

/* Deal with the names before `until` (NULL: all) in the top directory. *found: the next
 * one is `until` itself, and is used up. */
static int skip_to(struct compare *c, const char *until, bool *found, struct err *err)
{
    const char *name = NULL;
    *found = false;
    for (;;) {
        if (err_stopped(err) != 0 || peek(c, &name, err) != 0)
            return -1;
        int order = name == NULL ? 1 : until == NULL ? -1 : strcmp(name, until);
        if (order == 0) {
            *found = true;
            c->pending = NULL;
        }
        if (order >= 0)
            return 0;
        if (extra(c, err) != 0)
            return -1;
    }
}

static int leave(struct compare *c, struct err *err)
{
    bool found;
    if (skip_to(c, NULL, &found, err) != 0)
        return -1;
    dirstack_leave(&c->stack);
    return 0;
}

static bool top_above(const struct compare *c, const char *path)
{
    size_t len = dirstack_top(&c->stack)->path_len;
    return len == 0 || (strncmp(c->last, path, len) == 0 && path[len] == '/');
}

/* Bring the second walk to `path`. *found: it is there, and the stack's current path.
 */
static int advance(struct compare *c, const char *path, bool *found, struct err *err)
{
    *found = false;
    while (!top_above(c, path)) {
        if (leave(c, err) != 0)
            return -1;
    }
    size_t len = dirstack_top(&c->stack)->path_len;
    const char *name = path + (len > 0 ? len + 1 : 0);
    if (strchr(name, '/') != NULL)
        return 0; /* its directory is missing, and that was told */
    return skip_to(c, name, found, err);
}

/* ---- open, free ---- */

int compare_open(struct compare **out, int rootfd, const struct compare_opts *opts,
                 compare_fn *fn, void *ctx, struct err *err)
{
    struct compare *c = calloc(1, sizeof *c);
    if (c == NULL)
        return err_nomem(err);
    fdlimit_raise();
    c->rootfd = rootfd;
    c->opts = *opts;
    c->fn = fn;
    c->ctx = ctx;
    c->fd = -1;
    c->buf = malloc(BUFFER);
    if (c->buf == NULL) {
        err_nomem(err);
        goto fail;
    }
    if (!opts->partial) {
        int fd = openat(rootfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0) {
            unreadable(".", err);
            goto fail;
        }
        if (enter(c, fd, ".", err) != 0)
            goto fail;
    }
    *out = c;
    return 0;

fail:
    compare_free(c);
    return -1;
}

void compare_free(struct compare *c)
{
    if (c == NULL)
        return;
    if (c->fd >= 0)
        close(c->fd);
    dirstack_clear(&c->stack);
    free(c->buf);
    free(c);
}

uint64_t compare_count(const struct compare *c)
{
    return c->count;
}

/* ---- metadata ---- */

static void xattr_differs(struct compare *c, const char *path, const char *name)
{
    char what[300];
    snprintf(what, sizeof what, "xattr %s", name);
    differs(c, path, what);
}

/* Both lists are sorted by name. */
static void merge_xattrs(struct compare *c, const struct entry *e,
                         const struct entry *now)
{
    for (size_t i = 0, j = 0; i < e->nxattrs || j < now->nxattrs;) {
        const struct xattr *a = i < e->nxattrs ? &e->xattrs[i] : NULL;
        const struct xattr *b = j < now->nxattrs ? &now->xattrs[j] : NULL;
        int order = a == NULL ? 1 : b == NULL ? -1 : strcmp(a->name, b->name);
        if (order != 0)
            xattr_differs(c, e->item.path, order < 0 ? a->name : b->name);
        else if (a->len != b->len || memcmp(a->value, b->value, a->len) != 0)
            xattr_differs(c, e->item.path, a->name);
        i += order <= 0;
        j += order >= 0;
    }
}

static int check_xattrs(struct compare *c, const struct meta_at *at,
                        const struct entry *e, struct err *err)
{
    struct entry now = {0};
    const char *first;
    int rc = meta_xattr_diff(at, e->item.path, e, &now, &first, err);
    if (rc == 0) {
        errno = EACCES;
        unreadable(e->item.path, err);
    } else if (rc == 1) {
        merge_xattrs(c, e, &now);
    }
    entry_clear(&now);
    return rc == 1 ? 0 : -1;
}

static int check_target(struct compare *c, const struct meta_at *at,
                        const struct item *item, struct err *err)
{
    ssize_t n = readlinkat(at->dirfd, at->name, (char *)c->buf, BUFFER);
    if (n < 0)
        return unreadable(item->path, err);
    if ((size_t)n != strlen(item->link) || memcmp(c->buf, item->link, (size_t)n) != 0)
        differs(c, item->path, "link");
    return 0;
}

/* Another name of a file says nothing but that. */
static int check_hardlink(struct compare *c, const struct item *item,
                          const struct stat *st, struct err *err)
{
    struct stat primary;
    int fd = beneath_open(c->rootfd, item->link, O_PATH, false);
    if (fd < 0 && errno != ENOENT && errno != ENOTDIR && errno != ELOOP)
        return unreadable(item->link, err);
    if (fd >= 0 && fstat(fd, &primary) != 0) {
        close(fd);
        return unreadable(item->link, err);
    }
    if (fd >= 0)
        close(fd);
    if (fd < 0 || primary.st_dev != st->st_dev || primary.st_ino != st->st_ino)
        differs(c, item->path, "link");
    return 0;
}

static void check_stat(struct compare *c, const struct item *item,
                       const struct stat *st)
{
    bool device = item->type == ITEM_CHAR || item->type == ITEM_BLOCK;
    if (item->type != ITEM_SYMLINK && (st->st_mode & 07777u) != item->mode)
        differs(c, item->path, "mode");
    if (!c->opts.ignore_owner && (st->st_uid != item->uid || st->st_gid != item->gid))
        differs(c, item->path, "owner");
    if (!meta_same_time(item, st))
        differs(c, item->path, "mtime");
    if (device && st->st_rdev != makedev(item->dev_major, item->dev_minor))
        differs(c, item->path, "device");
}

/* ---- one entry ---- */

static int open_file(struct compare *c, const struct meta_at *at, const struct entry *e,
                     const struct stat *st, struct err *err)
{
    if ((uint64_t)st->st_size != e->item.size) {
        differs(c, e->item.path, "size");
        return 0;
    }
    c->size = e->item.size;
    c->next = 0;
    c->fd = openat(at->dirfd, at->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    return c->fd < 0 ? unreadable(e->item.path, err) : 0;
}

static int enter_dir(struct compare *c, const struct meta_at *at, const char *path,
                     struct err *err)
{
    int fd =
        openat(at->dirfd, at->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return unreadable(path, err);
    return enter(c, fd, path, err);
}

/* `in_walk`: the second walk stands at this very name. */
static int compare_found(struct compare *c, const struct meta_at *at,
                         const struct entry *e, const struct stat *st, bool in_walk,
                         struct err *err)
{
    const struct item *item = &e->item;
    bool hard = item->type == ITEM_HARDLINK;
    if (meta_type(st) != (hard ? ITEM_FILE : item->type)) {
        differs(c, item->path, "type");
        return 0;
    }
    if (hard)
        return check_hardlink(c, item, st, err);
    check_stat(c, item, st);
    if (check_xattrs(c, at, e, err) != 0)
        return -1;
    if (item->type == ITEM_SYMLINK)
        return check_target(c, at, item, err);
    if (item->type == ITEM_FILE)
        return open_file(c, at, e, st, err);
    if (item->type == ITEM_DIR && in_walk)
        return enter_dir(c, at, item->path, err);
    return 0;
}

static bool is_absent(void)
{
    return errno == ENOENT || errno == ENOTDIR || errno == ELOOP;
}

static int compare_at(struct compare *c, const struct entry *e, bool in_walk,
                      struct err *err)
{
    const char *path = e->item.path;
    struct meta_at at = {.fd = -1, .name = path};
    struct stat st;
    int rc = 0;
    if (strcmp(path, ".") == 0)
        at.dirfd = at.fd = c->rootfd;
    else
        at.dirfd = beneath_parent(c->rootfd, path, &at.name, false);
    if (at.dirfd < 0 || meta_stat(&at, &st) != 0) {
        if (is_absent())
            differs(c, path, "missing");
        else
            rc = unreadable(path, err);
    } else {
        rc = compare_found(c, &at, e, &st, in_walk, err);
    }
    if (at.dirfd >= 0 && at.dirfd != c->rootfd)
        close(at.dirfd);
    return rc;
}

int compare_entry(struct compare *c, const struct entry *e, struct err *err)
{
    const char *path = e->item.path;
    size_t len = strlen(path);
    bool in_walk = false;
    if (err_stopped(err) != 0)
        return -1;
    if (len > PATH_BYTES_MAX || !path_valid(path, len))
        return damaged(path, "its name is unsafe", err);
    if (c->last[0] != '\0' && path_cmp(c->last, path) >= 0)
        return damaged(path, "it comes out of order or twice", err);
    if (!c->opts.partial && strcmp(path, ".") != 0 &&
        advance(c, path, &in_walk, err) != 0)
        return -1;
    memcpy(c->last, path, len + 1);
    return compare_at(c, e, in_walk, err);
}

/* ---- content ---- */

/* The first difference is enough: what follows is not looked at. */
static void content_differs(struct compare *c)
{
    differs(c, c->last, "content");
    close(c->fd);
    c->fd = -1;
}

/* The bytes from the end of what was compared to `to` must read as zeros. */
static int compare_hole(struct compare *c, uint64_t to, struct err *err)
{
    if (c->next == to)
        return 0;
    int rc = holes_are_zero(c->fd, c->next, to, c->buf, BUFFER);
    if (rc < 0)
        return unreadable(c->last, err);
    if (rc == 0)
        content_differs(c);
    c->next = to;
    return 0;
}

int compare_data(struct compare *c, const void *buf, size_t len, uint64_t off,
                 struct err *err)
{
    const uint8_t *p = buf;
    if (err_stopped(err) != 0)
        return -1;
    if (c->fd < 0)
        return 0;
    if (off < c->next || off > c->size || len > c->size - off)
        return damaged(c->last, "content where there can be none", err);
    if (compare_hole(c, off, err) != 0)
        return -1;
    while (len > 0 && c->fd >= 0) {
        size_t want = len < BUFFER ? len : BUFFER;
        ssize_t n = io_pread(c->fd, c->buf, want, c->next);
        if (n < 0)
            return unreadable(c->last, err);
        if ((size_t)n != want || memcmp(c->buf, p, want) != 0)
            content_differs(c);
        p += want;
        len -= want;
        c->next += want;
    }
    return 0;
}

int compare_end(struct compare *c, struct err *err)
{
    if (c->fd < 0)
        return 0;
    if (compare_hole(c, c->size, err) != 0)
        return -1;
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    return 0;
}

int compare_finish(struct compare *c, struct err *err)
{
    while (c->stack.n > 0) {
        if (leave(c, err) != 0)
            return -1;
    }
    return 0;
}
