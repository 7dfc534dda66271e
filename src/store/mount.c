#include "store/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool mount_is_root(int fd)
{
    struct statx sx;
    if (statx(fd, "", AT_EMPTY_PATH, STATX_TYPE, &sx) == 0 &&
        (sx.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT) != 0)
        return (sx.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;

    /* Linux before 5.8: a bind mount of the same file system goes unseen here. */
    struct stat st, up;
    if (fstat(fd, &st) != 0 || fstatat(fd, "..", &up, 0) != 0)
        return true;
    return st.st_dev != up.st_dev || st.st_ino == up.st_ino;
}

int mount_require(int fd, const char *path, struct err *err)
{
    if (mount_is_root(fd))
        return 0;
    err_set(err, ERR_REFUSED, "nothing is mounted on the directory: %s", path);
    return err_hint(err, "mount the disk for the archives; --require-mount wants the "
                         "directory itself to be a mount point");
}

/* Undo the kernel's \ooo in place, which stands for blank, tab, newline and backslash.
 */
static void unescape(char *s)
{
    char *out = s;
    for (; *s != '\0'; out++) {
        if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' &&
            s[3] >= '0' && s[3] <= '7') {
            *out = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
            s += 4;
        } else {
            *out = *s++;
        }
    }
    *out = '\0';
}

/* A line of mountinfo (proc(5)). */
struct mount {
    const char *device; /* "major:minor" */
    const char *root;   /* what of its file system is mounted */
    const char *at;
};

/* Take a line apart, in place. False if it is none. */
static bool parse(char *line, struct mount *m)
{
    char *field[5];
    for (int i = 0; i < 5; i++) {
        char *end = strchr(line, ' ');
        if (end == NULL)
            return false;
        *end = '\0';
        field[i] = line;
        line = end + 1;
    }
    unescape(field[3]);
    unescape(field[4]);
    *m = (struct mount){.device = field[2], .root = field[3], .at = field[4]};
    return true;
}

/* Told each mount, in the kernel's order. Returns 0, or -1 to end. */
typedef int mount_fn(void *ctx, const struct mount *m, struct err *err);

static int each(mount_fn *fn, void *ctx, struct err *err)
{
    FILE *f = fopen("/proc/self/mountinfo", "re");
    if (f == NULL)
        return err_sys(err, ERR_FAIL,
                       "cannot tell what is mounted: /proc/self/mountinfo");
    char *line = NULL;
    size_t cap = 0;
    int r = 0;
    struct mount m;
    while (r == 0 && getline(&line, &cap, f) > 0)
        if (parse(line, &m))
            r = fn(ctx, &m, err);
    if (r == 0 && !feof(f)) /* nor was there memory for a line */
        r = err_sys(err, ERR_FAIL, "cannot tell what is mounted: /proc/self/mountinfo");
    free(line);
    fclose(f);
    return r;
}

/* What of `path` lies below the directory `dir`: "" for dir itself; NULL: it is
 * elsewhere. Both absolute. */
static const char *rest(const char *path, const char *dir)
{
    size_t n = strcmp(dir, "/") == 0 ? 0 : strlen(dir);
    if (strncmp(path, dir, n) != 0 || (path[n] != '\0' && path[n] != '/'))
        return NULL;
    return path[n] == '/' ? path + n + 1 : path + n;
}

static int refuse(const char *at, struct err *err)
{
    err_set(err, ERR_REFUSED,
            "cannot replace: %s: another file system is mounted there", at);
    return err_hint(err, "unmount it first, or restore to another directory");
}

struct barred {
    const char *path;
    bool itself;
};

/* A mount_fn. */
static int refuse_below(void *ctx, const struct mount *m, struct err *err)
{
    const struct barred *b = ctx;
    const char *below = rest(m->at, b->path);
    return below != NULL && (below[0] != '\0' || b->itself) ? refuse(m->at, err) : 0;
}

int mount_refuse(const char *path, bool itself, struct err *err)
{
    struct barred b = {.path = path, .itself = itself};
    return each(refuse_below, &b, err);
}

struct names {
    int fd;           /* the directory in question, and ... */
    const char *path; /* ... its path */
    char *device;     /* of the file system it is on */
    char *inside;     /* its path in that */
    char **v;
    size_t n;
};

/* A mount_fn: of the mounts on the way to the directory, the last one is the one it is
 * on. */
static int find_own(void *ctx, const struct mount *m, struct err *err)
{
    struct names *names = ctx;
    const char *below = rest(names->path, m->at);
    if (below == NULL)
        return 0;
    free(names->device);
    free(names->inside);
    names->inside = NULL;
    names->device = strdup(m->device);
    const char *root = strcmp(m->root, "/") == 0 ? "" : m->root;
    if (names->device == NULL || asprintf(&names->inside, "%s%s%s", root,
                                          below[0] != '\0' ? "/" : "", below) < 0)
        return err_nomem(err);
    return 0;
}

/* Whether the mount can be seen: the target itself may have been mounted over it. */
static bool seen(int dirfd, const char *name)
{
    int fd = openat(dirfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    bool is = fd >= 0 && mount_is_root(fd);
    if (fd >= 0)
        close(fd);
    return is;
}

/* A mount whose content is a part of the target itself would go with the old. */
static int refuse_own(const struct mount *m, struct err *err)
{
    err_set(err, ERR_REFUSED,
            "cannot replace: what is mounted on %s is a directory of the target itself",
            m->at);
    return err_hint(err, "unmount it first; it is restored with the rest");
}

/* A mount_fn. */
static int add_name(void *ctx, const struct mount *m, struct err *err)
{
    struct names *names = ctx;
    const char *below = rest(m->at, names->path);
    if (below == NULL || below[0] == '\0' || mount_has(names->v, below) ||
        !seen(names->fd, below))
        return 0;
    if (strchr(below, '/') != NULL)
        return refuse(m->at, err);
    if (names->device != NULL && strcmp(m->device, names->device) == 0 &&
        rest(m->root, names->inside[0] != '\0' ? names->inside : "/") != NULL)
        return refuse_own(m, err);
    char **v = realloc(names->v, (names->n + 2) * sizeof *v);
    if (v == NULL)
        return err_nomem(err);
    names->v = v;
    v[names->n] = strdup(below);
    v[names->n + 1] = NULL;
    return v[names->n++] != NULL ? 0 : err_nomem(err);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int mount_names(int dirfd, const char *path, char ***out, struct err *err)
{
    struct names names = {.fd = dirfd, .path = path, .v = calloc(1, sizeof *names.v)};
    if (names.v == NULL)
        return err_nomem(err);
    int rc = each(find_own, &names, err);
    if (rc == 0)
        rc = each(add_name, &names, err);
    free(names.device);
    free(names.inside);
    if (rc != 0) {
        mount_names_free(names.v);
        return -1;
    }
    qsort(names.v, names.n, sizeof *names.v, by_name);
    *out = names.v;
    return 0;
}

void mount_names_free(char **names)
{
    for (size_t i = 0; names != NULL && names[i] != NULL; i++)
        free(names[i]);
    free(names);
}

bool mount_has(char *const *names, const char *name)
{
    for (; names != NULL && *names != NULL; names++)
        if (strcmp(*names, name) == 0)
            return true;
    return false;
}
