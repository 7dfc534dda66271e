/*
 * The lock is that of flock(2), which the kernel drops with the last descriptor of the
 * open file. What the file says is for people: it can be old or missing, and nothing is
 * decided by it.
 */
#include "store/dirlock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/io.h"
#include "util/stop.h"
#include "util/utc.h"

#define POLL_MS     100  /* between two tries, so that a signal is heard */
#define HOLDER_SIZE 128u /* of what the file says, with a NUL */
#define HOST_SIZE   65u  /* a host's name and a NUL */

struct dirlock {
    int fd;
};

static int cannot(const char *path, const char *why, struct err *err)
{
    return err_set(err, ERR_FAIL, "cannot lock: %s/" DIRLOCK_FILE ": %s", path, why);
}

/* It will be emptied and written to: it must be no other file, by any kind of link. */
static int check(int fd, const char *path, struct err *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return err_sys(err, ERR_FAIL, "cannot lock: %s/" DIRLOCK_FILE, path);
    if (!S_ISREG(st.st_mode))
        return cannot(path, "not a regular file", err);
    return st.st_nlink > 1 ? cannot(path, "it has a second name (a hard link)", err)
                           : 0;
}

static int open_file(int dirfd, const char *path, struct err *err)
{
    /* Not to wait for the other end of a FIFO. */
    int fd =
        openat(dirfd, DIRLOCK_FILE,
               O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);
    if (fd < 0 && errno == ELOOP)
        return cannot(path, "a symbolic link", err);
    if (fd < 0 && errno == EISDIR)
        return cannot(path, "not a regular file", err);
    if (fd < 0) {
        err_sys(err, ERR_FAIL, "cannot lock: %s/" DIRLOCK_FILE, path);
        return errno == EACCES ? err_hint(err, "run as its owner, or as root") : -1;
    }
    if (check(fd, path, err) == 0)
        return fd;
    close(fd);
    return -1;
}

/* Whether the name still leads to `fd`: a lock on a file that was removed meanwhile
 * would keep out nobody. */
static bool still_named(int dirfd, int fd)
{
    struct stat ours, there;
    return fstat(fd, &ours) == 0 &&
           fstatat(dirfd, DIRLOCK_FILE, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
           ours.st_dev == there.st_dev && ours.st_ino == there.st_ino;
}

/* On a full disk nothing can be written: to delete archives there is then all the more
 * reason to hold the lock. */
static void sign(int fd)
{
    char host[HOST_SIZE] = "", since[UTC_STAMP_SIZE], text[HOLDER_SIZE];
    if (gethostname(host, sizeof host - 1) != 0 || host[0] == '\0')
        strcpy(host, "?");
    int n = snprintf(text, sizeof text, "%ld %s since %s\n", (long)getpid(), host,
                     utc_rfc3339(since, (int64_t)time(NULL)));
    if (ftruncate(fd, 0) == 0)
        (void)io_pwrite(fd, text, (size_t)n, 0);
}

/* What the holder has written, without the end of its line; "" if that is nothing. */
static void read_holder(int fd, char holder[HOLDER_SIZE])
{
    ssize_t n = io_pread(fd, holder, HOLDER_SIZE - 1, 0);
    holder[n > 0 ? n : 0] = '\0';
    holder[strcspn(holder, "\n")] = '\0';
}

/* One try. 1: locked; 0: not, `holder` says by whom; -1. */
static int try(struct dirlock *l, int dirfd, const char *path, char holder[HOLDER_SIZE],
               struct err *err)
{
    int r, rc = 0;
    int fd = open_file(dirfd, path, err);
    if (fd < 0)
        return -1;
    do
        r = flock(fd, LOCK_EX | LOCK_NB);
    while (r != 0 && errno == EINTR && stop_signal() == 0);
    if (r == 0 && still_named(dirfd, fd)) {
        l->fd = fd;
        return 1;
    }
    holder[0] = '\0';
    if (r != 0 && errno == EWOULDBLOCK)
        read_holder(fd, holder);
    else if (r != 0)
        rc = err_sys(err, ERR_FAIL, "cannot lock: %s/" DIRLOCK_FILE, path);
    close(fd);
    return rc;
}

static int busy(const char *path, const char *holder, struct err *err)
{
    size_t pid = strspn(holder, "0123456789");
    if (pid == 0 || holder[pid] != ' ')
        return err_set(err, ERR_BUSY, "in use by another run: %s", path);
    return err_set(err, ERR_BUSY, "in use by another run: %s: process %.*s on %s", path,
                   (int)pid, holder, holder + pid + 1);
}

int dirlock_take(struct dirlock **out, int dirfd, const char *path, unsigned wait,
                 struct err *err)
{
    char holder[HOLDER_SIZE];
    int64_t end = clock_ms() + (int64_t)wait * 1000;
    struct dirlock *l = calloc(1, sizeof *l);
    if (l == NULL)
        return err_nomem(err);
    for (;;) {
        int r = try(l, dirfd, path, holder, err);
        if (r > 0)
            break;
        int64_t left = end - clock_ms();
        if (r < 0 || err_stopped(err) != 0 ||
            (left <= 0 && busy(path, holder, err) != 0)) {
            free(l);
            return -1;
        }
        (void)poll(NULL, 0, left < POLL_MS ? (int)left : POLL_MS);
    }
    sign(l->fd);
    *out = l;
    return 0;
}

/* Unlocked by name, not only closed: a child may still have the descriptor for the
 * moment between its fork and its exec. */
void dirlock_free(struct dirlock *l)
{
    if (l == NULL)
        return;
    (void)!ftruncate(l->fd, 0);
    (void)flock(l->fd, LOCK_UN);
    close(l->fd);
    free(l);
}
