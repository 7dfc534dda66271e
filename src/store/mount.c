#include "store/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

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

/* The mount point in a line of mountinfo (proc(5)): its fifth field. NULL if there is
 * none. */
static char *field(char *line)
{
    for (int i = 0; i < 4; i++) {
        line = strchr(line, ' ');
        if (line == NULL)
            return NULL;
        line++;
    }
    char *end = strchr(line, ' ');
    if (end == NULL)
        return NULL;
    *end = '\0';
    unescape(line);
    return line;
}

/* Told each mount point below `path`: the rest of its path, "" for path itself, and all
 * of it. Returns 0, or -1 to end. */
typedef int mount_fn(void *ctx, const char *below, const char *at, struct err *err);

static int each(const char *path, mount_fn *fn, void *ctx, struct err *err)
{
    FILE *f = fopen("/proc/self/mountinfo", "re");
    if (f == NULL)
        return err_sys(err, ERR_FAIL,
                       "cannot tell what is mounted: /proc/self/mountinfo");
    size_t n = strcmp(path, "/") == 0 ? 0 : strlen(path);
    char *line = NULL;
    size_t cap = 0;
    int r = 0;
    while (r == 0 && getline(&line, &cap, f) > 0) {
        const char *at = field(line);
        if (at == NULL || strncmp(at, path, n) != 0)
            continue;
        if (at[n] == '\0' || (at[n] == '/' && at[n + 1] == '\0'))
            r = fn(ctx, "", at, err);
        else if (at[n] == '/')
            r = fn(ctx, at + n + 1, at, err);
    }
    if (r == 0 && ferror(f))
        r = err_sys(err, ERR_FAIL, "cannot tell what is mounted: /proc/self/mountinfo");
    free(line);
    fclose(f);
    return r;
}

static int refuse(const char *at, struct err *err)
{
    err_set(err, ERR_REFUSED,
            "cannot replace: %s: another file system is mounted there", at);
    return err_hint(err, "unmount it first, or restore to another directory");
}

/* A mount_fn. */
static int refuse_below(void *ctx, const char *below, const char *at, struct err *err)
{
    const bool *itself = ctx;
    return below[0] != '\0' || *itself ? refuse(at, err) : 0;
}

int mount_refuse(const char *path, bool itself, struct err *err)
{
    return each(path, refuse_below, &itself, err);
}

struct names {
    char **v;
    size_t n;
};

/* A mount_fn. */
static int add_name(void *ctx, const char *below, const char *at, struct err *err)
{
    struct names *names = ctx;
    if (below[0] == '\0' || mount_has(names->v, below)) /* mounted over */
        return 0;
    if (strchr(below, '/') != NULL)
        return refuse(at, err);
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

int mount_names(const char *path, char ***names, struct err *err)
{
    struct names found = {.v = calloc(1, sizeof *found.v)};
    if (found.v == NULL)
        return err_nomem(err);
    if (each(path, add_name, &found, err) != 0) {
        mount_names_free(found.v);
        return -1;
    }
    qsort(found.v, found.n, sizeof *found.v, by_name);
    *names = found.v;
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
