#include "archive/walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "archive/dirstack.h"
#include "archive/extents.h"
#include "archive/links.h"
#include "archive/xattr.h"
#include "format/limits.h"
#include "util/fdlimit.h"
#include "util/path.h"
#include "util/stop.h"

#define OPEN_FILE (O_RDONLY | O_NONBLOCK | O_NOCTTY)
#define OPEN_DIR  (O_RDONLY | O_DIRECTORY)

struct walk {
    const struct walk_opts *opts;
    walk_entry_fn *fn;
    void *ctx;
    const struct notice_sink *notices;
    struct walk_counts *counts;
    struct dirstack dirs;
    struct links *links;
    struct entry entry;          /* the one at hand */
    char target[PATH_BYTES_MAX]; /* of a symlink */
};

/* ---- what both walks share ---- */

/* Open without following and, where that is allowed, without touching the access time.
 */
static int open_quiet(int dirfd, const char *name, int flags)
{
    flags |= O_NOFOLLOW | O_CLOEXEC;
    int fd = openat(dirfd, name, flags | O_NOATIME);
    if (fd < 0 && errno == EPERM)
        fd = openat(dirfd, name, flags);
    return fd;
}

/* Whether the directory fd is where something is mounted, a bind mount of the same file
 * system included (which an old kernel does not tell). */
static bool is_mount(int fd, dev_t dev, dev_t parent_dev)
{
    struct statx x;
    if (dev != parent_dev)
        return true;
    return statx(fd, "", AT_EMPTY_PATH, STATX_TYPE, &x) == 0 &&
           (x.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT) != 0 &&
           (x.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

static bool is_skipped(const struct walk_opts *o, const struct stat *st)
{
    return o->skip_ino != 0 && st->st_ino == o->skip_ino && st->st_dev == o->skip_dev;
}

/* ---- messages ---- */

static const char *path_of(const struct walk *w)
{
    return dirstack_path(&w->dirs);
}

/* Something is missing from the archive: `id` and why (errno). What vanished meanwhile
 * has an id of its own. */
static int missed(struct walk *w, const char *id, const char *what, struct err *err)
{
    if (errno == EMFILE || errno == ENFILE || errno == ENOMEM) {
        /* Ours is the lack, not the tree's: a warning would hide what could be had. */
        err_sys(err, ERR_FAIL, "cannot read: %s", path_of(w));
        return err_hint(err, "raise the limit on open files (ulimit -n), or of memory");
    }
    if (errno == ENOENT)
        notice(w->notices, NOTICE_WARNING, "file-vanished", path_of(w),
               "it was there when its directory was read, and is gone");
    else
        notice(w->notices, NOTICE_WARNING, id, path_of(w), "%s: %s", what,
               strerror(errno));
    return 0;
}

static int replaced(struct walk *w)
{
    notice(w->notices, NOTICE_WARNING, "file-vanished", path_of(w),
           "it was replaced by something else while it was opened");
    return 0;
}

/* ---- one entry ---- */

/* Begin the entry of the current path from what stat said. */
static int begin(struct walk *w, uint8_t type, const struct stat *st, struct err *err)
{
    struct item *item = &w->entry.item;
    const char *path = path_of(w), *user = NULL, *group = NULL;
    if (w->opts->names != NULL) {
        user = names_user(w->opts->names, st->st_uid);
        group = names_group(w->opts->names, st->st_gid);
    }
    entry_clear(&w->entry);
    item->type = type;
    item->mode = st->st_mode & 07777;
    item->uid = st->st_uid;
    item->gid = st->st_gid;
    item->mtime = st->st_mtim.tv_sec;
    item->mtime_ns = (uint32_t)st->st_mtim.tv_nsec;
    if (type == ITEM_FILE)
        item->size = (uint64_t)st->st_size;
    if (type == ITEM_CHAR || type == ITEM_BLOCK) {
        item->dev_major = major(st->st_rdev);
        item->dev_minor = minor(st->st_rdev);
    }
    if (entry_set_string(&item->path, path, strlen(path), err) != 0 ||
        entry_set_string(&item->user, user, user ? strlen(user) : 0, err) != 0 ||
        entry_set_string(&item->group, group, group ? strlen(group) : 0, err) != 0)
        return -1;
    return 0;
}

/* Attributes that cannot be read are missed and reported; the entry is good without.
 * But no memory is our lack, and the disk gave no errno. */
static int add_xattrs(struct walk *w, int fd, int dirfd, const char *name,
                      struct err *err)
{
    struct err why;
    why.cls = ERR_NONE;
    why.sys = 0;
    if (xattr_read(fd, dirfd, name, &w->entry, &why) == 0)
        return 0;
    if (why.sys == 0 || why.sys == ENOMEM)
        return err_nomem(err);
    notice(w->notices, NOTICE_WARNING, "xattr-unreadable", path_of(w), "%s", why.text);
    return 0;
}

static int hand_over(struct walk *w, int fd, struct err *err)
{
    w->counts->entries++;
    return w->fn(w->ctx, &w->entry, fd, err);
}

/* A further name of a file whose content is stored already. */
static int visit_link(struct walk *w, const struct stat *st, const struct links_id *id,
                      const char *primary, uint64_t tar_offset, struct err *err)
{
    struct item *item = &w->entry.item;
    if (begin(w, ITEM_HARDLINK, st, err) != 0 ||
        entry_set_string(&item->link, primary, strlen(primary), err) != 0)
        return -1;
    item->link_offset = tar_offset;
    links_done(w->links, id);
    return hand_over(w, -1, err);
}

static int hand_over_file(struct walk *w, int fd, const struct stat *st,
                          struct err *err)
{
    if (begin(w, ITEM_FILE, st, err) != 0)
        return -1;
    if (add_xattrs(w, fd, -1, NULL, err) != 0)
        return -1;
    if ((uint64_t)st->st_blocks * 512 < w->entry.item.size &&
        extents_find(fd, &w->entry, err) != 0)
        return -1;
    if (hand_over(w, fd, err) != 0)
        return -1;
    if (st->st_nlink < 2)
        return 0;
    struct links_id id = links_id_of(fd, "", st);
    return links_add(w->links, &id, st->st_nlink, w->entry.item.path,
                     w->entry.item.tar_offset, err);
}

static int visit_file(struct walk *w, int dirfd, const char *name,
                      const struct stat *was, struct err *err)
{
    if (was->st_nlink > 1) {
        struct links_id id = links_id_of(dirfd, name, was);
        const char *primary;
        uint64_t tar_offset;
        if (links_find(w->links, &id, &primary, &tar_offset))
            return visit_link(w, was, &id, primary, tar_offset, err);
    }
    int fd = open_quiet(dirfd, name, OPEN_FILE);
    if (fd < 0 && (errno == ELOOP || errno == ENXIO))
        return replaced(w);
    if (fd < 0)
        return missed(w, "file-unreadable", "cannot be opened", err);
    struct stat st;
    int rc = 0;
    if (fstat(fd, &st) != 0)
        rc = missed(w, "file-unreadable", "cannot be looked at", err);
    else if (!S_ISREG(st.st_mode))
        replaced(w);
    else if (!is_skipped(w->opts, &st))
        rc = hand_over_file(w, fd, &st, err);
    close(fd);
    return rc;
}

static int visit_symlink(struct walk *w, int dirfd, const char *name,
                         const struct stat *st, struct err *err)
{
    ssize_t n = readlinkat(dirfd, name, w->target, sizeof w->target);
    if (n < 0 && errno == EINVAL)
        return replaced(w);
    if (n < 0)
        return missed(w, "file-unreadable", "cannot be read", err);
    if (n == 0 || (size_t)n == sizeof w->target) {
        errno = n == 0 ? EINVAL : ENAMETOOLONG;
        return missed(w, "file-unreadable", "has an impossible target", err);
    }
    if (begin(w, ITEM_SYMLINK, st, err) != 0 ||
        entry_set_string(&w->entry.item.link, w->target, (size_t)n, err) != 0)
        return -1;
    return add_xattrs(w, -1, dirfd, name, err) == 0 ? hand_over(w, -1, err) : -1;
}

static int visit_special(struct walk *w, int dirfd, const char *name,
                         const struct stat *st, struct err *err)
{
    uint8_t type = S_ISFIFO(st->st_mode)  ? ITEM_FIFO
                   : S_ISCHR(st->st_mode) ? ITEM_CHAR
                   : S_ISBLK(st->st_mode) ? ITEM_BLOCK
                                          : 0;
    if (type == 0) {
        notice(w->notices, NOTICE_WARNING, "type-unknown", path_of(w),
               "it is of a type that cannot be stored (mode %o)",
               (unsigned)st->st_mode);
        return 0;
    }
    if (begin(w, type, st, err) != 0)
        return -1;
    return add_xattrs(w, -1, dirfd, name, err) == 0 ? hand_over(w, -1, err) : -1;
}

/* ---- directories ---- */

/* Read the names of the directory fd, which is the stack's from now on. */
static int enter(struct walk *w, int fd, dev_t dev, struct err *err)
{
    bool entered;
    if (dirstack_enter(&w->dirs, fd, dev, &entered) == 0)
        return 0;
    if (!entered)
        return err_nomem(err);
    return missed(w, "dir-unreadable", "cannot be read to its end", err);
}

/* A directory that cannot be opened is stored for itself. */
static int unopened_dir(struct walk *w, int dirfd, const char *name,
                        const struct stat *st, struct err *err)
{
    int sys = errno;
    if (sys == ENOENT || sys == EMFILE || sys == ENFILE || sys == ENOMEM)
        return missed(w, "dir-unreadable", "", err);
    if (sys == ENOTDIR || sys == ELOOP)
        return replaced(w);
    if (begin(w, ITEM_DIR, st, err) != 0 || add_xattrs(w, -1, dirfd, name, err) != 0 ||
        hand_over(w, -1, err) != 0)
        return -1;
    errno = sys;
    return missed(w, "dir-unreadable", "its content is missing", err);
}

/* Count a mount point. False if the walk must not go on below it. */
static bool cross_mount(struct walk *w)
{
    w->counts->mounts++;
    if (w->opts->one_file_system)
        return false;
    notice(w->notices, NOTICE_NOTE, "mount-included", path_of(w),
           "something is mounted here; it is included");
    return true;
}

static int visit_dir(struct walk *w, int dirfd, const char *name,
                     const struct stat *was, struct err *err)
{
    dev_t parent = dirstack_top(&w->dirs)->dev;
    struct stat st;
    int fd = open_quiet(dirfd, name, OPEN_DIR);
    if (fd < 0)
        return unopened_dir(w, dirfd, name, was, err);
    if (fstat(fd, &st) != 0) {
        int r = missed(w, "dir-unreadable", "cannot be looked at", err);
        close(fd);
        return r;
    }
    int rc = begin(w, ITEM_DIR, &st, err);
    if (rc == 0)
        rc = add_xattrs(w, fd, -1, NULL, err);
    if (rc == 0)
        rc = hand_over(w, -1, err);
    bool mount = rc == 0 && is_mount(fd, st.st_dev, parent);
    if (rc != 0 || (mount && !cross_mount(w))) {
        close(fd);
        return rc;
    }
    return enter(w, fd, st.st_dev, err);
}

/* ---- the walk ---- */

/* Bytes of the file `name`, or of all files below the directory of that name. */
static uint64_t bytes_of(int dirfd, const char *name, bool is_dir)
{
    atomic_uint_least64_t bytes = 0;
    atomic_bool never = false;
    struct stat st;
    if (!is_dir) {
        if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode))
            return 0;
        uint64_t size = (uint64_t)st.st_size, allocated = (uint64_t)st.st_blocks * 512;
        return size < allocated ? size : allocated;
    }
    int fd = open_quiet(dirfd, name, OPEN_DIR);
    if (fd < 0)
        return 0;
    (void)walk_estimate(fd, &(struct walk_opts){.one_file_system = true}, &bytes,
                        &never);
    close(fd);
    return bytes;
}

static bool excluded(struct walk *w, const char *name, bool is_dir)
{
    const struct walk_opts *o = w->opts;
    if (o->excludes != NULL && glob_match(o->excludes, path_of(w), is_dir)) {
        w->counts->excluded++;
        return true;
    }
    if (o->defaults != NULL && glob_match(o->defaults, path_of(w), is_dir)) {
        w->counts->defaults++;
        w->counts->saved += bytes_of(dirstack_top(&w->dirs)->fd, name, is_dir);
        return true;
    }
    return false;
}

static int visit_type(struct walk *w, int dirfd, const char *name,
                      const struct stat *st, struct err *err)
{
    if (is_skipped(w->opts, st))
        return 0;
    if (S_ISSOCK(st->st_mode)) {
        w->counts->sockets++;
        return 0;
    }
    if (S_ISDIR(st->st_mode) && path_reserved(name)) {
        notice(w->notices, NOTICE_WARNING, "name-reserved", path_of(w),
               "passed over: a restore that was stopped has left it, or somebody has "
               "given "
               "a directory a name that only restores use");
        return 0;
    }
    if (S_ISDIR(st->st_mode))
        return visit_dir(w, dirfd, name, st, err);
    if (S_ISREG(st->st_mode))
        return visit_file(w, dirfd, name, st, err);
    if (S_ISLNK(st->st_mode))
        return visit_symlink(w, dirfd, name, st, err);
    return visit_special(w, dirfd, name, st, err);
}

/* What the directory says of the type saves a look at what is excluded: it may be a
 * mount that does not let even root look. */
static int visit(struct walk *w, const char *name, uint8_t dtype, struct err *err)
{
    int dirfd = dirstack_top(&w->dirs)->fd;
    struct stat st;
    if (dtype != DT_UNKNOWN && excluded(w, name, dtype == DT_DIR))
        return 0;
    if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        int sys = errno;
        if (dtype == DT_UNKNOWN && excluded(w, name, false))
            return 0;
        errno = sys;
        return missed(w, "file-unreadable", "cannot be looked at", err);
    }
    if (dtype == DT_UNKNOWN && excluded(w, name, S_ISDIR(st.st_mode)))
        return 0;
    if (strlen(path_of(w)) >= PATH_BYTES_MAX) {
        notice(w->notices, NOTICE_WARNING, "name-too-long", path_of(w),
               "its path has more than %u bytes", PATH_BYTES_MAX - 1);
        return 0;
    }
    return visit_type(w, dirfd, name, &st, err);
}

static int walk_all(struct walk *w, struct err *err)
{
    while (w->dirs.n > 0) {
        uint8_t type;
        const char *name = dirstack_next(&w->dirs, &type);
        if (name == NULL && errno != 0)
            return err_nomem(err);
        if (err_stopped(err) != 0)
            return -1;
        if (name == NULL)
            dirstack_leave(&w->dirs);
        else if (visit(w, name, type, err) != 0)
            return -1;
    }
    return 0;
}

/* The root is opened anew: its descriptor's read position is shared with whoever else
 * walks it. */
static int walk_root(struct walk *w, int rootfd, struct err *err)
{
    struct stat st;
    bool entered;
    int fd = open_quiet(rootfd, ".", OPEN_DIR);
    if (fd < 0)
        return err_sys(err, ERR_FAIL, "cannot open the source directory");
    if (fstat(fd, &st) != 0) {
        err_sys(err, ERR_FAIL, "cannot look at the source directory");
        close(fd);
        return -1;
    }
    if (dirstack_enter(&w->dirs, fd, st.st_dev, &entered) != 0)
        return err_sys(err, ERR_FAIL, "cannot read the source directory");
    if (begin(w, ITEM_DIR, &st, err) != 0 || add_xattrs(w, fd, -1, NULL, err) != 0 ||
        hand_over(w, -1, err) != 0)
        return -1;
    return walk_all(w, err);
}

int walk_tree(int rootfd, const struct walk_opts *opts, walk_entry_fn *fn, void *ctx,
              const struct notice_sink *notices, struct walk_counts *counts,
              struct err *err)
{
    int rc = -1;
    struct walk *w = calloc(1, sizeof *w);
    *counts = (struct walk_counts){0};
    if (w == NULL)
        return err_nomem(err);
    w->opts = opts;
    w->fn = fn;
    w->ctx = ctx;
    w->notices = notices;
    w->counts = counts;
    fdlimit_raise();
    if (links_new(&w->links, err) == 0)
        rc = walk_root(w, rootfd, err);
    if (rc == 0 && counts->sockets > 0)
        notice(notices, NOTICE_NOTE, "socket-skipped", NULL, "%llu %s",
               (unsigned long long)counts->sockets,
               counts->sockets == 1 ? "socket was passed over"
                                    : "sockets were passed over");
    entry_clear(&w->entry);
    links_free(w->links);
    dirstack_clear(&w->dirs);
    free(w);
    return rc;
}

/* ---- the estimate ---- */

struct estimate {
    const struct walk_opts *opts;
    atomic_uint_least64_t *bytes;
    struct dirstack dirs;
    struct links *links; /* paths in it are empty: only whether a file was met counts */
    bool incomplete;
};

static void estimate_file(struct estimate *s, int dirfd, const char *name,
                          const struct stat *st)
{
    if (st->st_nlink > 1) {
        struct links_id id = links_id_of(dirfd, name, st);
        struct err unused = {.cls = ERR_NONE};
        const char *path;
        uint64_t at;
        if (links_find(s->links, &id, &path, &at)) {
            links_done(s->links, &id);
            return;
        }
        if (links_add(s->links, &id, st->st_nlink, "", 0, &unused) != 0)
            s->incomplete = true;
    }
    uint64_t size = (uint64_t)st->st_size, allocated = (uint64_t)st->st_blocks * 512;
    atomic_fetch_add_explicit(s->bytes, size < allocated ? size : allocated,
                              memory_order_relaxed);
}

static void estimate_dir(struct estimate *s, int dirfd, const char *name)
{
    dev_t parent = dirstack_top(&s->dirs)->dev;
    struct stat st;
    bool entered;
    int fd = open_quiet(dirfd, name, OPEN_DIR);
    if (fd < 0 || fstat(fd, &st) != 0) {
        s->incomplete = true;
    } else if (!s->opts->one_file_system || !is_mount(fd, st.st_dev, parent)) {
        if (dirstack_enter(&s->dirs, fd, st.st_dev, &entered) != 0)
            s->incomplete = true;
        return;
    }
    if (fd >= 0)
        close(fd);
}

static void estimate_name(struct estimate *s, const char *name)
{
    int dirfd = dirstack_top(&s->dirs)->fd;
    const char *path = dirstack_path(&s->dirs);
    struct stat st;
    if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
        strlen(path) >= PATH_BYTES_MAX) {
        s->incomplete = true;
        return;
    }
    if (is_skipped(s->opts, &st) ||
        (s->opts->excludes != NULL &&
         glob_excludes(s->opts->excludes, path, S_ISDIR(st.st_mode))) ||
        (s->opts->defaults != NULL &&
         glob_excludes(s->opts->defaults, path, S_ISDIR(st.st_mode))))
        return;
    if (S_ISREG(st.st_mode))
        estimate_file(s, dirfd, name, &st);
    else if (S_ISDIR(st.st_mode))
        estimate_dir(s, dirfd, name);
}

static void estimate_all(struct estimate *s, const atomic_bool *cancel)
{
    while (s->dirs.n > 0) {
        uint8_t type;
        const char *name = dirstack_next(&s->dirs, &type);
        if (atomic_load(cancel) || stop_signal() != 0 || (name == NULL && errno != 0)) {
            s->incomplete = true;
            return;
        }
        if (name == NULL)
            dirstack_leave(&s->dirs);
        else
            estimate_name(s, name);
    }
}

int walk_estimate(int rootfd, const struct walk_opts *opts,
                  atomic_uint_least64_t *bytes, const atomic_bool *cancel)
{
    struct estimate s = {.opts = opts, .bytes = bytes};
    struct err unused = {.cls = ERR_NONE};
    struct stat st;
    bool entered;
    int fd = open_quiet(rootfd, ".", OPEN_DIR);
    if (fd < 0 || fstat(fd, &st) != 0 || links_new(&s.links, &unused) != 0) {
        if (fd >= 0)
            close(fd);
        return -1;
    }
    s.incomplete = dirstack_enter(&s.dirs, fd, st.st_dev, &entered) != 0;
    estimate_all(&s, cancel);
    links_free(s.links);
    dirstack_clear(&s.dirs);
    return s.incomplete ? -1 : 0;
}
