/* A temporary directory that becomes a PMM volume, and small things to put into it. */
#ifndef PMMWORLD_H
#define PMMWORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/rmtree.h"
#include "util/err.h"
#include "util/le.h"

struct world {
    char dir[64];
    int root; /* the directory; the current one, too, while the test runs */
    int home;
};

static inline int world_setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    const char *tmp = getenv("TMPDIR");
    snprintf(w->dir, sizeof w->dir, "%.40s/pmm.XXXXXX", tmp ? tmp : "/tmp");
    w->home = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *state = w;
    if (mkdtemp(w->dir) == NULL || chdir(w->dir) != 0)
        return -1;
    w->root = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return w->root >= 0 ? 0 : -1;
}

static inline int world_teardown(void **state)
{
    struct world *w = *state;
    struct err err = {0};
    int r = fchdir(w->home);
    r |= rmtree_at(AT_FDCWD, w->dir, &err);
    close(w->root);
    close(w->home);
    free(w);
    return r;
}

/* Make a directory and those above it. */
static inline void dir(const char *path)
{
    char b[512];
    snprintf(b, sizeof b, "%s", path);
    for (char *p = strchr(b, '/');; p = strchr(p + 1, '/')) {
        if (p != NULL)
            *p = '\0';
        if (mkdir(b, 0755) != 0 && errno != EEXIST)
            fail_msg("mkdir %s: %s", b, strerror(errno));
        if (p == NULL)
            return;
        *p = '/';
    }
}

static inline void above(const char *path)
{
    char b[512];
    snprintf(b, sizeof b, "%s", path);
    char *slash = strrchr(b, '/');
    if (slash == NULL)
        return;
    *slash = '\0';
    dir(b);
}

/* Make a file with this content, and the directories above it. */
static inline void put_bytes(const char *path, const void *bytes, size_t len)
{
    above(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0644);
    if (fd < 0 || write(fd, bytes, len) != (ssize_t)len)
        fail_msg("put %s: %s", path, strerror(errno));
    close(fd);
}

static inline void put(const char *path, const char *text)
{
    put_bytes(path, text, strlen(text));
}

static inline void link_to(const char *target, const char *path)
{
    above(path);
    if (symlink(target, path) != 0)
        fail_msg("symlink %s: %s", path, strerror(errno));
}

static inline void fifo(const char *path)
{
    above(path);
    if (mkfifo(path, 0644) != 0)
        fail_msg("mkfifo %s: %s", path, strerror(errno));
}

/* global/pg_control as PostgreSQL lays it out, in 8192 bytes. */
static inline void put_control(const char *pgdir, uint64_t id, uint32_t version,
                               uint32_t state, int64_t time)
{
    uint8_t b[8192] = {0};
    char path[256];
    le64_put(b, id);
    le32_put(b + 8, version);
    le32_put(b + 12, 202107181);
    le32_put(b + 16, state);
    le64_put(b + 24, (uint64_t)time);
    snprintf(path, sizeof path, "%s/global/pg_control", pgdir);
    put_bytes(path, b, sizeof b);
}

/* A cluster: what tells one, and a table of it. */
static inline void cluster(const char *pgdir, const char *version, uint64_t id,
                           int64_t time)
{
    char path[256];
    snprintf(path, sizeof path, "%s/PG_VERSION", pgdir);
    put(path, version);
    snprintf(path, sizeof path, "%s/base/16384/1259", pgdir);
    put(path, "table");
    put_control(pgdir, id, 1300, 1, time);
}

#endif
