/*
 * A tar, authentic and made by somebody who means harm, extracted below a directory. No
 * call of ours names anything but one component, and beside the directory nothing is
 * made or changed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/extract.h"
#include "archive/tarin.h"
#include "fuzz.h"
#include "store/rmtree.h"

/* ---- what makes or changes names ---- */

/* One name, in a directory that is open: there is no way in it on which a symlink could
 * stand. */
static void check_name(int dirfd, const char *name)
{
    FUZZ_CHECK(dirfd >= 0);
    FUZZ_CHECK(name[0] != '\0' && strchr(name, '/') == NULL);
    FUZZ_CHECK(strcmp(name, "..") != 0);
}

#define WRAP(ret, name, ...)                                                           \
    ret __real_##name(__VA_ARGS__);                                                    \
    ret __wrap_##name(__VA_ARGS__);                                                    \
    ret __wrap_##name(__VA_ARGS__)

int __real_openat(int dirfd, const char *name, int flags, ...);
int __wrap_openat(int dirfd, const char *name, int flags, ...);
int __wrap_openat(int dirfd, const char *name, int flags, ...)
{
    check_name(dirfd, name);
    /* Every mode that we ask for is that of a file we make. */
    return __real_openat(dirfd, name, flags, 0600);
}

WRAP(int, mkdirat, int dirfd, const char *name, mode_t mode)
{
    check_name(dirfd, name);
    FUZZ_CHECK(strcmp(name, ".") != 0);
    return __real_mkdirat(dirfd, name, mode);
}

WRAP(int, mknodat, int dirfd, const char *name, mode_t mode, dev_t dev)
{
    check_name(dirfd, name);
    if (S_ISCHR(mode) || S_ISBLK(mode)) { /* not on the machine of who tests */
        errno = EPERM;
        return -1;
    }
    return __real_mknodat(dirfd, name, mode, dev);
}

WRAP(int, symlinkat, const char *target, int dirfd, const char *name)
{
    check_name(dirfd, name);
    return __real_symlinkat(target, dirfd, name);
}

WRAP(int, linkat, int from, const char *source, int dirfd, const char *name, int flags)
{
    check_name(from, source);
    check_name(dirfd, name);
    FUZZ_CHECK((flags & AT_SYMLINK_FOLLOW) == 0);
    return __real_linkat(from, source, dirfd, name, flags);
}

WRAP(int, fchmodat, int dirfd, const char *name, mode_t mode, int flags)
{
    check_name(dirfd, name);
    return __real_fchmodat(dirfd, name, mode, flags);
}

/* With an empty name it is the descriptor itself. */
WRAP(int, fchownat, int dirfd, const char *name, uid_t uid, gid_t gid, int flags)
{
    FUZZ_CHECK((flags & AT_SYMLINK_NOFOLLOW) != 0 || name[0] == '\0');
    if (name[0] != '\0')
        check_name(dirfd, name);
    return __real_fchownat(dirfd, name, uid, gid, flags);
}

WRAP(int, utimensat, int dirfd, const char *name, const struct timespec t[2], int flags)
{
    check_name(dirfd, name);
    FUZZ_CHECK((flags & AT_SYMLINK_NOFOLLOW) != 0);
    return __real_utimensat(dirfd, name, t, flags);
}

/* ---- the directory, and what stands beside it ---- */

struct box {
    char path[300], beside[320], target[320];
    int fd;
    struct stat file; /* of "beside" when it was made */
};

static struct box *box(void)
{
    static struct box b;
    if (b.path[0] != '\0')
        return &b;
    snprintf(b.path, sizeof b.path, "%s", fuzz_dir());
    snprintf(b.beside, sizeof b.beside, "%s/beside", fuzz_dir());
    snprintf(b.target, sizeof b.target, "%s/t", fuzz_dir());
    int fd = open(b.beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    FUZZ_CHECK(fd >= 0 && write(fd, "beside", 6) == 6 && close(fd) == 0);
    FUZZ_CHECK(stat(b.beside, &b.file) == 0);
    b.fd = open(b.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    FUZZ_CHECK(b.fd >= 0);
    return &b;
}

/* A directory has 2 links and one more for each directory in it; on a file system that
 * does not count, the number is always 1. What else was made is seen by its name. */
static void check_box(const struct box *b)
{
    struct stat now, dir;
    FUZZ_CHECK(stat(b->beside, &now) == 0 && fstat(b->fd, &dir) == 0);
    FUZZ_CHECK(now.st_ino == b->file.st_ino && now.st_nlink == 1 &&
               now.st_size == b->file.st_size && now.st_mode == b->file.st_mode &&
               now.st_mtim.tv_nsec == b->file.st_mtim.tv_nsec &&
               now.st_ctim.tv_nsec == b->file.st_ctim.tv_nsec);
    FUZZ_CHECK(unlinkat(b->fd, "t", AT_REMOVEDIR) != 0); /* gone by now */
    FUZZ_CHECK(dir.st_nlink <= 2);
}

/* ---- the tar ---- */

static ssize_t supply(void *ctx, const void **buf, struct err *err)
{
    struct fuzz_input *in = ctx;
    size_t n = in->len < 4096 ? in->len : 4096;
    (void)err;
    *buf = in->p;
    in->p += n;
    in->len -= n;
    return (ssize_t)n;
}

static int one_entry(struct extract *x, struct tarin *tar, const struct entry *e,
                     struct err *err)
{
    const void *p;
    size_t len;
    uint64_t off;
    int more = 0;
    if (extract_entry(x, e, err) != 0)
        return -1;
    while (e->item.type == ITEM_FILE &&
           (more = tarin_data(tar, &p, &len, &off, err)) == 1)
        if (extract_data(x, p, len, off, err) != 0)
            return -1;
    return more != 0 ? -1 : extract_end(x, err);
}

static int extract_all(struct fuzz_input *in, int target,
                       const struct extract_opts *opts, struct err *err)
{
    static const struct notice_sink silent;
    struct progress progress = {.known = false};
    struct extract *x = NULL;
    struct tarin *tar = NULL;
    const struct entry *e;
    int more = -1, rc = -1;
    if (extract_open(&x, target, opts, &silent, &progress, err) == 0 &&
        tarin_open(&tar, supply, in, err) == 0)
        while ((more = tarin_next(tar, &e, err)) == 1)
            if (one_entry(x, tar, e, err) != 0) {
                more = -1;
                break;
            }
    /* What was taken has arrived: reading it back finds no other opinion. */
    if (more == 0) {
        rc = extract_finish(x, err);
        if (rc == 0)
            FUZZ_CHECK(extract_read_back(x, err) == 0);
    }
    tarin_free(tar);
    extract_free(x);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    struct err err = {0};
    struct box *b = box();
    uint8_t how = fuzz_u8(&in);
    const struct extract_opts opts = {.owner = (how & 1) != 0 ? EXTRACT_OWNER_NUMERIC
                                                              : EXTRACT_OWNER_CALLER,
                                      .walk_only = (how & 2) != 0,
                                      .make_parents = (how & 4) != 0,
                                      .read_back = true};
    FUZZ_CHECK(mkdir(b->target, 0700) == 0);
    int target = open(b->target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    FUZZ_CHECK(target >= 0);
    int rc = extract_all(&in, target, &opts, &err);
    FUZZ_CHECK((rc == 0) == (err.cls == ERR_NONE));
    FUZZ_CHECK(err.cls == ERR_NONE || err.cls == ERR_DAMAGED || err.cls == ERR_FAIL);
    fuzz_tell(&err);
    close(target);
    struct err why = {0};
    FUZZ_CHECK(rmtree_at(b->fd, "t", &why) == 0);
    check_box(b);
    return 0;
}
