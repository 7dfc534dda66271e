#include "store/output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "store/archives.h"
#include "store/move.h"
#include "store/stale.h"
#include "store/tmpname.h"
#include "util/io.h"
#include "util/stop.h"

#define LINKS_MAX   40 /* symlinks followed, as the kernel does */
#define NUMBER_MAX  1000u
#define NAME_IN_TMP 220u /* bytes of the name that the temporary name repeats */

struct output {
    int fd, dirfd; /* dirfd is -1 for a stream */
    bool force;
    char *dir;       /* as the user wrote it, for messages; "." if not at all */
    char *name;      /* final name in it */
    char *auto_name; /* not NULL: the name is ours to choose, and this is its root */
    char *path;      /* dir/name, or "-" */
    bool temporary;  /* tmp exists */
    unsigned stall;  /* seconds, 0: for ever */
    char tmp[TMPNAME_SIZE];
    uint64_t bytes;
    dev_t dev;
    ino_t ino;
};

static int stream_ready(struct output *o, const char *what, struct err *err)
{
    struct stat st;
    if (isatty(o->fd)) {
        err_set(err, ERR_REFUSED, "an archive does not go to a terminal");
        return err_hint(err,
                        "write it to a file (-o FILE) or into a pipe; in docker exec, "
                        "leave out -t");
    }
    int flags = fcntl(o->fd, F_GETFL);
    if (fstat(o->fd, &st) != 0 || flags < 0)
        return err_sys(err, ERR_FAIL, "cannot write to: %s", what);
    if ((flags & O_ACCMODE) == O_RDONLY)
        return err_set(err, ERR_FAIL, "cannot write to: %s: opened for reading", what);
    if (S_ISREG(st.st_mode)) {
        o->dev = st.st_dev;
        o->ino = st.st_ino;
    }
    return 0;
}

static int open_stdout(struct output *o, struct err *err)
{
    o->path = strdup("-");
    if (o->path == NULL)
        return err_nomem(err);
    o->fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    if (o->fd < 0)
        return err_sys(err, ERR_FAIL, "cannot write to: standard output");
    return stream_ready(o, "standard output", err);
}

/* A FIFO, or a device that takes what it is given. */
static int open_special(struct output *o, const char *target, const struct stat *st,
                        struct err *err)
{
    if (!S_ISFIFO(st->st_mode) && !S_ISCHR(st->st_mode))
        return err_set(err, ERR_REFUSED, "not a file to write an archive to: %s",
                       target);
    o->path = strdup(target);
    if (o->path == NULL)
        return err_nomem(err);
    do
        o->fd = open(target, O_WRONLY | O_NOCTTY | O_CLOEXEC);
    while (o->fd < 0 && errno == EINTR && err_stopped(err) == 0);
    if (o->fd < 0)
        return err_sys(err, ERR_FAIL, "cannot open: %s", target);
    return stream_ready(o, target, err);
}

/* Split "dir/name" into o->dir and o->name. */
static int split(struct output *o, const char *path, struct err *err)
{
    const char *slash = strrchr(path, '/');
    free(o->dir);
    free(o->name);
    o->name = strdup(slash != NULL ? slash + 1 : path);
    o->dir = slash == NULL   ? strdup(".")
             : slash == path ? strdup("/")
                             : strndup(path, (size_t)(slash - path));
    return o->dir != NULL && o->name != NULL ? 0 : err_nomem(err);
}

static int join(struct output *o, const char *dir, const char *name, struct err *err)
{
    free(o->path);
    size_t n = strlen(dir);
    int r = strcmp(dir, ".") == 0
                ? asprintf(&o->path, "%s", name)
                : asprintf(&o->path, "%s%s%s", dir, dir[n - 1] == '/' ? "" : "/", name);
    if (r >= 0)
        return 0;
    o->path = NULL;
    return err_nomem(err);
}

/* As long as o->path is a symlink, make it what the link says. */
static int follow(struct output *o, struct err *err)
{
    char link[PATH_MAX];
    for (int i = 0; i < LINKS_MAX; i++) {
        ssize_t n = readlink(o->path, link, sizeof link - 1);
        if (n < 0)
            return split(o, o->path, err);
        link[n] = '\0';
        if (split(o, o->path, err) != 0 ||
            join(o, link[0] == '/' ? "." : o->dir, link, err) != 0)
            return -1;
    }
    return err_set(err, ERR_FAIL, "cannot write: %s: too many symbolic links", o->path);
}

static int open_dir(struct output *o, struct err *err)
{
    o->dirfd = open(o->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (o->dirfd >= 0)
        return 0;
    err_sys(err, ERR_FAIL, "cannot write to the directory: %s", o->dir);
    return errno == ENOENT
               ? err_hint(
                     err,
                     "is it mounted? If it is to be new, create it first (mkdir -p)")
               : -1;
}

/* Choose the next free one of the names that are ours to choose, from number *n on. */
static int choose(struct output *o, unsigned *n, struct err *err)
{
    struct stat st;
    for (; *n <= NUMBER_MAX; ++*n) {
        free(o->name);
        o->name =
            *n == 1 ? strdup(o->auto_name) : archives_numbered(o->auto_name, *n, err);
        if (o->name == NULL)
            return err_nomem(err);
        if (fstatat(o->dirfd, o->name, &st, AT_SYMLINK_NOFOLLOW) != 0 &&
            errno == ENOENT)
            return join(o, o->dir, o->name, err);
    }
    return err_set(err, ERR_REFUSED, "already there: %s/%s", o->dir, o->auto_name);
}

static int exists(const struct output *o, struct err *err)
{
    err_set(err, ERR_REFUSED, "already there: %s", o->path);
    return err_hint(err, "--force replaces it, once the new archive is whole; to have "
                         "archives named by their time, say -o DIRECTORY/");
}

/* What stands under the final name, if anything, must be a file that may be replaced.
 */
static int check_name(const struct output *o, struct err *err)
{
    struct stat st;
    if (fstatat(o->dirfd, o->name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? 0
                               : err_sys(err, ERR_FAIL, "cannot look at: %s", o->path);
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_REFUSED, "not a file to write an archive to: %s",
                       o->path);
    return o->force ? 0 : exists(o, err);
}

static int open_temporary(struct output *o, struct err *err)
{
    char prefix[NAME_IN_TMP + sizeof ARCHIVES_SUFFIX + 2];
    stale_sweep(o->dirfd);
    /* The suffix, whatever the name: by it stale_sweep knows the file as ours. */
    size_t n = strlen(o->name), suffix = strlen(ARCHIVES_SUFFIX);
    if (n > suffix && strcmp(o->name + n - suffix, ARCHIVES_SUFFIX) == 0)
        n -= suffix;
    snprintf(prefix, sizeof prefix, ".%.*s" ARCHIVES_SUFFIX ".",
             (int)(n < NAME_IN_TMP ? n : NAME_IN_TMP), o->name);
    int held = 1;
    do {
        tmpname_make(o->tmp, prefix, STALE_SUFFIX);
        if (o->fd >= 0)
            close(o->fd);
        o->fd = openat(o->dirfd, o->tmp,
                       O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    } while (o->fd < 0 ? errno == EEXIST : (held = stale_hold(o->fd)) == 0);
    if (o->fd < 0) {
        err_sys(err, ERR_FAIL, "cannot write to the directory: %s", o->dir);
        return errno == EACCES ? err_hint(err, "run as its owner, or as root") : -1;
    }
    o->temporary = true;
    if (held < 0)
        return err_sys(err, ERR_FAIL, "cannot look at: %s/%s", o->dir, o->tmp);
    /* A umask may have taken rights, a default ACL given some. FAT has none to set. */
    struct stat st;
    if (fchmod(o->fd, 0600) != 0 && errno != EPERM && errno != ENOTSUP)
        return err_sys(err, ERR_FAIL, "cannot set rights: %s/%s", o->dir, o->tmp);
    if (fstat(o->fd, &st) != 0)
        return err_sys(err, ERR_FAIL, "cannot look at: %s/%s", o->dir, o->tmp);
    o->dev = st.st_dev;
    o->ino = st.st_ino;
    return 0;
}

/* A directory: the name in it is ours to choose. */
static int open_in(struct output *o, const char *target, const char *auto_name,
                   struct err *err)
{
    unsigned n = 1;
    size_t len = strlen(target);
    while (len > 1 && target[len - 1] == '/')
        len--;
    o->dir = strndup(target, len);
    o->auto_name = strdup(auto_name);
    if (o->dir == NULL || o->auto_name == NULL)
        return err_nomem(err);
    if (open_dir(o, err) != 0 || choose(o, &n, err) != 0)
        return -1;
    return open_temporary(o, err);
}

static int open_file(struct output *o, const char *target, const char *auto_name,
                     struct err *err)
{
    struct stat st;
    size_t len = strlen(target);
    if (len == 0)
        return err_set(err, ERR_USAGE, "the output has an empty name");
    bool there = stat(target, &st) == 0;
    if (target[len - 1] == '/' || (there && S_ISDIR(st.st_mode)))
        return open_in(o, target, auto_name, err);
    if (there && !S_ISREG(st.st_mode))
        return open_special(o, target, &st, err);
    o->path = strdup(target);
    if (o->path == NULL)
        return err_nomem(err);
    if (follow(o, err) != 0 || open_dir(o, err) != 0 || check_name(o, err) != 0)
        return -1;
    return open_temporary(o, err);
}

int output_open(struct output **out, const char *target, const char *auto_name,
                bool force, struct err *err)
{
    struct output *o = calloc(1, sizeof *o);
    if (o == NULL)
        return err_nomem(err);
    o->fd = o->dirfd = -1;
    o->force = force;
    int r = strcmp(target, "-") == 0 ? open_stdout(o, err)
                                     : open_file(o, target, auto_name, err);
    if (r != 0) {
        output_free(o);
        return -1;
    }
    *out = o;
    return 0;
}

const char *output_path(const struct output *o)
{
    return o->path;
}

const char *output_parent(const struct output *o)
{
    return o->dir;
}

int output_directory(const struct output *o)
{
    return o->auto_name != NULL ? o->dirfd : -1;
}

bool output_is_stream(const struct output *o)
{
    return o->dirfd < 0;
}

void output_identity(const struct output *o, dev_t *dev, ino_t *ino)
{
    *dev = o->dev;
    *ino = o->ino;
}

static const char *shown(const struct output *o)
{
    return strcmp(o->path, "-") == 0 ? "standard output" : o->path;
}

uint64_t output_room(const struct output *o)
{
    struct statvfs v;
    if (output_is_stream(o) || fstatvfs(o->dirfd, &v) != 0)
        return UINT64_MAX;
    return (uint64_t)v.f_bavail * v.f_frsize;
}

void output_stall(struct output *o, unsigned seconds)
{
    o->stall = seconds;
}

/* Write, never waiting longer than o->stall for the next byte to go: a pipe that
 * poll(2) calls writable takes PIPE_BUF bytes without blocking. ETIMEDOUT. */
static int write_watched(const struct output *o, const char *p, size_t len)
{
    struct pollfd fd = {.fd = o->fd, .events = POLLOUT};
    while (len > 0) {
        size_t n = len < PIPE_BUF ? len : PIPE_BUF;
        int r = poll(&fd, 1, (int)(o->stall * 1000));
        if (r == 0)
            errno = ETIMEDOUT;
        if (r == 0 || (r < 0 && (errno != EINTR || stop_signal() != 0)))
            return -1;
        if (r < 0)
            continue;
        if (io_write(o->fd, p, n) != 0)
            return -1;
        p += n;
        len -= n;
    }
    return 0;
}

int output_write(void *ctx, const void *buf, size_t len, struct err *err)
{
    struct output *o = ctx;
    bool watched = o->stall > 0 && output_is_stream(o);
    if ((watched ? write_watched(o, buf, len) : io_write(o->fd, buf, len)) == 0) {
        o->bytes += len;
        return 0;
    }
    if (errno == ETIMEDOUT && watched) {
        err_set(err, ERR_FAIL, "cannot write: %s: it has taken no byte for %u seconds",
                shown(o), o->stall);
        return err_hint(err, "whoever reads it hangs or is gone; --stall-timeout sets "
                             "how long to wait");
    }
    err_sys(err, ERR_FAIL, "cannot write: %s", shown(o));
    if (errno == ENOSPC || errno == EDQUOT)
        err_hint(err, "make room there, or write to another place (-o)");
    return -1;
}

/* Give the temporary file its name. */
static int name_it(struct output *o, struct err *err)
{
    unsigned n = 1;
    for (;;) {
        int r = o->force && o->auto_name == NULL
                    ? renameat(o->dirfd, o->tmp, o->dirfd, o->name)
                    : move_noreplace(o->dirfd, o->tmp, o->dirfd, o->name);
        if (r == 0)
            return 0;
        if (errno != EEXIST)
            return err_sys(err, ERR_FAIL, "cannot rename to: %s", o->path);
        if (o->auto_name == NULL)
            return exists(o, err);
        if (choose(o, &n, err) != 0)
            return -1;
    }
}

/* All its bytes are on the disk. */
static int sync_file(const struct output *o, struct err *err)
{
    struct stat st;
    if (fsync(o->fd) != 0 || fstat(o->fd, &st) != 0)
        return err_sys(err, ERR_FAIL, "cannot write: %s", o->path);
    if ((uint64_t)st.st_size != o->bytes)
        return err_set(err, ERR_FAIL, "cannot write: %s: the file has lost bytes",
                       o->path);
    return 0;
}

int output_settle(struct output *o, char **path, struct err *err)
{
    if (sync_file(o, err) != 0)
        return -1;
    /* Best effort: a tmpfs has nothing else. */
    (void)posix_fadvise(o->fd, 0, 0, POSIX_FADV_DONTNEED);
    return asprintf(path, "%s/%s", o->dir, o->tmp) >= 0 ? 0 : err_nomem(err);
}

static int commit_file(struct output *o, struct err *err)
{
    if (sync_file(o, err) != 0)
        return -1;
    /* NFS tells at close; the lock must last until the file has its name. */
    int fd = o->fd;
    o->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (close(fd) != 0 || o->fd < 0)
        return err_sys(err, ERR_FAIL, "cannot write: %s", o->path);
    if (name_it(o, err) != 0)
        return -1;
    o->temporary = false;
    /* Some network file systems have no sync for directories. */
    if (fsync(o->dirfd) != 0 && errno != EINVAL && errno != ENOTSUP) {
        err_sys(err, ERR_FAIL, "cannot sync the directory: %s", o->dir);
        return err_state(err,
                         "the archive is whole and in its place; only a loss of power "
                         "now could take its name");
    }
    return 0;
}

static int commit_stream(struct output *o, struct err *err)
{
    if (fsync(o->fd) != 0 && errno != EINVAL && errno != ENOTSUP && errno != EROFS)
        return err_sys(err, ERR_FAIL, "cannot write: %s", shown(o));
    int fd = o->fd;
    o->fd = -1;
    if (close(fd) != 0)
        return err_sys(err, ERR_FAIL, "cannot write: %s", shown(o));
    return 0;
}

static void discard(struct output *o)
{
    if (o->temporary)
        (void)unlinkat(o->dirfd, o->tmp, 0);
    o->temporary = false;
}

int output_commit(struct output *o, struct err *err)
{
    int r = err_stopped(err);
    if (r == 0)
        r = output_is_stream(o) ? commit_stream(o, err) : commit_file(o, err);
    discard(o);
    return r;
}

void output_free(struct output *o)
{
    if (o == NULL)
        return;
    discard(o);
    if (o->fd >= 0)
        close(o->fd);
    if (o->dirfd >= 0)
        close(o->dirfd);
    free(o->dir);
    free(o->name);
    free(o->auto_name);
    free(o->path);
    free(o);
}
