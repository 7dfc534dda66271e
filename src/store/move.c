#include "store/move.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* For a kernel or file system without RENAME_NOREPLACE. */
static int move_asking(int fromdir, const char *from, int todir, const char *to)
{
    struct stat st;
    if (fstatat(fromdir, from, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return -1;
    if (S_ISREG(st.st_mode)) {
        if (linkat(fromdir, from, todir, to, 0) == 0)
            return unlinkat(fromdir, from, 0);
        if (errno == EEXIST)
            return -1;
    }
    if (fstatat(todir, to, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        errno = EEXIST;
        return -1;
    }
    return errno == ENOENT ? renameat(fromdir, from, todir, to) : -1;
}

int move_noreplace(int fromdir, const char *from, int todir, const char *to)
{
    if (renameat2(fromdir, from, todir, to, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    return move_asking(fromdir, from, todir, to);
}

int move_forced(int fromdir, const char *from, int todir, const char *to)
{
    if (move_noreplace(fromdir, from, todir, to) == 0)
        return 0;
    struct stat st;
    if (errno != EACCES || fstatat(fromdir, from, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
        !S_ISDIR(st.st_mode) || (st.st_mode & S_IWUSR) != 0)
        return -1;
    mode_t mode = st.st_mode & 07777;
    if (fchmodat(fromdir, from, mode | S_IWUSR, AT_SYMLINK_NOFOLLOW) != 0)
        return -1;
    int r = move_noreplace(fromdir, from, todir, to);
    int saved = errno;
    if (fchmodat(r == 0 ? todir : fromdir, r == 0 ? to : from, mode,
                 AT_SYMLINK_NOFOLLOW) != 0 &&
        r == 0)
        return -1;
    errno = saved;
    return r;
}

int move_exchange(int dir, const char *a, const char *b)
{
    if (renameat2(dir, a, dir, b, RENAME_EXCHANGE) == 0)
        return 0;
    if (errno == EINVAL)
        errno = ENOSYS;
    return -1;
}
