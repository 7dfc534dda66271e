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

int mount_refuse(const char *path, bool itself, struct err *err)
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
        if ((at[n] == '/' && at[n + 1] != '\0') || (itself && at[n] == '\0'))
            r = err_set(err, ERR_REFUSED,
                        "cannot replace: %s: another file system is mounted there", at);
    }
    if (r == 0 && ferror(f))
        r = err_sys(err, ERR_FAIL, "cannot tell what is mounted: /proc/self/mountinfo");
    free(line);
    fclose(f);
    if (r != 0 && err->cls == ERR_REFUSED)
        err_hint(err, "unmount it first, or restore to another directory");
    return r;
}
