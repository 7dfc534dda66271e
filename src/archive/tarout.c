#include "archive/tarout.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <archive.h>

#include "archive/tarmeta.h"
#include "util/io.h"

#define BLOCK      (1024u * 1024u)
#define RETRY_STEP 4096u /* what a bad spot costs */
/* Zeros for holes: an untouched mapping, which costs no memory and is never read. */
#define ZEROS ((size_t)64 * 1024 * 1024)

struct tarout {
    struct archive *plain; /* SCHILY.xattr, which GNU tar knows as well */
    struct archive
        *odd; /* LIBARCHIVE.xattr, for names the first cannot carry; or NULL */
    struct archive_entry *ae; /* used again for each entry */
    tarout_write_fn *fn;
    void *ctx;
    const struct notice_sink *notices;
    struct progress *progress;
    uint64_t pos;    /* bytes handed to fn */
    struct err *err; /* of the call under way, for fn */
    bool muted;      /* closing: what libarchive still writes is nobody's */
    uint8_t *block;  /* BLOCK bytes */
    void *zeros;     /* ZEROS bytes, or NULL until the first hole */
};

/* How a file's content came out, against what was promised. */
struct source {
    int fd;
    const char *path;
    struct stat before;
    uint64_t lost; /* bytes that could not be read */
    int lost_errno;
    bool shrank;
};

static la_ssize_t take(struct archive *a, void *ctx, const void *buf, size_t len)
{
    struct tarout *t = ctx;
    if (t->muted)
        return (la_ssize_t)len;
    int saved = errno; /* see write_header */
    int rc = t->fn(t->ctx, buf, len, t->err);
    errno = saved;
    if (rc != 0) {
        archive_set_error(a, EIO, "the archive cannot be written");
        return -1;
    }
    t->pos += len;
    return (la_ssize_t)len;
}

/* After a failure of libarchive: fn's own error, if that was the cause, is set already.
 */
static int fail(struct archive *a, const char *path, struct err *err)
{
    const char *why = archive_error_string(a);
    return err_set(err, ERR_FAIL, "cannot store: %s: %s", path,
                   why != NULL ? why : "unknown error of libarchive");
}

static int open_writer(struct tarout *t, struct archive **out, const char *xattrheader,
                       struct err *err)
{
    struct archive *a = archive_write_new();
    if (a == NULL)
        return err_nomem(err);
    if (archive_write_set_format_pax(a) != ARCHIVE_OK ||
        archive_write_set_format_option(a, "pax", "hdrcharset", "BINARY") !=
            ARCHIVE_OK ||
        archive_write_set_format_option(a, "pax", "xattrheader", xattrheader) !=
            ARCHIVE_OK ||
        archive_write_set_bytes_per_block(a, 0) != ARCHIVE_OK ||
        archive_write_set_bytes_in_last_block(a, 1) != ARCHIVE_OK ||
        archive_write_open(a, t, NULL, take, NULL) != ARCHIVE_OK) {
        const char *why = archive_error_string(a);
        err_set(err, ERR_FAIL, "cannot make a tar writer: %s",
                why != NULL ? why : "unknown error of libarchive");
        archive_write_free(a);
        return -1;
    }
    *out = a;
    return 0;
}

int tarout_open(struct tarout **t, tarout_write_fn *fn, void *ctx,
                const struct notice_sink *notices, struct progress *progress,
                struct err *err)
{
    struct tarout *new = calloc(1, sizeof *new);
    if (new == NULL)
        return err_nomem(err);
    new->fn = fn;
    new->ctx = ctx;
    new->notices = notices;
    new->progress = progress;
    new->block = malloc(BLOCK);
    new->ae = archive_entry_new();
    if (new->block == NULL || new->ae == NULL)
        err_nomem(err);
    else if (open_writer(new, &new->plain, "SCHILY", err) == 0) {
        *t = new;
        return 0;
    }
    tarout_free(new);
    return -1;
}

/* Give bytes of content to libarchive, which may take less at a time. */
static int put(struct archive *a, const char *path, const void *buf, size_t len,
               struct err *err)
{
    const char *p = buf;
    while (len > 0) {
        la_ssize_t n = archive_write_data(a, p, len);
        if (n <= 0)
            return fail(a, path, err);
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

/* libarchive wants a file's whole length and drops the holes itself, unread. */
static int put_hole(struct tarout *t, struct archive *a, const char *path, uint64_t len,
                    struct err *err)
{
    if (t->zeros == NULL && len > 0) {
        void *p = mmap(NULL, ZEROS, PROT_READ,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (p == MAP_FAILED)
            return err_sys(err, ERR_FAIL, "cannot map memory");
        t->zeros = p;
    }
    while (len > 0) {
        size_t n = len < ZEROS ? (size_t)len : ZEROS;
        if (err_stopped(err) != 0 || put(a, path, t->zeros, n, err) != 0)
            return -1;
        len -= n;
    }
    return 0;
}

/* Read what can be read of a block that failed, in small steps; zeros for the rest. */
static int read_pieces(struct tarout *t, struct source *s, size_t len, uint64_t off,
                       struct err *err)
{
    for (size_t i = 0; i < len; i += RETRY_STEP) {
        size_t want = len - i < RETRY_STEP ? len - i : RETRY_STEP;
        if (err_stopped(err) != 0)
            return -1;
        ssize_t n = io_pread(s->fd, t->block + i, want, off + i);
        if (n < 0) {
            s->lost += want;
            s->lost_errno = errno;
        } else if ((size_t)n < want) {
            s->shrank = true;
        }
        size_t have = n > 0 ? (size_t)n : 0;
        memset(t->block + i + have, 0, want - have);
    }
    return 0;
}

/* Fill t->block with `len` bytes of the file, whatever happens to it. */
static int read_block(struct tarout *t, struct source *s, size_t len, uint64_t off,
                      struct err *err)
{
    if (err_stopped(err) != 0)
        return -1;
    ssize_t n = io_pread(s->fd, t->block, len, off);
    if (n < 0)
        return read_pieces(t, s, len, off, err);
    if ((size_t)n < len) {
        s->shrank = true;
        memset(t->block + n, 0, len - (size_t)n);
    }
    return 0;
}

static int put_extent(struct tarout *t, struct archive *a, struct source *s,
                      const struct extent *x, struct err *err)
{
    for (uint64_t done = 0; done < x->len;) {
        size_t n = x->len - done < BLOCK ? (size_t)(x->len - done) : BLOCK;
        if (read_block(t, s, n, x->off + done, err) != 0 ||
            put(a, s->path, t->block, n, err) != 0)
            return -1;
        done += n;
        if (t->progress != NULL)
            atomic_fetch_add_explicit(&t->progress->bytes, n, memory_order_relaxed);
    }
    return 0;
}

static int put_content(struct tarout *t, struct archive *a, struct entry *e,
                       struct source *s, struct err *err)
{
    const struct extent all = {0, e->item.size};
    bool sparse = (e->item.flags & ITEM_SPARSE) != 0;
    const struct extent *x = sparse ? e->extents : &all;
    size_t n = sparse ? e->nextents : 1;
    uint64_t at = 0;

    e->item.stored = 0;
    for (size_t i = 0; i < n; i++) {
        if (put_hole(t, a, s->path, x[i].off - at, err) != 0 ||
            put_extent(t, a, s, &x[i], err) != 0)
            return -1;
        at = x[i].off + x[i].len;
        e->item.stored += x[i].len;
    }
    return put_hole(t, a, s->path, e->item.size - at, err);
}

static bool same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

/* Flag and report what did not come out as promised. `after`: the file's state now. */
static void judge(struct tarout *t, struct entry *e, const struct source *s,
                  const struct stat *after)
{
    const struct timespec promised = {.tv_sec = (time_t)e->item.mtime,
                                      .tv_nsec = (long)e->item.mtime_ns};
    bool shrank = s->shrank || (uint64_t)after->st_size < e->item.size;
    bool grew = (uint64_t)after->st_size > e->item.size;
    if (s->lost > 0) {
        e->item.flags |= ITEM_INCOMPLETE;
        notice(t->notices, NOTICE_WARNING, "read-error", s->path,
               "%llu bytes could not be read (%s), zeros are stored in their place",
               (unsigned long long)s->lost, strerror(s->lost_errno));
    }
    if (shrank || grew || !same_time(after->st_mtim, promised) ||
        !same_time(after->st_ctim, s->before.st_ctim)) {
        e->item.flags |= ITEM_CHANGED;
        notice(t->notices, NOTICE_WARNING, "file-changed", s->path,
               "the file %s while it was read",
               shrank ? "shrank"
               : grew ? "grew"
                      : "changed");
    }
}

static int put_file(struct tarout *t, struct archive *a, struct entry *e, int fd,
                    struct err *err)
{
    struct source s = {.fd = fd, .path = e->item.path};
    struct stat after;
    if (fstat(fd, &s.before) != 0)
        return err_sys(err, ERR_FAIL, "cannot look at: %s", s.path);
    if (e->item.size > BLOCK)
        posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    if (put_content(t, a, e, &s, err) != 0)
        return -1;
    if (fstat(fd, &after) != 0)
        return err_sys(err, ERR_FAIL, "cannot look at: %s", s.path);
    judge(t, e, &s, &after);
    return 0;
}

/* errno was cleared before t->ae was filled. What libarchive has no memory for it
 * leaves out, an extended attribute for one, without a word; but malloc tells by errno.
 */
static int write_header(struct tarout *t, struct archive *a, const char *path,
                        struct err *err)
{
    if (archive_write_header(a, t->ae) != ARCHIVE_OK)
        return fail(a, path, err);
    return errno == ENOMEM ? err_nomem(err) : 0;
}

int tarout_entry(struct tarout *t, struct entry *e, int fd, struct err *err)
{
    uint64_t start = t->pos;
    bool odd;
    if (err_stopped(err) != 0)
        return -1;
    t->err = err;
    errno = 0;
    if (tarmeta_fill(t->ae, e, &odd, t->notices, err) != 0)
        return -1;
    if (odd && t->odd == NULL && open_writer(t, &t->odd, "LIBARCHIVE", err) != 0)
        return -1;
    struct archive *a = odd ? t->odd : t->plain;
    if (write_header(t, a, e->item.path, err) != 0)
        return -1;
    if (e->item.type == ITEM_FILE && put_file(t, a, e, fd, err) != 0)
        return -1;
    if (archive_write_finish_entry(a) != ARCHIVE_OK)
        return fail(a, e->item.path, err);
    e->item.tar_offset = start;
    e->item.tar_length = t->pos - start;
    if (t->progress != NULL)
        atomic_fetch_add_explicit(&t->progress->entries, 1, memory_order_relaxed);
    return 0;
}

int tarout_finish(struct tarout *t, uint64_t *bytes, struct err *err)
{
    t->err = err;
    if (archive_write_close(t->plain) != ARCHIVE_OK)
        return fail(t->plain, "end of the tar", err);
    *bytes = t->pos;
    return 0;
}

/* Closing first frees what libarchive's free leaves behind after an error. */
static void free_writer(struct archive *a)
{
    if (a == NULL)
        return;
    archive_write_close(a);
    archive_write_free(a);
}

void tarout_free(struct tarout *t)
{
    if (t == NULL)
        return;
    t->muted = true;
    free_writer(t->plain);
    free_writer(t->odd);
    archive_entry_free(t->ae);
    if (t->zeros != NULL)
        munmap(t->zeros, ZEROS);
    free(t->block);
    free(t);
}
