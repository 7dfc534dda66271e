#include "store/parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/dirlist.h"
#include "store/leftover.h"
#include "store/mount.h"
#include "util/path.h"

#define LOST_FOUND "lost+found"

int parts_has_content(int dirfd, char *const *mounts, bool *lost)
{
    char **names;
    size_t n;
    if (dirlist_read(dirfd, &names, &n) != 0)
        return -1;
    int content = 0;
    bool found = false;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(names[i], LOST_FOUND) == 0)
            found = true;
        else if (!path_reserved(names[i]) && !mount_has(mounts, names[i]))
            content = 1;
    }
    dirlist_free(names, n);
    if (lost != NULL)
        *lost = found;
    return content;
}

/* Something stands at `path`, its last component, with this mode. */
static int plan_present(const char *where, const char *path, mode_t mode, bool replace,
                        struct journal *j, struct err *err)
{
    if (!replace) {
        err_set(err, ERR_REFUSED, "already there: %s/%s", where, path);
        return err_hint(err, "--replace puts what is restored in its place");
    }
    size_t size = strlen(where) + strlen(path) + 2;
    char *full = malloc(size);
    if (full == NULL)
        return err_nomem(err);
    snprintf(full, size, "%s/%s", strcmp(where, "/") == 0 ? "" : where, path);
    int r = mount_refuse(full, true, err);
    free(full);
    return r == 0 ? journal_add(j, path, &mode, path, err) : -1;
}

/* Look at the component that ends at path[len]. 1: go on below it (*dir is it), 0:
 * planned. */
static int plan_step(int *dir, const char *name, dev_t dev, const char *where,
                     const char *path, size_t len, bool replace, struct journal *j,
                     struct err *err)
{
    struct stat st;
    bool last = path[len] == '\0';
    char *here = strndup(path, len);
    int r = -1;
    if (here == NULL)
        return err_nomem(err);
    const char *comp = here + (name - path);
    if (fstatat(*dir, comp, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        r = errno == ENOENT
                ? journal_add(j, here, NULL, here, err)
                : err_sys(err, ERR_FAIL, "cannot look at: %s/%s", where, here);
    } else if (last) {
        r = plan_present(where, path, st.st_mode, replace, j, err);
    } else if (!S_ISDIR(st.st_mode)) {
        err_set(err, ERR_REFUSED, "cannot restore %s: %s/%s is %s", path, where, here,
                S_ISLNK(st.st_mode) ? "a symbolic link" : "no directory");
        err_hint(err, "move it away, or restore to another directory");
    } else if (st.st_dev != dev) {
        err_set(err, ERR_REFUSED, "cannot restore %s: %s/%s is on another file system",
                path, where, here);
        err_hint(err, "restore to another directory, and copy from there");
    } else {
        int fd = openat(*dir, comp, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0) {
            err_sys(err, ERR_FAIL, "cannot open the directory: %s/%s", where, here);
        } else {
            close(*dir);
            *dir = fd;
            r = 1;
        }
    }
    free(here);
    return r;
}

static int plan_one(int root, dev_t dev, const char *where, const char *path,
                    bool replace, struct journal *j, struct err *err)
{
    int dir = openat(root, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return err_sys(err, ERR_FAIL, "cannot open the directory: %s", where);
    int r = 1;
    for (const char *name = path; r == 1;) {
        size_t len = (size_t)(strchrnul(name, '/') - path);
        r = plan_step(&dir, name, dev, where, path, len, replace, j, err);
        name = path + len + 1;
    }
    close(dir);
    return r;
}

static int by_path(const void *a, const void *b)
{
    const struct journal_item *x = a, *y = b;
    return path_cmp(x->path, y->path);
}

/* Several paths may have planned the same missing parent. */
static void drop_doubles(struct journal *j)
{
    if (j->n < 2)
        return;
    qsort(j->items, j->n, sizeof *j->items, by_path);
    size_t kept = 1;
    for (size_t i = 1; i < j->n; i++) {
        if (strcmp(j->items[i].path, j->items[kept - 1].path) == 0) {
            free(j->items[i].path);
            free(j->items[i].from);
        } else {
            j->items[kept++] = j->items[i];
        }
    }
    j->n = kept;
}

int parts_plan(int root, const char *where, const char *const *paths, size_t n,
               bool replace, struct journal *j, struct err *err)
{
    struct stat st;
    if (fstat(root, &st) != 0)
        return err_sys(err, ERR_FAIL, "cannot look at: %s", where);
    for (size_t i = 0; i < n; i++) {
        if (!path_valid(paths[i], strlen(paths[i])) || strcmp(paths[i], ".") == 0)
            return err_set(err, ERR_FAIL, "not a part of a tree: %s", paths[i]);
        if (plan_one(root, st.st_dev, where, paths[i], replace, j, err) != 0)
            return -1;
    }
    drop_doubles(j);
    return 0;
}

/* Merge the two sorted lists of names into items. */
static int merge(int root, const char *where, char **old, size_t nold, char **new,
                 size_t nnew, struct journal *j, struct err *err)
{
    struct stat st;
    size_t i = 0, k = 0;
    while (i < nold || k < nnew) {
        int c = i == nold ? 1 : k == nnew ? -1 : strcmp(old[i], new[k]);
        if (c > 0) {
            if (journal_add(j, new[k], NULL, new[k], err) != 0)
                return -1;
            k++;
            continue;
        }
        if (fstatat(root, old[i], &st, AT_SYMLINK_NOFOLLOW) != 0)
            return err_sys(err, ERR_FAIL, "cannot look at: %s/%s", where, old[i]);
        if (journal_add(j, old[i], &st.st_mode, c == 0 ? new[k] : NULL, err) != 0)
            return -1;
        i++;
        k += c == 0;
    }
    return 0;
}

/* Take out of a list what is to stay where it is. */
static void drop(char **names, size_t *n, bool ours, bool lost, char *const *mounts)
{
    size_t kept = 0;
    for (size_t i = 0; i < *n; i++) {
        if ((ours && path_reserved(names[i])) ||
            (lost && strcmp(names[i], LOST_FOUND) == 0) || mount_has(mounts, names[i]))
            free(names[i]);
        else
            names[kept++] = names[i];
    }
    *n = kept;
}

/* Whether dirfd/lost+found has anything in it. */
static bool lost_content(int dirfd)
{
    int fd = openat(dirfd, LOST_FOUND, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno != ENOENT;
    char **names;
    size_t n;
    bool some = dirlist_read(fd, &names, &n) != 0 || n > 0;
    dirlist_free(names, n);
    close(fd);
    return some;
}

/* Give the item at `name` the last place. */
static void move_last(struct journal *j, const char *name)
{
    for (size_t i = 0; name != NULL && i + 1 < j->n; i++) {
        if (strcmp(j->items[i].path, name) != 0)
            continue;
        struct journal_item item = j->items[i];
        memmove(&j->items[i], &j->items[i + 1], (j->n - i - 1) * sizeof item);
        j->items[j->n - 1] = item;
        return;
    }
}

int parts_plan_all(int root, const char *where, int src,
                   const struct parts_rules *rules, struct journal *j, bool *kept,
                   struct err *err)
{
    char **old = NULL, **new = NULL;
    size_t nold = 0, nnew = 0;
    bool lost = false;
    int r = -1;
    int content = parts_has_content(root, rules->mounts, &lost);
    if (content == 1 && !rules->replace) {
        err_set(err, ERR_REFUSED, "not empty any more: %s", where);
        goto done;
    }
    if (content < 0 || dirlist_read(root, &old, &nold) != 0 ||
        dirlist_read(src, &new, &nnew) != 0) {
        err_sys(err, ERR_FAIL, "cannot read the directory: %s", where);
        goto done;
    }
    *kept = lost && lost_content(src);
    drop(old, &nold, true, true, rules->mounts);
    drop(new, &nnew, false, lost, rules->mounts);
    r = merge(root, where, old, nold, new, nnew, j, err);
    if (r == 0)
        move_last(j, rules->last);

done:
    dirlist_free(old, nold);
    dirlist_free(new, nnew);
    return r;
}
