/*
 * A stack of levels on the heap instead of recursion. Of the levels on the way down,
 * the topmost few keep their directory open; a deeper one is closed when it is left and
 * found again through "..", where device and inode must be what they were: a directory
 * that somebody moves meanwhile ends the removal instead of leading it elsewhere.
 */
#include "store/rmtree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/mount.h"

#define OPEN_LEVELS 128u

struct level {
    DIR *d; /* NULL: closed for the time being */
    dev_t dev;
    ino_t ino;
    char *name; /* in the level above */
};

struct stack {
    struct level *v;
    size_t n, cap;
};

static int out_of_way(struct err *err, const char *name)
{
    return err_sys(err, ERR_FAIL, "cannot remove: %s", name);
}

/* Open the directory and see that we may read, enter and change it. */
static int open_dir(int dirfd, const char *name)
{
    const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    int fd = openat(dirfd, name, flags);
    if (fd < 0 && errno == EACCES &&
        fchmodat(dirfd, name, S_IRWXU, AT_SYMLINK_NOFOLLOW) == 0)
        fd = openat(dirfd, name, flags);
    if (fd < 0)
        return -1;
    struct stat st;
    if (geteuid() != 0 && fstat(fd, &st) == 0 && (st.st_mode & S_IRWXU) != S_IRWXU)
        (void)fchmod(fd, S_IRWXU); /* without the right, unlinking will say so */
    return fd;
}

static int push(struct stack *s, int dirfd, const char *name, struct err *err)
{
    if (s->n == s->cap) {
        size_t cap = s->cap ? s->cap * 2 : 32;
        struct level *v = realloc(s->v, cap * sizeof *v);
        if (v == NULL)
            return err_nomem(err);
        s->v = v;
        s->cap = cap;
    }
    struct level l = {0};
    struct stat st;
    int fd = open_dir(dirfd, name);
    if (fd < 0 || fstat(fd, &st) != 0)
        goto fail;
    if (mount_is_root(fd) || (s->n > 0 && st.st_dev != s->v[0].dev)) {
        errno = EBUSY;
        goto fail;
    }
    l.dev = st.st_dev;
    l.ino = st.st_ino;
    l.name = strdup(name);
    if (l.name == NULL)
        goto fail;
    l.d = fdopendir(fd);
    if (l.d == NULL)
        goto fail;
    s->v[s->n++] = l;
    return 0;

fail:
    out_of_way(err, name);
    free(l.name);
    if (fd >= 0)
        close(fd);
    return -1;
}

/* The level above the top is about to be read again: open it if it was closed. */
static int reopen(struct stack *s, struct err *err)
{
    struct level *up = &s->v[s->n - 2];
    if (up->d != NULL)
        return 0;
    struct stat st;
    int fd = openat(dirfd(s->v[s->n - 1].d), "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0)
        goto fail;
    if (st.st_dev != up->dev || st.st_ino != up->ino) {
        errno = EBUSY;
        goto fail;
    }
    up->d = fdopendir(fd);
    if (up->d != NULL)
        return 0;

fail:
    out_of_way(err, up->name);
    if (fd >= 0)
        close(fd);
    return -1;
}

/* The top is empty: leave it and remove it from the level above, or from `base`. */
static int pop(struct stack *s, int base, struct err *err)
{
    if (s->n > 1 && reopen(s, err) != 0)
        return -1;
    struct level top = s->v[--s->n];
    int up = s->n > 0 ? dirfd(s->v[s->n - 1].d) : base;
    int r = unlinkat(up, top.name, AT_REMOVEDIR);
    if (r != 0 && errno == ENOENT)
        r = 0;
    if (r != 0)
        out_of_way(err, top.name);
    closedir(top.d);
    free(top.name);
    return r;
}

/* Whether reading the top again brings up something: names that came in or were passed
 * over while it changed under the reader. */
static bool more(DIR *d)
{
    const struct dirent *e;
    rewinddir(d);
    while ((e = readdir(d)) != NULL)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) {
            rewinddir(d);
            return true;
        }
    return false;
}

/* One step: the next entry of the top is removed or entered, or the finished top is
 * left. */
static int step(struct stack *s, int base, struct err *err)
{
    DIR *d = s->v[s->n - 1].d;
    errno = 0;
    const struct dirent *e = readdir(d);
    if (e == NULL) {
        if (errno != 0)
            return out_of_way(err, s->v[s->n - 1].name);
        return more(d) ? 0 : pop(s, base, err);
    }
    if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
        return 0;
    if (e->d_type != DT_DIR) {
        if (unlinkat(dirfd(d), e->d_name, 0) == 0 || errno == ENOENT)
            return 0;
        if (errno != EISDIR && errno != EPERM)
            return out_of_way(err, e->d_name);
        /* EPERM is also POSIX's answer for a directory; a file that may not be removed
         * fails to open as a directory, and would say so wrongly. */
        struct stat st;
        int saved = errno;
        if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
            !S_ISDIR(st.st_mode)) {
            errno = saved;
            return out_of_way(err, e->d_name);
        }
    }
    if (push(s, dirfd(d), e->d_name, err) != 0)
        return -1;
    if (s->n > OPEN_LEVELS) {
        closedir(d);
        s->v[s->n - 2].d = NULL;
    }
    return 0;
}

int rmtree_at(int dirfd, const char *name, struct err *err)
{
    struct stat st;
    if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT)
        return 0;
    struct stack s = {0};
    int r = push(&s, dirfd, name, err);
    while (r == 0 && s.n > 0)
        r = step(&s, dirfd, err);
    while (s.n > 0) {
        s.n--;
        if (s.v[s.n].d != NULL)
            closedir(s.v[s.n].d);
        free(s.v[s.n].name);
    }
    free(s.v);
    return r;
}
