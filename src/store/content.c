#include "store/content.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/leftover.h"
#include "store/parts.h"

int content_open(const char *path, struct err *err)
{
    struct stat st, now;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        err_sys(err, errno == ENOTDIR ? ERR_USAGE : ERR_FAIL,
                "cannot open the directory: %s", path);
        if (errno == ENOENT)
            return err_hint(err, "is it spelt right, and mounted?");
        return errno == EACCES ? err_hint(err, "run as its owner, or as root") : -1;
    }
    if (flock(fd, LOCK_SH | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK)
            err_set(err, ERR_BUSY, "in use by a restore: %s", path);
        else
            err_sys(err, ERR_FAIL, "cannot lock: %s", path);
        goto fail;
    }
    if (fstat(fd, &st) != 0 || stat(path, &now) != 0) {
        err_sys(err, ERR_FAIL, "cannot look at: %s", path);
        goto fail;
    }
    if (st.st_dev != now.st_dev || st.st_ino != now.st_ino) {
        err_set(err, ERR_BUSY, "in use by a restore, which has just replaced it: %s",
                path);
        goto fail;
    }
    int half = leftover_half_swapped(fd);
    if (half < 0)
        err_sys(err, ERR_FAIL, "cannot read the directory: %s", path);
    if (half == 1) {
        err_set(err, ERR_REFUSED, "half old and half new: %s: a restore stopped in it",
                path);
        err_hint(err,
                 "run the restore to it again; that first puts the old content back");
    }
    if (half == 0)
        return fd;

fail:
    close(fd);
    return -1;
}

bool content_half_done(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC);
    bool half = fd >= 0 && leftover_half_swapped(fd) == 1;
    if (fd >= 0)
        close(fd);
    return half;
}

int content_is_empty(int dirfd, struct err *err)
{
    int content = parts_has_content(dirfd, NULL, NULL);
    if (content < 0)
        return err_sys(err, ERR_FAIL, "cannot read the directory");
    return !content;
}
