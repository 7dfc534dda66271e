#include "store/below.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

/* Open one component, which ends at its '/'; closes `dir`. */
static int step(int dir, const char *component, size_t len)
{
    char name[NAME_MAX + 1];
    int fd = -1;
    int saved = ENAMETOOLONG;
    if (len <= NAME_MAX) {
        memcpy(name, component, len);
        name[len] = '\0';
        fd = openat(dir, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        saved = errno;
    }
    close(dir);
    errno = saved;
    return fd;
}

int below_parent(int rootfd, const char *path, const char **name)
{
    int fd = openat(rootfd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    for (const char *slash; fd >= 0 && (slash = strchr(path, '/')) != NULL;
         path = slash + 1)
        fd = step(fd, path, (size_t)(slash - path));
    *name = path;
    return fd;
}
