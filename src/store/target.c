#include "store/target.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* Split an absolute path that is not "/" and has no '/' at its end. */
static int split(struct target *t, struct err *err)
{
    const char *slash = strrchr(t->path, '/');
    t->name = strdup(slash + 1);
    t->parent =
        slash == t->path ? strdup("/") : strndup(t->path, (size_t)(slash - t->path));
    return t->name != NULL && t->parent != NULL ? 0 : err_nomem(err);
}

/* The path of something that does not exist: its parent resolved, and its name. */
static int resolve_absent(struct target *t, const char *path, struct err *err)
{
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/')
        len--;
    char *copy = strndup(path, len);
    if (copy == NULL)
        return err_nomem(err);
    char *slash = strrchr(copy, '/');
    const char *name = slash != NULL ? slash + 1 : copy;
    char *dir = NULL;
    int r = -1;
    struct stat st;
    if (lstat(copy, &st) == 0) {
        err_set(err, ERR_FAIL, "cannot restore to %s: a symbolic link to nothing",
                path);
        goto done;
    }
    if (slash == NULL)
        dir = realpath(".", NULL);
    else if (slash == copy)
        dir = strdup("/");
    else {
        *slash = '\0';
        dir = realpath(copy, NULL);
    }
    if (dir == NULL) {
        err_sys(err, ERR_FAIL, "cannot restore to %s: %s", path,
                slash != NULL ? copy : "the current directory");
        err_hint(err, "make the directory above it first (mkdir -p)");
        goto done;
    }
    size_t n = strlen(dir);
    t->path = malloc(n + strlen(name) + 2);
    if (t->path == NULL) {
        err_nomem(err);
        goto done;
    }
    memcpy(t->path, dir, n);
    t->path[n] = '/';
    strcpy(t->path + (n > 1 ? n + 1 : n), name);
    r = split(t, err);

done:
    free(dir);
    free(copy);
    return r;
}

int target_resolve(struct target *t, const char *path, struct err *err)
{
    *t = (struct target){.fd = -1, .parentfd = -1};
    if (*path == '\0')
        return err_set(err, ERR_USAGE, "the target directory has an empty name");
    t->path = realpath(path, NULL);
    if (t->path == NULL) {
        if (errno != ENOENT)
            return err_sys(err, ERR_FAIL, "cannot reach: %s", path);
        if (resolve_absent(t, path, err) != 0)
            return -1;
    } else if (strcmp(t->path, "/") == 0) {
        t->name = strdup("");
        return t->name != NULL ? 0 : err_nomem(err);
    } else if (split(t, err) != 0) {
        return -1;
    }
    t->parentfd = open(t->parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return 0;
}

/* Open it, lock it, and see that the name still leads to what was locked. 1, 0 or -1; 2
 * if the name leads elsewhere by now. */
static int try_hold(struct target *t, int lock, struct err *err)
{
    struct stat st, now;
    int r = -1;
    int fd =
        open(t->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0) {
        err_sys(err, errno == ENOTDIR || errno == ELOOP ? ERR_USAGE : ERR_FAIL,
                "cannot open the directory: %s", t->path);
        if (err->cls == ERR_USAGE)
            return err_hint(err,
                            "TARGET has to be a directory, or not to be there yet");
        return errno == EACCES ? err_hint(err, "run as its owner, or as root") : -1;
    }
    if (flock(fd, lock | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK)
            err_set(err, ERR_BUSY, "in use by another run: %s", t->path);
        else
            err_sys(err, ERR_FAIL, "cannot lock: %s", t->path);
        goto fail;
    }
    if (fstat(fd, &st) != 0)
        goto unseen;
    if (stat(t->path, &now) != 0) {
        if (errno != ENOENT)
            goto unseen;
        r = 2;
        goto fail;
    }
    if (st.st_dev != now.st_dev || st.st_ino != now.st_ino) {
        r = 2;
        goto fail;
    }
    t->fd = fd;
    return 1;

unseen:
    err_sys(err, ERR_FAIL, "cannot look at: %s", t->path);
fail:
    close(fd);
    return r;
}

int target_hold(struct target *t, int lock, struct err *err)
{
    for (int tries = 0; tries < 10; tries++) {
        int r = try_hold(t, lock, err);
        if (r != 2)
            return r;
    }
    return err_set(err, ERR_BUSY, "in use by another run: %s", t->path);
}

bool target_parent_writable(const struct target *t)
{
    struct stat up, st;
    if (t->parentfd < 0 || faccessat(t->parentfd, ".", W_OK | X_OK, AT_EACCESS) != 0 ||
        fstat(t->parentfd, &up) != 0)
        return false;
    if (t->fd < 0 || (up.st_mode & S_ISVTX) == 0 || geteuid() == 0)
        return true;
    /* In a sticky directory only what is ours may be renamed. */
    return fstat(t->fd, &st) == 0 && (st.st_uid == geteuid() || up.st_uid == geteuid());
}

void target_close(struct target *t)
{
    if (t->fd >= 0)
        close(t->fd);
    if (t->parentfd >= 0)
        close(t->parentfd);
    free(t->path);
    free(t->parent);
    free(t->name);
    *t = (struct target){.fd = -1, .parentfd = -1};
}
