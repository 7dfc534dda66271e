#include "store/input.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/io.h"
#include "util/stop.h"

#define WAIT_MS 100   /* between two looks at what could end a wait */
#define BLOCK   4096u /* what a medium that fails is read by */

struct input {
    int fd;
    bool writable;
    int64_t size; /* -1: a stream */
    atomic_bool cancelled;
    atomic_bool unreadable; /* zeros were given where the medium failed */
    char *path;
};

static int is_directory(const char *path, struct err *err)
{
    err_set(err, ERR_USAGE, "not an archive: %s: a directory", path);
    return err_hint(err, "name the .pmmseal file in it");
}

static int open_stdin(struct input *in, struct err *err)
{
    if (in->writable)
        return err_set(err, ERR_USAGE, "standard input cannot be changed in place");
    if (isatty(STDIN_FILENO)) {
        err_set(err, ERR_USAGE,
                "standard input is a terminal: no archive comes from it");
        return err_hint(
            err, "give the archive's name, or pipe the archive in (docker exec -i)");
    }
    in->fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
    return in->fd >= 0 ? 0 : err_sys(err, ERR_FAIL, "cannot read: standard input");
}

static int open_path(struct input *in, const char *path, struct err *err)
{
    int flags = (in->writable ? O_RDWR : O_RDONLY) | O_NOCTTY | O_CLOEXEC;
    do
        in->fd = open(path, flags);
    while (in->fd < 0 && errno == EINTR && err_stopped(err) == 0);
    if (in->fd >= 0)
        return 0;
    if (errno == EISDIR)
        return is_directory(path, err);
    err_sys(err, ERR_FAIL, "cannot open: %s", path);
    if (in->writable && (errno == EACCES || errno == EROFS || errno == EPERM))
        err_hint(err, "-o FILE writes a changed copy instead");
    return -1;
}

/* A rekey holds the archive alone, readers hold it together. A file system without
 * locks does not keep anybody from reading. */
static int hold(const struct input *in, struct err *err)
{
    if (flock(in->fd, (in->writable ? LOCK_EX : LOCK_SH) | LOCK_NB) == 0)
        return 0;
    if (errno == EWOULDBLOCK)
        return err_set(err, ERR_BUSY, "in use by another run: %s", in->path);
    if (!in->writable)
        return 0;
    return err_sys(err, ERR_FAIL, "cannot lock: %s", in->path);
}

/* After the lock: an archive that was replaced while we waited is not to be changed,
 * for nobody would find the change. */
static int same_file(const struct input *in, const struct stat *st, struct err *err)
{
    struct stat now;
    if (stat(in->path, &now) != 0)
        return err_sys(err, ERR_FAIL, "cannot look at: %s", in->path);
    if (now.st_dev != st->st_dev || now.st_ino != st->st_ino)
        return err_set(err, ERR_BUSY, "replaced meanwhile: %s", in->path);
    return 0;
}

static int look(struct input *in, bool named, struct err *err)
{
    struct stat st;
    if (fstat(in->fd, &st) != 0)
        return err_sys(err, ERR_FAIL, "cannot look at: %s", in->path);
    if (S_ISDIR(st.st_mode))
        return is_directory(in->path, err);
    if (!S_ISREG(st.st_mode) && in->writable)
        return err_set(err, ERR_USAGE,
                       "cannot be changed in place: %s: not a regular file", in->path);
    if (!S_ISREG(st.st_mode) || (!named && lseek(in->fd, 0, SEEK_CUR) != 0))
        return 0;
    if (hold(in, err) != 0)
        return -1;
    if (fstat(in->fd, &st) != 0)
        return err_sys(err, ERR_FAIL, "cannot look at: %s", in->path);
    in->size = st.st_size;
    return in->writable ? same_file(in, &st, err) : 0;
}

int input_open(struct input **out, const char *path, bool writable, struct err *err)
{
    bool named = strcmp(path, "-") != 0;
    struct input *in = calloc(1, sizeof *in);
    if (in == NULL)
        return err_nomem(err);
    *in = (struct input){.fd = -1, .writable = writable, .size = -1};
    in->path = strdup(named ? path : "standard input");
    if (in->path == NULL) {
        err_nomem(err);
        goto fail;
    }
    if ((named ? open_path(in, path, err) : open_stdin(in, err)) != 0 ||
        look(in, named, err) != 0)
        goto fail;
    *out = in;
    return 0;

fail:
    input_free(in);
    return -1;
}

void input_free(struct input *in)
{
    if (in == NULL)
        return;
    if (in->fd >= 0)
        close(in->fd);
    free(in->path);
    free(in);
}

int64_t input_size(const struct input *in)
{
    return in->size;
}

const char *input_path(const struct input *in)
{
    return in->path;
}

/* Wait until a stream has something to say. 1, or 0 once cancelled or stopped. */
static int wait_readable(struct input *in)
{
    struct pollfd p = {.fd = in->fd, .events = POLLIN};
    while (!atomic_load(&in->cancelled) && stop_signal() == 0)
        if (poll(&p, 1, WAIT_MS) != 0)
            return 1; /* data, the end, or an error that read will tell */
    return 0;
}

ssize_t input_read(void *ctx, void *buf, size_t len, struct err *err)
{
    struct input *in = ctx;
    size_t have = 0;
    while (have < len) {
        if (in->size < 0 && !wait_readable(in)) {
            errno = EINTR;
            return err_sys(err, ERR_FAIL, "cannot read: %s", in->path);
        }
        ssize_t n = read(in->fd, (char *)buf + have, len - have);
        if (n == 0)
            break;
        if (n > 0)
            have += (size_t)n;
        else if (errno != EINTR || stop_signal() != 0)
            return err_sys(err, ERR_FAIL, "cannot read: %s", in->path);
    }
    return (ssize_t)have;
}

void input_cancel(void *ctx)
{
    struct input *in = ctx;
    atomic_store(&in->cancelled, true);
}

/* Whether off + len is a place in a file at all; offsets may come from an archive. */
static bool fits(const struct input *in, uint64_t off, size_t len)
{
    return in->size >= 0 && off <= INT64_MAX && len <= INT64_MAX - off;
}

ssize_t input_pread(void *ctx, void *buf, size_t len, uint64_t off, struct err *err)
{
    struct input *in = ctx;
    if (!fits(in, off, len))
        return err_set(err, ERR_FAIL, "cannot read: %s: no such place", in->path);
    ssize_t n = io_pread(in->fd, buf, len, off);
    return n >= 0 ? n : err_sys(err, ERR_FAIL, "cannot read: %s", in->path);
}

/* One block of a disk at a time, so that no more is given up than must be. */
static ssize_t read_blocks(struct input *in, uint8_t *buf, size_t len, uint64_t off,
                           struct err *err)
{
    size_t have = 0;
    if (off >= (uint64_t)in->size)
        return 0;
    if (len > (uint64_t)in->size - off)
        len = (size_t)((uint64_t)in->size - off);
    while (have < len) {
        size_t n = BLOCK - (size_t)((off + have) % BLOCK);
        if (n > len - have)
            n = len - have;
        ssize_t got = io_pread(in->fd, buf + have, n, off + have);
        if (got < 0 && errno != EIO)
            return err_sys(err, ERR_FAIL, "cannot read: %s", in->path);
        if (got < 0) {
            memset(buf + have, 0, n);
            atomic_store(&in->unreadable, true);
            got = (ssize_t)n;
        }
        if (got == 0)
            break;
        have += (size_t)got;
    }
    return (ssize_t)have;
}

ssize_t input_pread_damaged(void *ctx, void *buf, size_t len, uint64_t off,
                            struct err *err)
{
    struct input *in = ctx;
    struct err why = {0};
    ssize_t n = input_pread(in, buf, len, off, &why);
    if (n < 0 && why.sys == EIO)
        return read_blocks(in, buf, len, off, err);
    if (n < 0)
        *err = why;
    return n;
}

bool input_unreadable(const struct input *in)
{
    return atomic_load(&in->unreadable);
}

int input_pwrite(void *ctx, const void *buf, size_t len, uint64_t off, struct err *err)
{
    struct input *in = ctx;
    if (!in->writable || !fits(in, off, len))
        return err_set(err, ERR_FAIL, "cannot write: %s: no such place", in->path);
    if (io_pwrite(in->fd, buf, len, off) != 0 || fdatasync(in->fd) != 0)
        return err_sys(err, ERR_FAIL, "cannot write: %s", in->path);
    return 0;
}

int input_sync(void *ctx, struct err *err)
{
    struct input *in = ctx;
    if (fsync(in->fd) != 0)
        return err_sys(err, ERR_FAIL, "cannot sync: %s", in->path);
    return 0;
}
