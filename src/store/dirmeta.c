#include "store/dirmeta.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

static bool carried(const char *name)
{
    return strncmp(name, "user.", 5) == 0 ||
           strncmp(name, "system.posix_acl_", 17) == 0;
}

/* All attribute names of fd, each with its NUL. Allocated; *len 0 and NULL where there
 * are none. Returns 0, or -1 with errno. */
static int names_of(int fd, char **names, size_t *len)
{
    *names = NULL;
    *len = 0;
    ssize_t n = flistxattr(fd, NULL, 0);
    if (n < 0)
        return errno == ENOTSUP || errno == ENOSYS ? 0 : -1;
    if (n == 0)
        return 0;
    char *p = malloc((size_t)n + 4096);
    if (p == NULL)
        return -1;
    n = flistxattr(fd, p, (size_t)n + 4096);
    if (n < 0) {
        free(p);
        return -1;
    }
    *names = p;
    *len = (size_t)n;
    return 0;
}

/* Whether a failure is one that is to be reported rather than to end the move. */
static int pass(int r, bool *denied)
{
    if (r == 0)
        return 0;
    if (errno != EPERM && errno != EACCES && errno != ENOTSUP)
        return -1;
    *denied = true;
    return 0;
}

static int copy_one(int from, int to, const char *name, bool *denied)
{
    char value[65536]; /* XATTR_SIZE_MAX */
    ssize_t n = fgetxattr(from, name, value, sizeof value);
    if (n < 0)
        return -1;
    return pass(fsetxattr(to, name, value, (size_t)n, 0), denied);
}

static int copy_xattrs(int from, int to, bool *denied)
{
    char *theirs = NULL, *ours = NULL;
    size_t ntheirs, nours = 0;
    int r = names_of(from, &theirs, &ntheirs);
    for (size_t i = 0; r == 0 && i < ntheirs; i += strlen(theirs + i) + 1)
        if (carried(theirs + i))
            r = copy_one(from, to, theirs + i, denied);
    if (r == 0)
        r = names_of(to, &ours, &nours);
    for (size_t i = 0; r == 0 && i < nours; i += strlen(ours + i) + 1)
        if (carried(ours + i) && fgetxattr(from, ours + i, NULL, 0) < 0 &&
            errno == ENODATA)
            r = pass(fremovexattr(to, ours + i), denied);
    int saved = errno;
    free(theirs);
    free(ours);
    errno = saved;
    return r;
}

int dirmeta_copy(int from, const struct stat *st, int to, bool *denied)
{
    struct stat now;
    if (fstat(to, &now) != 0)
        return -1;
    if ((now.st_uid != st->st_uid || now.st_gid != st->st_gid) &&
        pass(fchown(to, st->st_uid, st->st_gid), denied) != 0)
        return -1;
    if (copy_xattrs(from, to, denied) != 0)
        return -1;
    /* After the owner, whose change may clear bits, and after the ACL, which sets some.
     */
    if (fstat(to, &now) != 0)
        return -1;
    if ((now.st_mode & 07777) == (st->st_mode & 07777))
        return 0;
    return pass(fchmod(to, st->st_mode & 07777), denied);
}

int dirmeta_time(int fd, const struct stat *st)
{
    const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, st->st_mtim};
    return futimens(fd, times);
}
