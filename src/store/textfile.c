#include "store/textfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "store/archives.h"
#include "store/stale.h"
#include "store/tmpname.h"
#include "util/io.h"

#define CHUNK       65536u
#define TRIES       20   /* in a second, for a lock */
#define NAME_IN_TMP 220u /* bytes of the name that the temporary name repeats */

static int read_all(int fd, const char *name, size_t max, struct buf *out,
                    struct err *err)
{
    for (size_t left = max;;) {
        /* One byte more than may come shows that more would come. */
        size_t want = left < CHUNK ? left + 1 : CHUNK;
        if (buf_reserve(out, want) != 0)
            return err_nomem(err);
        ssize_t n = io_read(fd, out->p + out->len, want);
        if (n < 0)
            return err_sys(err, ERR_FAIL, "cannot read: %s", name);
        if ((size_t)n > left)
            return err_set(err, ERR_FAIL, "cannot read: %s: larger than %zu bytes",
                           name, max);
        out->len += (size_t)n;
        left -= (size_t)n;
        if ((size_t)n < want)
            return 1;
    }
}

int textfile_read(int dirfd, const char *name, size_t max, struct buf *out,
                  struct err *err)
{
    struct stat st;
    size_t before = out->len;
    int r = -1;
    /* Not to wait for the other end of a FIFO. */
    int fd =
        openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0 && errno == ELOOP)
        return err_set(err, ERR_FAIL, "cannot read: %s: a symbolic link", name);
    if (fd < 0 || fstat(fd, &st) != 0)
        err_sys(err, ERR_FAIL, "cannot read: %s", name);
    else if (!S_ISREG(st.st_mode))
        err_set(err, ERR_FAIL, "cannot read: %s: not a regular file", name);
    else
        r = read_all(fd, name, max, out, err);
    if (r < 0)
        out->len = before;
    if (fd >= 0)
        close(fd);
    return r;
}

/* ---- writing ---- */

struct target {
    const char *name; /* as the caller has it, for messages */
    const char *base; /* its last component */
    int parent, fd;
    bool temporary; /* tmp exists */
    char tmp[TMPNAME_SIZE];
};

static int failed(const struct target *t, struct err *err)
{
    err_sys(err, ERR_FAIL, "cannot write: %s", t->name);
    return -1;
}

/* The directory in which `name` is. */
static int open_parent(struct target *t, int dirfd, struct err *err)
{
    struct buf dir = {0};
    const char *slash = strrchr(t->name, '/');
    t->base = slash != NULL ? slash + 1 : t->name;
    int r = slash == NULL ? buf_add(&dir, ".", 2)
                          : buf_printf(&dir, "%.*s", (int)(slash + 1 - t->name),
                                       t->name); /* with the '/': it may be the root */
    if (r != 0)
        return err_nomem(err);
    t->parent = openat(dirfd, (const char *)dir.p, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    r = t->parent >= 0 ? 0 : failed(t, err);
    buf_free(&dir);
    return r;
}

/* A rename would put the file in the place of a device as well. */
static int check_there(const struct target *t, struct err *err)
{
    struct stat st;
    if (fstatat(t->parent, t->base, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? 0 : failed(t, err);
    if (S_ISREG(st.st_mode) || S_ISLNK(st.st_mode))
        return 0;
    return err_set(err, ERR_FAIL, "cannot write: %s: not a regular file", t->name);
}

/* The name is of the kind that stale_sweep knows, should we be killed now. */
static int open_temporary(struct target *t, struct err *err)
{
    char prefix[NAME_IN_TMP + sizeof ARCHIVES_SUFFIX + 2];
    size_t n = strlen(t->base);
    snprintf(prefix, sizeof prefix, ".%.*s" ARCHIVES_SUFFIX ".",
             (int)(n < NAME_IN_TMP ? n : NAME_IN_TMP), t->base);
    int held = 1;
    do {
        tmpname_make(t->tmp, prefix, STALE_SUFFIX);
        if (t->fd >= 0)
            close(t->fd);
        t->fd = openat(t->parent, t->tmp,
                       O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    } while (t->fd < 0 ? errno == EEXIST : (held = stale_hold(t->fd)) == 0);
    t->temporary = t->fd >= 0;
    return t->temporary && held > 0 ? 0 : failed(t, err);
}

static int fill(struct target *t, mode_t mode, const struct buf *text, struct err *err)
{
    /* FAT has no rights to set. */
    if (fchmod(t->fd, mode) != 0 && errno != EPERM && errno != ENOTSUP)
        return failed(t, err);
    if (io_write(t->fd, text->p, text->len) != 0 || fsync(t->fd) != 0)
        return failed(t, err);
    /* Open until it has its name, lest a sweep takes it for a dead run's. */
    if (renameat(t->parent, t->tmp, t->parent, t->base) != 0)
        return failed(t, err);
    t->temporary = false;
    /* Some network file systems have no sync for directories. */
    if (fsync(t->parent) != 0 && errno != EINVAL && errno != ENOTSUP)
        return failed(t, err);
    return 0;
}

static void close_target(struct target *t)
{
    if (t->temporary)
        (void)unlinkat(t->parent, t->tmp, 0);
    if (t->fd >= 0)
        close(t->fd);
    if (t->parent >= 0)
        close(t->parent);
}

static int open_target(struct target *t, int dirfd, struct err *err)
{
    return open_parent(t, dirfd, err) == 0 && check_there(t, err) == 0 &&
                   open_temporary(t, err) == 0
               ? 0
               : -1;
}

int textfile_write(int dirfd, const char *name, mode_t mode, const struct buf *text,
                   struct err *err)
{
    struct target t = {.name = name, .parent = -1, .fd = -1};
    int r = open_target(&t, dirfd, err);
    if (r == 0) {
        /* Where no archive is written, nobody else would. Ours is held. */
        stale_sweep(t.parent);
        r = fill(&t, mode, text, err);
    }
    close_target(&t);
    return r;
}

int textfile_try(int dirfd, const char *name, struct err *err)
{
    struct target t = {.name = name, .parent = -1, .fd = -1};
    int r = open_target(&t, dirfd, err);
    close_target(&t);
    return r;
}

int textfile_lock(int dirfd, const char *name, unsigned seconds)
{
    struct target t = {.name = name, .parent = -1, .fd = -1};
    struct err none = {0};
    if (open_parent(&t, dirfd, &none) != 0)
        return -1;
    for (unsigned left = seconds * TRIES; flock(t.parent, LOCK_EX | LOCK_NB) != 0;) {
        if ((errno != EWOULDBLOCK && errno != EINTR) || left-- == 0) {
            close(t.parent);
            return -1;
        }
        (void)nanosleep(&(struct timespec){.tv_nsec = 1000000000 / TRIES}, NULL);
    }
    return t.parent;
}
