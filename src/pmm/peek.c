#include "pmm/peek.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "store/below.h"
#include "store/dirlist.h"
#include "util/io.h"

/* What a failed open says: 0, nothing is there, or -1. */
static int absent(void)
{
    return errno == ENOENT || errno == ENOTDIR || errno == ELOOP ||
                   errno == ENAMETOOLONG
               ? 0
               : -1;
}

static void close_keeping_errno(int fd)
{
    int saved = errno;
    close(fd);
    errno = saved;
}

int peek_stat(int rootfd, const char *path, struct stat *st)
{
    const char *name;
    int dir = below_parent(rootfd, path, &name);
    if (dir < 0)
        return absent();
    int r = fstatat(dir, name, st, AT_SYMLINK_NOFOLLOW) == 0 ? 1 : absent();
    close_keeping_errno(dir);
    return r;
}

/* A device must not even be opened, so its type is asked first; and once more of what
 * was opened, as it may have been put there in between. */
static int read_in(int dir, const char *name, void *buf, size_t cap, size_t *len)
{
    struct stat st;
    *len = 0;
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return absent();
    if (!S_ISREG(st.st_mode))
        return 1;
    int fd =
        openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return absent();
    ssize_t n = fstat(fd, &st);
    if (n == 0 && S_ISREG(st.st_mode))
        n = io_read(fd, buf, cap);
    close_keeping_errno(fd);
    if (n < 0)
        return -1;
    *len = (size_t)n;
    return 1;
}

int peek_file(int rootfd, const char *path, void *buf, size_t cap, size_t *len)
{
    const char *name;
    *len = 0;
    int dir = below_parent(rootfd, path, &name);
    if (dir < 0)
        return absent();
    int r = read_in(dir, name, buf, cap, len);
    close_keeping_errno(dir);
    return r;
}

int peek_dir(int rootfd, const char *path, char ***names, size_t *n)
{
    const char *name;
    *names = NULL;
    *n = 0;
    int parent = below_parent(rootfd, path, &name);
    if (parent < 0)
        return absent();
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    close_keeping_errno(parent);
    if (fd < 0)
        return absent();
    int r = dirlist_read(fd, names, n) == 0 ? 1 : -1;
    close_keeping_errno(fd);
    return r;
}
