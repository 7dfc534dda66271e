#include "archive/readback.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "archive/beneath.h"
#include "archive/digest.h"
#include "archive/holes.h"
#include "archive/meta.h"
#include "util/io.h"

#define BUFFER (1024u * 1024u)
#define WINDOW                                                                         \
    (64u * 1024u * 1024u) /* of a file, whose pages are asked about at once */

struct readback {
    int rootfd;
    bool walk;
    struct digest *digest;
    uint8_t *buf;   /* BUFFER bytes */
    uint8_t *pages; /* one for each page of a window */
    size_t page;    /* bytes */
    struct progress *progress;
    struct readback_counts *counts;
    char *denied; /* the first path that could not be opened for want of the right */
    uint64_t ndenied;
};

static int differs(const char *path, const char *what, struct err *err)
{
    err_set(err, ERR_FAIL,
            "read-back failed: %s: its %s on the disk is not what was written", path,
            what);
    return err_hint(err, "the disk, its controller or the memory may be faulty");
}

static int unreadable(const char *path, struct err *err)
{
    return err_sys(err, ERR_FAIL, "read-back failed: %s", path);
}

/* Without the right to reach, open or look at it: counted, and told at the end. */
static int denied(struct readback *r, const char *path, struct err *err)
{
    if (r->ndenied++ == 0 && (r->denied = strdup(path)) == NULL)
        return err_nomem(err);
    return 0;
}

static int cannot_open(struct readback *r, const char *path, struct err *err)
{
    return errno == EACCES ? denied(r, path, err) : unreadable(path, err);
}

/* ---- cache ---- */

/* Whether a page of from..to (a window or less, from at a page's begin) is in the
 * cache. If the kernel will not tell, the answer that claims less is yes. */
static bool window_cached(struct readback *r, int fd, uint64_t from, uint64_t to)
{
    size_t len = (size_t)(to - from);
    void *p = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, (off_t)from);
    if (p == MAP_FAILED)
        return true;
    bool cached = true;
    if (mincore(p, len, r->pages) == 0) {
        cached = false;
        for (size_t i = 0; i < (len + r->page - 1) / r->page && !cached; i++)
            cached = (r->pages[i] & 1) != 0;
    }
    munmap(p, len);
    return cached;
}

/* Whether a page with data is in the cache. Windows without data are passed over, so
 * that the work is bounded by the data and not by the size. */
static bool cached(struct readback *r, int fd, const struct entry *e)
{
    uint64_t at = 0;
    for (size_t i = 0; i < e->nextents; i++) {
        uint64_t end = e->extents[i].off + e->extents[i].len;
        uint64_t begin = e->extents[i].off - e->extents[i].off % r->page;
        if (begin > at)
            at = begin;
        while (at < end) {
            uint64_t to = e->item.size - at < WINDOW ? e->item.size : at + WINDOW;
            if (window_cached(r, fd, at, to))
                return true;
            at = to;
        }
    }
    return false;
}

/* ---- content ---- */

/* Hash the bytes from..to. 1; 0 if the file ends before; -1. */
static int hash_range(struct readback *r, int fd, const char *path, uint64_t from,
                      uint64_t to, struct err *err)
{
    while (from < to) {
        size_t want = to - from < BUFFER ? (size_t)(to - from) : BUFFER;
        if (err_stopped(err) != 0)
            return -1;
        ssize_t n = io_pread(fd, r->buf, want, from);
        if (n < 0)
            return unreadable(path, err);
        if ((size_t)n != want)
            return 0;
        digest_data(r->digest, r->buf, want);
        if (r->progress != NULL)
            atomic_fetch_add(&r->progress->bytes, want);
        from += want;
    }
    return 1;
}

/* The other half of the rule in archive/digest.h. */
static int hash_hole(struct readback *r, int fd, const char *path, uint64_t from,
                     uint64_t to, struct err *err)
{
    if (to - from <= DIGEST_SHORT_HOLE)
        return hash_range(r, fd, path, from, to, err);
    digest_hole(r->digest, from, to - from);
    int rc = holes_are_zero(fd, from, to, r->buf, BUFFER);
    return rc < 0 ? unreadable(path, err) : rc;
}

static int hash_file(struct readback *r, int fd, const struct entry *e, struct err *err)
{
    uint64_t at = 0;
    digest_start(r->digest);
    for (size_t i = 0; i < e->nextents; i++) {
        uint64_t off = e->extents[i].off, end = off + e->extents[i].len;
        int rc = hash_hole(r, fd, e->item.path, at, off, err);
        if (rc == 1)
            rc = hash_range(r, fd, e->item.path, off, end, err);
        if (rc != 1)
            return rc;
        at = end;
    }
    return hash_hole(r, fd, e->item.path, at, e->item.size, err);
}

static int check_content(struct readback *r, int fd, const struct entry *e,
                         const uint8_t want[DIGEST_SIZE], struct err *err)
{
    /* Clean after the sync, so the kernel may drop them; tmpfs, for one, cannot. */
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    bool from_cache = cached(r, fd, e);

    uint8_t hash[DIGEST_SIZE];
    int rc = hash_file(r, fd, e, err);
    if (rc < 0)
        return -1;
    digest_end(r->digest, hash);
    if (rc == 0 || memcmp(hash, want, sizeof hash) != 0)
        return differs(e->item.path, "content", err);
    if (from_cache)
        r->counts->proven_cached++;
    else
        r->counts->proven++;
    return 0;
}

/* ---- metadata ---- */

static int check_target(int fd, const struct item *item, uint8_t *buf, struct err *err)
{
    ssize_t n = readlinkat(fd, "", (char *)buf, BUFFER);
    if (n < 0)
        return unreadable(item->path, err);
    if ((size_t)n != strlen(item->link) || memcmp(buf, item->link, (size_t)n) != 0)
        return differs(item->path, "target", err);
    return 0;
}

static int check_xattrs(struct readback *r, int fd, const struct entry *e,
                        struct err *err)
{
    const struct meta_at at = {.fd = fd};
    struct entry now = {0};
    const char *name;
    int rc = meta_xattr_diff(&at, e->item.path, e, &now, &name, err);
    if (rc == 0)
        rc = denied(r, e->item.path, err);
    else if (rc == 1)
        rc = name ? differs(e->item.path, name, err) : 0;
    entry_clear(&now);
    return rc;
}

static int check_stat(const struct item *item, const struct stat *st, struct err *err)
{
    bool device = item->type == ITEM_CHAR || item->type == ITEM_BLOCK;
    const char *what = NULL;
    if (meta_type(st) != item->type)
        what = "type";
    else if (item->type == ITEM_FILE && (uint64_t)st->st_size != item->size)
        what = "size";
    else if ((st->st_mode & 07777u) != item->mode)
        what = "mode";
    else if (st->st_uid != item->uid || st->st_gid != item->gid)
        what = "owner";
    else if (!meta_same_time(item, st))
        what = "time";
    else if (device && st->st_rdev != makedev(item->dev_major, item->dev_minor))
        what = "device number";
    return what ? differs(item->path, what, err) : 0;
}

/* ---- one entry ---- */

/* Another name of the same inode. */
static int check_hardlink(struct readback *r, const struct item *item, struct err *err)
{
    struct stat a, b;
    int fd = beneath_open(r->rootfd, item->path, O_PATH, r->walk);
    if (fd < 0)
        return cannot_open(r, item->path, err);
    int rc = fstat(fd, &a);
    close(fd);
    if (rc != 0)
        return unreadable(item->path, err);

    fd = beneath_open(r->rootfd, item->link, O_PATH, r->walk);
    if (fd < 0)
        return cannot_open(r, item->link, err);
    rc = fstat(fd, &b);
    close(fd);
    if (rc != 0)
        return unreadable(item->link, err);
    if (a.st_dev != b.st_dev || a.st_ino != b.st_ino)
        return differs(item->path, "link", err);
    return 0;
}

static int check_opened(struct readback *r, int fd, const struct entry *e,
                        const uint8_t hash[DIGEST_SIZE], struct err *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return unreadable(e->item.path, err);
    if (check_stat(&e->item, &st, err) != 0 || check_xattrs(r, fd, e, err) != 0)
        return -1;
    if (e->item.type == ITEM_SYMLINK)
        return check_target(fd, &e->item, r->buf, err);
    if (e->item.type == ITEM_FILE)
        return check_content(r, fd, e, hash, err);
    return 0;
}

static int check_entry(struct readback *r, const struct entry *e,
                       const uint8_t hash[DIGEST_SIZE], struct err *err)
{
    if (e->item.type == ITEM_HARDLINK)
        return check_hardlink(r, &e->item, err);
    /* Only a file is really opened, and without waiting, should it have become a pipe.
     */
    int flags = e->item.type == ITEM_FILE ? O_RDONLY | O_NONBLOCK : O_PATH;
    int fd = beneath_open(r->rootfd, e->item.path, flags, r->walk);
    if (fd < 0)
        return cannot_open(r, e->item.path, err);
    int rc = check_opened(r, fd, e, hash, err);
    close(fd);
    return rc;
}

static int check_all(struct readback *r, struct spool *spool, struct err *err)
{
    uint8_t hash[SPOOL_HASH_SIZE];
    struct entry e = {0};
    int rc = spool_rewind(spool, err);
    while (rc == 0) {
        int more = spool_next(spool, &e, hash, err);
        if (more <= 0) {
            rc = more;
            break;
        }
        rc = err_stopped(err) != 0 ? -1 : check_entry(r, &e, hash, err);
    }
    entry_clear(&e);
    return rc;
}

int readback_run(int rootfd, bool walk, struct spool *spool,
                 const struct notice_sink *notices, struct progress *progress,
                 struct readback_counts *counts, struct err *err)
{
    struct readback r = {.rootfd = rootfd, .walk = walk, .progress = progress};
    int rc = -1;
    r.counts = counts;
    r.page = (size_t)sysconf(_SC_PAGESIZE);
    r.buf = malloc(BUFFER);
    r.pages = malloc(WINDOW / r.page + 1);
    if (r.buf == NULL || r.pages == NULL)
        err_nomem(err);
    else if (digest_new(&r.digest, err) == 0)
        rc = check_all(&r, spool, err);
    if (rc == 0 && r.ndenied > 0)
        notice(notices, NOTICE_WARNING, "not-read-back", r.denied,
               "%llu entries could not be read back for want of the right to open them",
               (unsigned long long)r.ndenied);
    free(r.denied);
    digest_free(r.digest);
    free(r.pages);
    free(r.buf);
    return rc;
}
