#include "archive/extract.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "archive/acl.h"
#include "archive/beneath.h"
#include "archive/digest.h"
#include "archive/meta.h"
#include "archive/missed.h"
#include "archive/partials.h"
#include "archive/readback.h"
#include "archive/spool.h"
#include "archive/xattr.h"
#include "format/limits.h"
#include "util/fdlimit.h"
#include "util/io.h"
#include "util/path.h"

#define NEW_DIR 0700 /* while we work in it; nobody else's business */

/* A directory on the way to the current entry. Its path is the first `len` bytes of the
 * path of the last entry; the root has none. */
struct level {
    int fd;
    size_t len;
    bool has_meta;     /* false for one that the archive does not tell about */
    struct entry meta; /* to be set on leaving; no path */
};

struct extract {
    int rootfd;
    struct extract_opts opts;
    const struct notice_sink *notices;
    struct progress *progress;
    struct extract_report report;
    struct spool *spool; /* NULL without read_back, and so is the digest */
    struct digest *digest;

    struct level *levels; /* levels[0] is the root */
    size_t nlevels, cap;
    char last[PATH_BYTES_MAX + 1]; /* path of the last entry; "" before the first */

    struct entry cur; /* the current entry; its extents are those really written */
    size_t extents_cap;
    int fd;    /* of the current ITEM_FILE, or -1 */
    bool skip; /* the current entry could not be made, and that is told */
    bool link_lost;
    struct partials partials;
    uint64_t promised, wrote,
        next; /* content: bytes to come in all, here, end of the last */

    struct missed missed;
};

static int fail(const char *what, const char *path, struct err *err)
{
    int sys = errno;
    err_sys(err, ERR_FAIL, "cannot %s: %s", what, path);
    if (sys == EMFILE)
        err_hint(err, "raise the limit on open files (ulimit -n)");
    return -1;
}

static int damaged(const char *path, const char *why, struct err *err)
{
    return err_set(err, ERR_DAMAGED, "the archive is damaged: %s: %s", path, why);
}

/* ---- open, free ---- */

/* What the root has inherited from the directory it was made in would go down to all
 * that is made in it. */
static int remove_acl(int rootfd, const char *attr, struct err *err)
{
    if (xattr_remove(rootfd, -1, NULL, attr) == 0 || errno == ENODATA ||
        errno == ENOTSUP)
        return 0;
    return err_sys(err, ERR_FAIL, "cannot remove the inherited ACL of the target");
}

static int push(struct extract *x, int fd, size_t len, struct err *err)
{
    if (x->nlevels == x->cap) {
        size_t cap = x->cap ? 2 * x->cap : 16;
        struct level *p = realloc(x->levels, cap * sizeof *p);
        if (p == NULL)
            return err_nomem(err);
        x->levels = p;
        x->cap = cap;
    }
    x->levels[x->nlevels++] = (struct level){.fd = fd, .len = len};
    return 0;
}

int extract_open(struct extract **out, int rootfd, const struct extract_opts *opts,
                 const struct notice_sink *notices, struct progress *progress,
                 struct err *err)
{
    struct extract *x = calloc(1, sizeof *x);
    if (x == NULL)
        return err_nomem(err);
    x->rootfd = rootfd;
    x->opts = *opts;
    x->notices = notices;
    x->progress = progress;
    x->fd = -1;
    fdlimit_raise();
    if (push(x, rootfd, 0, err) != 0 ||
        remove_acl(rootfd, ACL_XATTR_DEFAULT, err) != 0 ||
        remove_acl(rootfd, ACL_XATTR_ACCESS, err) != 0)
        goto fail;
    if (opts->read_back &&
        (spool_open(&x->spool, rootfd, err) != 0 || digest_new(&x->digest, err) != 0))
        goto fail;
    *out = x;
    return 0;

fail:
    extract_free(x);
    return -1;
}

void extract_free(struct extract *x)
{
    if (x == NULL)
        return;
    if (x->fd >= 0)
        close(x->fd);
    for (size_t i = x->nlevels; i-- > 0;) {
        if (x->levels[i].fd != x->rootfd)
            close(x->levels[i].fd);
        entry_clear(&x->levels[i].meta);
    }
    free(x->levels);
    entry_clear(&x->cur);
    partials_free(&x->partials);
    missed_free(&x->missed);
    digest_free(x->digest);
    spool_free(x->spool);
    free(x);
}

/* ---- metadata ---- */

/* Set what `e` wants. */
static int set_meta(struct extract *x, const struct meta_at *at, const char *path,
                    struct entry *e, struct err *err)
{
    struct meta_missed missed = {0};
    bool set_owner = x->opts.owner != EXTRACT_OWNER_CALLER;
    if (meta_apply(at, path, set_owner, e, &missed, err) != 0)
        return -1;
    return missed_meta(&x->missed, &missed, path, err);
}

/* The same, and note down for the read-back what it then has. */
static int finish_meta(struct extract *x, const struct meta_at *at, const char *path,
                       struct entry *e, struct err *err)
{
    if (set_meta(x, at, path, e, err) != 0)
        return -1;
    if (x->spool == NULL)
        return 0;
    uint8_t hash[DIGEST_SIZE];
    digest_end(x->digest, hash);
    return spool_add(x->spool, e, hash, err);
}

static void wanted_owner(const struct extract_opts *o, const struct item *stored,
                         struct item *item)
{
    if (o->owner == EXTRACT_OWNER_FIXED) {
        /* A setuid program of one user must not become one of another, as with
         * chown(2). */
        if (o->uid != stored->uid || o->gid != stored->gid)
            item->mode &= ~(uint32_t)(S_ISUID | S_ISGID);
        item->uid = o->uid;
        item->gid = o->gid;
    } else if (o->owner == EXTRACT_OWNER_NAMES) {
        if (stored->user != NULL)
            (void)names_uid(o->names, stored->user, &item->uid);
        if (stored->group != NULL)
            (void)names_gid(o->names, stored->group, &item->gid);
    }
}

/* A copy of what is needed of an entry until its end. */
static int keep(struct extract *x, const struct entry *e, struct err *err)
{
    struct entry *c = &x->cur;
    const struct item *from = &e->item;
    entry_clear(c);
    x->extents_cap = 0;
    c->item = *from;
    c->item.path = c->item.user = c->item.group = c->item.link = NULL;
    wanted_owner(&x->opts, from, &c->item);
    if (entry_set_string(&c->item.path, from->path, strlen(from->path), err) != 0)
        return -1;
    if (from->link != NULL &&
        entry_set_string(&c->item.link, from->link, strlen(from->link), err) != 0)
        return -1;
    for (size_t i = 0; i < e->nxattrs; i++) {
        const struct xattr *a = &e->xattrs[i];
        if (entry_add_xattr(c, a->name, a->value, a->len, err) != 0)
            return -1;
    }
    return 0;
}

/* ---- the stack ---- */

/* Leave the top directory. The metadata of a directory comes last, because work in it
 * would change its times, might not be allowed by its mode, and would inherit its
 * default ACL. */
static int leave(struct extract *x, struct err *err)
{
    struct level *top = &x->levels[x->nlevels - 1];
    const struct meta_at at = {.fd = top->fd};
    x->last[top->len] = '\0';
    int rc = partials_settle(&x->partials, x->nlevels - 1, top->fd, x->spool,
                             x->notices, err);
    if (rc == 0 && top->has_meta)
        rc = finish_meta(x, &at, top->meta.item.path, &top->meta, err);
    else if (rc == 0 && top->fd != x->rootfd && !x->opts.salvage &&
             fchmod(top->fd, 0755) != 0)
        rc = fail("set the mode of", x->last, err);
    if (top->fd != x->rootfd)
        close(top->fd);
    entry_clear(&top->meta);
    x->nlevels--;
    return rc;
}

static bool level_above(const struct extract *x, const struct level *l,
                        const char *path)
{
    return l->len == 0 || (strncmp(x->last, path, l->len) == 0 && path[l->len] == '/');
}

/* Make the directory x->last[0..len) in the top one, and enter it. */
static int make_dir(struct extract *x, const char *name, size_t len, struct err *err)
{
    int up = x->levels[x->nlevels - 1].fd;
    if (path_reserved(name))
        return damaged(x->last, "a directory of a name that is never stored", err);
    if (mkdirat(up, name, NEW_DIR) != 0)
        return fail("make the directory", x->last, err);
    int fd = openat(up, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return fail("enter the directory", x->last, err);
    if (push(x, fd, len, err) != 0) {
        close(fd);
        return -1;
    }
    return 0;
}

/* Whether something of this name is in the top directory already. */
static bool occupied(const struct extract *x, const char *name)
{
    struct stat st;
    return fstatat(x->levels[x->nlevels - 1].fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* The directories between the top one and the entry, where the archive's are a
 * selection. */
static int make_parents(struct extract *x, const char *path, struct err *err)
{
    for (;;) {
        size_t top = x->levels[x->nlevels - 1].len;
        size_t start = top > 0 ? top + 1 : 0;
        const char *slash = strchr(path + start, '/');
        if (slash == NULL)
            return 0;
        if (!x->opts.make_parents)
            return damaged(path, "the directory it lies in does not come before it",
                           err);
        size_t len = (size_t)(slash - path);
        memcpy(x->last, path, len);
        x->last[len] = '\0';
        if (occupied(x, x->last + start))
            return damaged(path, "it lies in what is no directory", err);
        if (make_dir(x, x->last + start, len, err) != 0)
            return -1;
    }
}

/* Stand in the directory of `path` and make it the last path. *name is its last
 * component. */
static int enter(struct extract *x, const char *path, const char **name,
                 struct err *err)
{
    size_t len = strlen(path);
    if (len > PATH_BYTES_MAX || !path_valid(path, len))
        return damaged(path, "its name is unsafe", err);
    if (x->last[0] != '\0' && path_cmp(x->last, path) >= 0)
        return damaged(path, "it comes out of order or twice", err);
    while (!level_above(x, &x->levels[x->nlevels - 1], path)) {
        if (leave(x, err) != 0)
            return -1;
    }
    if (make_parents(x, path, err) != 0)
        return -1;
    memcpy(x->last, path, len + 1);
    size_t top = x->levels[x->nlevels - 1].len;
    *name = x->last + (top > 0 ? top + 1 : 0);
    return 0;
}

/* ---- making ---- */

/* The source must be an earlier regular file; linkat(2) does not follow a symlink
 * there, but would make a link to it. */
static int make_hardlink(struct extract *x, int up, const char *name, struct err *err)
{
    const char *path = x->cur.item.path, *link = x->cur.item.link, *source;
    struct stat st;
    if (link == NULL || path_cmp(link, path) >= 0)
        return damaged(path, "a hard link to what does not come before it", err);
    int dir = partials_named(&x->partials, link)
                  ? -1
                  : beneath_parent(x->rootfd, link, &source, x->opts.walk_only);
    if (dir < 0 || fstatat(dir, source, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
        !S_ISREG(st.st_mode)) {
        if (dir >= 0)
            close(dir);
        x->skip = x->link_lost = x->opts.salvage;
        return x->link_lost
                   ? 0
                   : damaged(path, "a hard link to what is no earlier file", err);
    }
    int rc = linkat(dir, source, up, name, 0);
    if (rc != 0)
        rc = fail("make the hard link", path, err);
    close(dir);
    return rc;
}

static int make_special(struct extract *x, int up, const char *name, struct err *err)
{
    const struct item *item = &x->cur.item;
    mode_t type = item->type == ITEM_FIFO   ? S_IFIFO
                  : item->type == ITEM_CHAR ? S_IFCHR
                                            : S_IFBLK;
    if (mknodat(up, name, type | 0600, makedev(item->dev_major, item->dev_minor)) == 0)
        return 0;
    if (errno != EPERM)
        return fail("make the special file", item->path, err);
    x->skip = true;
    return missed_device(&x->missed, item->path, err);
}

static int make_entry(struct extract *x, const char *name, struct err *err)
{
    const struct item *item = &x->cur.item;
    struct level *top = &x->levels[x->nlevels - 1];
    switch (item->type) {
    case ITEM_FILE:
        x->fd = openat(top->fd, name,
                       O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        return x->fd < 0 ? fail("make the file", item->path, err) : 0;
    case ITEM_DIR:
        return make_dir(x, name, strlen(item->path), err);
    case ITEM_SYMLINK:
        if (item->link == NULL)
            return damaged(item->path, "a symlink without a target", err);
        if (symlinkat(item->link, top->fd, name) != 0)
            return fail("make the symlink", item->path, err);
        return 0;
    case ITEM_HARDLINK:
        return make_hardlink(x, top->fd, name, err);
    case ITEM_FIFO:
    case ITEM_CHAR:
    case ITEM_BLOCK:
        return make_special(x, top->fd, name, err);
    default:
        return damaged(item->path, "an entry of unknown type", err);
    }
}

int extract_entry(struct extract *x, const struct entry *e, struct err *err)
{
    const char *path = e->item.path, *name = NULL;
    bool root = strcmp(path, ".") == 0;
    if (err_stopped(err) != 0)
        return -1;
    if (x->fd >= 0)
        return damaged(x->last, "it does not end", err);
    if (root && e->item.type != ITEM_DIR)
        return damaged(path, "the root is no directory", err);
    if (enter(x, path, &name, err) != 0 || keep(x, e, err) != 0)
        return -1;

    x->skip = x->link_lost = false;
    x->wrote = x->next = 0;
    x->promised = e->item.type == ITEM_FILE ? e->item.size : 0;
    if ((e->item.flags & ITEM_SPARSE) != 0) {
        x->promised = 0;
        for (size_t i = 0; i < e->nextents; i++)
            x->promised += e->extents[i].len;
    }
    if (x->digest != NULL)
        digest_start(x->digest);
    if (!root && make_entry(x, name, err) != 0)
        return -1;
    if (e->item.type == ITEM_DIR) {
        struct level *top = &x->levels[x->nlevels - 1];
        top->meta = x->cur;
        top->has_meta = true;
        x->cur = (struct entry){.item.type = ITEM_DIR};
    }
    return 0;
}

/* ---- content ---- */

/* Runs that touch become one extent; what lies between two extents is a hole. */
static int add_extent(struct extract *x, uint64_t off, size_t len, struct err *err)
{
    struct entry *c = &x->cur;
    if (c->nextents > 0 && off == x->next) {
        c->extents[c->nextents - 1].len += len;
        return 0;
    }
    if (c->nextents == x->extents_cap) {
        size_t cap = x->extents_cap ? 2 * x->extents_cap : 4;
        struct extent *p = realloc(c->extents, cap * sizeof *p);
        if (p == NULL)
            return err_nomem(err);
        c->extents = p;
        x->extents_cap = cap;
    }
    c->extents[c->nextents++] = (struct extent){off, len};
    return 0;
}

int extract_data(struct extract *x, const void *buf, size_t len, uint64_t off,
                 struct err *err)
{
    const struct item *item = &x->cur.item;
    if (err_stopped(err) != 0)
        return -1;
    if (len == 0)
        return 0;
    if (x->fd < 0 || off < x->next || off > item->size || len > item->size - off)
        return damaged(x->last, "content where there can be none", err);
    /* The digest first: of the bytes as they were authenticated, and not as the write
     * may have left them. */
    if (x->digest != NULL) {
        if (add_extent(x, off, len, err) != 0)
            return -1;
        digest_hole(x->digest, x->next, off - x->next);
        digest_data(x->digest, buf, len);
    }
    if (io_pwrite(x->fd, buf, len, off) != 0)
        return fail("write", item->path, err);
    x->next = off + len;
    x->wrote += len;
    x->report.bytes += len;
    if (x->progress != NULL)
        atomic_fetch_add(&x->progress->bytes, len);
    return 0;
}

/* A hole may come last. */
static int set_size(struct extract *x, struct err *err)
{
    struct item *item = &x->cur.item;
    item->stored = x->wrote;
    if (x->next >= item->size)
        return 0;
    if (ftruncate(x->fd, (off_t)item->size) != 0)
        return fail("set the size of", item->path, err);
    if (x->digest != NULL)
        digest_hole(x->digest, x->next, item->size - x->next);
    return 0;
}

static int close_file(struct extract *x, const char *path, struct err *err)
{
    int fd = x->fd;
    x->fd = -1;
    return close(fd) == 0 ? 0 : fail("write", path, err);
}

static int end_file(struct extract *x, struct err *err)
{
    struct item *item = &x->cur.item;
    const struct meta_at at = {.fd = x->fd};
    if (x->wrote != x->promised)
        return damaged(item->path, "part of its content is missing", err);
    if (set_size(x, err) != 0 || finish_meta(x, &at, item->path, &x->cur, err) != 0)
        return -1;
    return close_file(x, item->path, err);
}

int extract_end_partial(struct extract *x, uint64_t size, const char *what, bool *kept,
                        struct err *err)
{
    const struct level *top = &x->levels[x->nlevels - 1];
    const struct meta_at at = {.fd = x->fd};
    const char *name = x->last + (top->len > 0 ? top->len + 1 : 0);
    uint8_t hash[DIGEST_SIZE] = {0};

    *kept = x->wrote > 0;
    if (!*kept)
        return unlinkat(top->fd, name, 0) == 0 ? close_file(x, x->last, err)
                                               : fail("remove", x->last, err);
    x->cur.item.size = size;
    if (set_size(x, err) != 0 || set_meta(x, &at, x->last, &x->cur, err) != 0)
        return -1;
    if (x->digest != NULL)
        digest_end(x->digest, hash);
    if (close_file(x, x->last, err) != 0)
        return -1;
    return partials_add(&x->partials, &x->cur, hash, x->nlevels - 1, what, err);
}

bool extract_link_lost(const struct extract *x)
{
    return x->link_lost;
}

int extract_end(struct extract *x, struct err *err)
{
    const char *slash = strrchr(x->last, '/');
    const struct meta_at at = {-1, x->levels[x->nlevels - 1].fd,
                               slash ? slash + 1 : x->last};
    int rc = 0;
    if (x->skip)
        return 0;
    if (x->cur.item.type == ITEM_FILE)
        rc = end_file(x, err);
    else if (x->cur.item.type == ITEM_HARDLINK && x->spool != NULL)
        rc = spool_add(x->spool, &x->cur, (const uint8_t[DIGEST_SIZE]){0}, err);
    else if (x->cur.item.type != ITEM_DIR && x->cur.item.type != ITEM_HARDLINK)
        rc = finish_meta(x, &at, x->cur.item.path, &x->cur, err);
    if (rc != 0)
        return -1;
    x->report.entries++;
    if (x->progress != NULL)
        atomic_fetch_add(&x->progress->entries, 1);
    return 0;
}

/* ---- the end ---- */

int extract_finish(struct extract *x, struct err *err)
{
    while (x->nlevels > 0) {
        if (leave(x, err) != 0)
            return -1;
    }
    missed_tell(&x->missed, x->opts.owner != EXTRACT_OWNER_CALLER, x->notices);
    if (syncfs(x->rootfd) != 0)
        return err_sys(err, ERR_FAIL, "cannot write everything to the disk");
    return 0;
}

int extract_read_back(struct extract *x, struct err *err)
{
    struct readback_counts c = {0};
    int rc = 0;
    if (x->spool != NULL)
        rc = readback_run(x->rootfd, x->opts.walk_only, x->spool, x->notices,
                          x->progress, &c, err);
    x->report.proven = c.proven;
    x->report.proven_cached = c.proven_cached;
    return rc;
}

const struct extract_report *extract_report(const struct extract *x)
{
    return &x->report;
}
