#include "store/dirlist.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Append a copy of `name`. Returns 0, or -1 with errno. */
static int append(char ***names, size_t *n, size_t *cap, const char *name)
{
    if (*n == *cap) {
        size_t more = *cap ? *cap * 2 : 64;
        char **p = realloc(*names, more * sizeof *p);
        if (p == NULL)
            return -1;
        *names = p;
        *cap = more;
    }
    char *copy = strdup(name);
    if (copy == NULL)
        return -1;
    (*names)[(*n)++] = copy;
    return 0;
}

static int read_all(DIR *d, char ***names, size_t *n)
{
    size_t cap = 0;
    for (;;) {
        errno = 0;
        const struct dirent *e = readdir(d);
        if (e == NULL)
            return errno == 0 ? 0 : -1;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        if (append(names, n, &cap, e->d_name) != 0)
            return -1;
    }
}

int dirlist_read(int dirfd, char ***names, size_t *n)
{
    *names = NULL;
    *n = 0;
    int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    DIR *d = fdopendir(fd);
    if (d == NULL) {
        close(fd);
        return -1;
    }
    int r = read_all(d, names, n);
    int saved = errno;
    closedir(d);
    if (r != 0) {
        dirlist_free(*names, *n);
        *names = NULL;
        *n = 0;
        errno = saved;
        return -1;
    }
    if (*n > 0)
        qsort(*names, *n, sizeof **names, by_bytes);
    return 0;
}

void dirlist_free(char **names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(names[i]);
    free(names);
}
