#include "store/stale.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/archives.h"
#include "store/tmpname.h"

int stale_hold(int fd)
{
    struct stat st;
    /* Without locks nobody sweeps either: both ends fail alike. */
    (void)flock(fd, LOCK_SH | LOCK_NB);
    return fstat(fd, &st) != 0 ? -1 : st.st_nlink > 0;
}

/* Whether `name` is one that output gives to its temporary files. */
static bool ours(const char *name)
{
    size_t len = strlen(name), tail = strlen(STALE_SUFFIX),
           mid = strlen(ARCHIVES_SUFFIX);
    if (name[0] != '.' || len < 1 + mid + 1 + TMPNAME_RANDOM + tail ||
        strcmp(name + len - tail, STALE_SUFFIX) != 0)
        return false;
    const char *random = name + len - tail - TMPNAME_RANDOM;
    return random[-1] == '.' && strncmp(random - 1 - mid, ARCHIVES_SUFFIX, mid) == 0;
}

static void sweep_one(int dirfd, const char *name)
{
    struct stat st;
    int fd = openat(dirfd, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && flock(fd, LOCK_EX | LOCK_NB) == 0)
        (void)unlinkat(dirfd, name, 0);
    close(fd);
}

void stale_sweep(int dirfd)
{
    int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    if (d == NULL) {
        if (fd >= 0)
            close(fd);
        return;
    }
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        if (ours(e->d_name))
            sweep_one(dirfd, e->d_name);
    closedir(d);
}
