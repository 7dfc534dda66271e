#include "archive/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/path.h"

/* What every open here adds. */
#define ALWAYS (O_NOFOLLOW | O_CLOEXEC)

static int by_openat2(int rootfd, const char *path, size_t len, int flags)
{
    char copy[PATH_MAX];
    if (len >= sizeof copy) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(copy, path, len);
    copy[len] = '\0';

    struct open_how how = {
        .flags = (unsigned)(flags | ALWAYS),
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    /* open(2) adds this by itself on 32-bit machines, openat2(2) does not; together
     * with O_PATH it is refused. */
    if ((flags & O_PATH) == 0)
        how.flags |= O_LARGEFILE;
    return (int)syscall(SYS_openat2, rootfd, copy, &how, sizeof how);
}

/* Open one name of `len` bytes in dirfd. */
static int open_name(int dirfd, const char *p, size_t len, int flags)
{
    char name[NAME_MAX + 1];
    if (len > NAME_MAX) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(name, p, len);
    name[len] = '\0';
    return openat(dirfd, name, flags | ALWAYS);
}

/* One component at a time, so there is never a path in which a link could hide. A
 * symlink in the middle is no directory: ENOTDIR. */
static int by_walk(int rootfd, const char *path, size_t len, int flags)
{
    const char *end = path + len;
    for (int fd = rootfd;;) {
        const char *slash = memchr(path, '/', (size_t)(end - path));
        int next =
            slash ? open_name(fd, path, (size_t)(slash - path), O_PATH | O_DIRECTORY)
                  : open_name(fd, path, (size_t)(end - path), flags);
        int sys = errno;
        if (fd != rootfd)
            close(fd);
        errno = sys;
        if (next < 0 || slash == NULL)
            return next;
        fd = next;
        path = slash + 1;
    }
}

/* `path` is valid, and so is every whole number of its leading components. */
static int open_below(int rootfd, const char *path, size_t len, int flags, bool walk)
{
    if (!walk) {
        int fd = by_openat2(rootfd, path, len, flags);
        if (fd >= 0 || (errno != ENOSYS && errno != EPERM && errno != ENAMETOOLONG))
            return fd;
    }
    return by_walk(rootfd, path, len, flags);
}

int beneath_open(int rootfd, const char *path, int flags, bool walk)
{
    size_t len = strlen(path);
    if (!path_valid(path, len)) {
        errno = EXDEV;
        return -1;
    }
    return open_below(rootfd, path, len, flags, walk);
}

int beneath_parent(int rootfd, const char *path, const char **name, bool walk)
{
    if (strcmp(path, ".") == 0) {
        errno = EINVAL;
        return -1;
    }
    if (!path_valid(path, strlen(path))) {
        errno = EXDEV;
        return -1;
    }
    const char *slash = strrchr(path, '/');
    *name = slash ? slash + 1 : path;
    if (slash == NULL)
        return open_below(rootfd, ".", 1, O_PATH | O_DIRECTORY, walk);
    return open_below(rootfd, path, (size_t)(slash - path), O_PATH | O_DIRECTORY, walk);
}
