#include "pmm/live.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pmm/peek.h"
#include "store/below.h"
#include "util/io.h"

#define PATH_SIZE 128u /* room for a cluster's name and a file in it */

struct lock {
    const char *who;
    const char *path;
};

/* All of them flock(LOCK_EX) as long as the server lives, so the kernel lets go even
 * when it is killed. Older versions of VictoriaMetrics hold the second one too. */
static const struct lock locks[] = {
    {"VictoriaMetrics", "victoriametrics/data/flock.lock"},
    {"VictoriaMetrics", "victoriametrics/data/data/flock.lock"},
    {"ClickHouse", "clickhouse/status"},
    {"Prometheus", "prometheus/data/lock"},
};
#define LOCKS (sizeof locks / sizeof locks[0])

/* What changes when a server starts or stops, and not by reading. With these the
 * cluster's directory (postmaster.pid comes and goes) and its pg_control. */
static const char *const stamped[] = {
    "victoriametrics/data/flock.lock", /* made or truncated at the start */
    "victoriametrics/data/tmp",        /* emptied at the start */
    "victoriametrics/data/cache",      /* written at the end */
    "clickhouse",                      /* status comes and goes */
    "clickhouse/status",
    "prometheus/data", /* lock comes and goes */
};
#define STAMPED (sizeof stamped / sizeof stamped[0])
_Static_assert(STAMPED + 2 == LIVE_STAMPS, "the cluster has two");

/* Open what can be a lock file. Returns a descriptor; -1 with errno 0: there is none;
 * -1 with errno. */
static int open_lock(int rootfd, const char *path)
{
    struct stat st;
    const char *name;
    int r = peek_stat(rootfd, path, &st);
    if (r <= 0 || !S_ISREG(st.st_mode)) {
        errno = r < 0 ? errno : 0;
        return -1;
    }
    int dir = below_parent(rootfd, path, &name);
    if (dir < 0)
        return -1;
    int fd =
        openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    int saved = errno == ENOENT ? 0 : errno; /* it has stopped just now */
    close(dir);
    errno = saved;
    return fd;
}

/* Returns 1 if somebody holds it, 0 if not, -1. */
static int held(int rootfd, const char *path, struct err *err)
{
    int fd = open_lock(rootfd, path);
    if (fd < 0 && errno == 0)
        return 0;
    if (fd < 0)
        return err_sys(err, ERR_FAIL, "cannot tell whether a server runs: %s", path);
    int r;
    do
        r = flock(fd, LOCK_SH | LOCK_NB);
    while (r != 0 && errno == EINTR && err_stopped(err) == 0);
    if (r != 0 && errno == EWOULDBLOCK)
        r = 1;
    else if (r != 0)
        r = err_sys(err, ERR_FAIL, "cannot tell whether a server runs: %s", path);
    close(fd);
    return r;
}

/* Add a server's name, once. */
static void add_who(struct live *l, const char *name)
{
    size_t n = strlen(l->who);
    if (strstr(l->who, name) == NULL)
        snprintf(l->who + n, sizeof l->who - n, "%s%s", n > 0 ? ", " : "", name);
}

static int look_at_locks(int rootfd, struct live *l, struct err *err)
{
    for (size_t i = 0; i < LOCKS; i++) {
        int r = held(rootfd, locks[i].path, err);
        if (r < 0)
            return -1;
        if (r == 0)
            continue;
        l->state = LIVE_RUNNING;
        add_who(l, locks[i].who);
    }
    return 0;
}

/* The first line of postmaster.pid; 0 if there is none. */
static long written_pid(int rootfd, const char *pgdir)
{
    char path[PATH_SIZE], text[32], *end;
    size_t len;
    snprintf(path, sizeof path, "%s/postmaster.pid", pgdir);
    if (peek_file(rootfd, path, text, sizeof text - 1, &len) != 1)
        return 0;
    text[len] = '\0';
    errno = 0;
    long pid = strtol(text, &end, 10);
    return errno == 0 && end != text && pid > 0 ? pid : 0;
}

/* Whether the process `pid` is a PostgreSQL. */
static bool is_postgres(int proc, const char *pid)
{
    char path[64], comm[32];
    snprintf(path, sizeof path, "%.20s/comm", pid);
    int fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = io_read(fd, comm, sizeof comm - 1);
    close(fd);
    comm[n > 0 ? n : 0] = '\0';
    return strcmp(comm, "postgres\n") == 0 || strcmp(comm, "postmaster\n") == 0;
}

/* Whether that PostgreSQL serves the cluster in the directory `dir`: all its processes
 * work in it. Where its working directory is not ours to see, the cluster's
 * postmaster.pid is believed. */
static bool serves(int proc, const char *pid, const struct stat *dir, long written)
{
    char path[64];
    struct stat cwd;
    snprintf(path, sizeof path, "%.20s/cwd/", pid);
    if (fstatat(proc, path, &cwd, 0) == 0)
        return cwd.st_dev == dir->st_dev && cwd.st_ino == dir->st_ino;
    return (errno == EACCES || errno == EPERM) && strtol(pid, NULL, 10) == written;
}

/* Whether a process of the cluster is seen. */
static bool postmaster_seen(int rootfd, const char *pgdir)
{
    struct stat dir;
    bool seen = false;
    if (peek_stat(rootfd, pgdir, &dir) != 1 || !S_ISDIR(dir.st_mode))
        return false;
    DIR *d = opendir("/proc");
    if (d == NULL)
        return false;
    long written = written_pid(rootfd, pgdir);
    for (struct dirent *e; !seen && (e = readdir(d)) != NULL;)
        seen = isdigit((unsigned char)e->d_name[0]) &&
               is_postgres(dirfd(d), e->d_name) &&
               serves(dirfd(d), e->d_name, &dir, written);
    closedir(d);
    return seen;
}

/* After the locks: a PMM Server's programs run together, so a cluster that was not shut
 * down runs too when one of the others does. */
static int look_at_postgres(int rootfd, const char *pgdir, struct live *l,
                            struct err *err)
{
    int have = control_read(rootfd, pgdir, &l->control, err);
    if (have < 0)
        return -1;
    l->have_control = have == 1;
    bool in_order =
        l->have_control && (l->control.state == CONTROL_SHUTDOWN ||
                            l->control.state == CONTROL_SHUTDOWN_IN_RECOVERY);
    bool seen = postmaster_seen(rootfd, pgdir);
    if (!seen && in_order)
        return 0;
    if (seen)
        l->state = LIVE_RUNNING;
    else if (l->state != LIVE_RUNNING)
        l->state = LIVE_CRASHED;
    add_who(l, "PostgreSQL");
    return 0;
}

static int64_t stamp(int rootfd, const char *path)
{
    struct stat st;
    if (peek_stat(rootfd, path, &st) != 1)
        return 0;
    return (int64_t)st.st_ctim.tv_sec * 1000000000 + st.st_ctim.tv_nsec;
}

static void take_stamps(int rootfd, const char *pgdir, struct live *l)
{
    char path[PATH_SIZE];
    for (size_t i = 0; i < STAMPED; i++)
        l->stamps[i] = stamp(rootfd, stamped[i]);
    if (pgdir[0] == '\0')
        return;
    l->stamps[STAMPED] = stamp(rootfd, pgdir);
    snprintf(path, sizeof path, "%s/global/pg_control", pgdir);
    l->stamps[STAMPED + 1] = stamp(rootfd, path);
}

int live_look(int rootfd, const struct volume_facts *v, struct live *l, struct err *err)
{
    *l = (struct live){.state = LIVE_STOPPED};
    if (!v->pmm)
        return 0;
    /* Stamps first: a start between the two is a change at the next look. */
    take_stamps(rootfd, v->pgdir, l);
    if (look_at_locks(rootfd, l, err) != 0)
        return -1;
    return v->pgdir[0] != '\0' ? look_at_postgres(rootfd, v->pgdir, l, err) : 0;
}

bool live_changed(const struct live *before, const struct live *after)
{
    return before->state != after->state || strcmp(before->who, after->who) != 0 ||
           before->have_control != after->have_control ||
           memcmp(before->control.raw, after->control.raw, CONTROL_BYTES) != 0 ||
           memcmp(before->stamps, after->stamps, sizeof before->stamps) != 0;
}
