#include "pmm/repair.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define OPEN_DIR (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

static int repair_postgresql(int rootfd, const struct volume_facts *v,
                             const struct notice_sink *notices, struct err *err)
{
    struct stat st;
    int rc = -1;
    int fd = openat(rootfd, v->pgdir, OPEN_DIR);
    if (fd < 0 || fstat(fd, &st) != 0) {
        err_sys(err, ERR_FAIL, "cannot look at: %s", v->pgdir);
        goto done;
    }
    if (unlinkat(fd, "postmaster.pid", 0) != 0 && errno != ENOENT) {
        err_sys(err, ERR_FAIL, "cannot remove: %s/postmaster.pid", v->pgdir);
        goto done;
    }
    mode_t mode = st.st_mode & 07777, want = mode & S_IRGRP ? 0750 : 0700;
    if (mode != 0700 && mode != 0750) {
        if (fchmod(fd, want) != 0) {
            err_sys(err, ERR_FAIL, "cannot set rights: %s", v->pgdir);
            goto done;
        }
        notice(
            notices, NOTICE_NOTE, "pg-mode-set", v->pgdir,
            "its mode was %04o, with which PostgreSQL does not start; it is %04o now",
            (unsigned)mode, (unsigned)want);
    }
    rc = 0;

done:
    if (fd >= 0)
        close(fd);
    return rc;
}

static int make_logs(int rootfd, const struct notice_sink *notices, struct err *err)
{
    struct stat like;
    if (mkdirat(rootfd, "logs", 0700) != 0)
        return errno == EEXIST ? 0 : err_sys(err, ERR_FAIL, "cannot make: logs");
    int fd = openat(rootfd, "logs", OPEN_DIR);
    if (fd < 0)
        return err_sys(err, ERR_FAIL, "cannot open: logs");
    int rc = 0;
    /* Without the right to give files away everything is the caller's already. */
    if (fstatat(rootfd, "victoriametrics", &like, AT_SYMLINK_NOFOLLOW) == 0 &&
        fchown(fd, like.st_uid, like.st_gid) != 0 && errno != EPERM)
        rc = err_sys(err, ERR_FAIL, "cannot set the owner: logs");
    if (rc == 0 && fchmod(fd, 0775) != 0)
        rc = err_sys(err, ERR_FAIL, "cannot set rights: logs");
    close(fd);
    if (rc == 0)
        notice(notices, NOTICE_NOTE, "logs-made", "logs",
               "the archive has none; PMM does not start without");
    return rc;
}

int repair_volume(int rootfd, const struct volume_facts *v,
                  const struct notice_sink *notices, struct err *err)
{
    if (!v->pmm)
        return 0;
    if (v->pgdir[0] != '\0' && repair_postgresql(rootfd, v, notices, err) != 0)
        return -1;
    return make_logs(rootfd, notices, err);
}
