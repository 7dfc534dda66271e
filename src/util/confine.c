/*
 * The system calls are made by number and with structures of our own: the headers of a
 * build host may be older than the kernel that the program runs on. What each version
 * of Landlock can forbid stands in the table; what it does not know is not asked for.
 */
#include "util/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The same on all architectures but Alpha, and there libc knows them. */
#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule       445
#define SYS_landlock_restrict_self  446
#endif

#define RULES_MAX      16u
#define ASK_VERSION    1u
#define RULE_BENEATH   1
#define REFER_SINCE    2
#define SCOPE_ABSTRACT 1u
#define SCOPE_SIGNAL   2u

#define FS_EXECUTE    (1u << 0)
#define FS_WRITE_FILE (1u << 1)
#define FS_READ_FILE  (1u << 2)
#define FS_READ_DIR   (1u << 3)
#define FS_REMOVE_DIR (1u << 4)
#define FS_REMOVE     (1u << 5)
#define FS_MAKE_FILE  (1u << 8)
#define FS_MAKE_ANY   (0x7fu << 6) /* character device to symbolic link */
#define FS_REFER      (1u << 13)
#define FS_TRUNCATE   (1u << 14)
#define FS_IOCTL_DEV  (1u << 15)
#define OF_A_FILE     (FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE)

/* What a version has more than the one before. */
static const struct version {
    uint32_t fs, net, scope;
} versions[] = {
    {.fs = FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_READ_DIR | FS_REMOVE_DIR |
           FS_REMOVE | FS_MAKE_ANY},
    {.fs = FS_REFER},
    {.fs = FS_TRUNCATE},
    {.net = 3}, /* TCP: bind, connect */
    {.fs = FS_IOCTL_DEV},
    {.scope = SCOPE_ABSTRACT | SCOPE_SIGNAL},
};

struct ruleset_attr {
    uint64_t fs, net, scope;
};

struct beneath_attr {
    uint64_t allowed;
    int32_t fd;
} __attribute__((packed));

struct rule {
    int fd; /* kept: of /proc the kernel would make another inode later */
    unsigned may;
};

struct confine {
    struct rule rules[RULES_MAX];
    size_t n;
    int lost; /* errno of a rule that could not be kept, or 0 */
    bool signals;
    bool entered, done;
    char why[CONFINE_WHY];
};

int confine_new(struct confine **c, struct err *err)
{
    *c = calloc(1, sizeof **c);
    return *c != NULL ? 0 : err_nomem(err);
}

void confine_free(struct confine *c)
{
    if (c == NULL)
        return;
    for (size_t i = 0; i < c->n; i++)
        close(c->rules[i].fd);
    free(c);
}

/* Take over `fd`; -1 is passed over unless that is our own lack. */
static void add(struct confine *c, int fd, unsigned may)
{
    if (fd >= 0 && c->n < RULES_MAX)
        c->rules[c->n++] = (struct rule){fd, may};
    else if (fd >= 0) {
        close(fd);
        c->lost = E2BIG;
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM) {
        c->lost = errno;
    }
}

void confine_allow(struct confine *c, const char *path, unsigned may)
{
    add(c, open(path, O_PATH | O_CLOEXEC), may);
}

void confine_allow_fd(struct confine *c, int fd, unsigned may)
{
    add(c, fcntl(fd, F_DUPFD_CLOEXEC, 3), may);
}

void confine_allow_parent(struct confine *c, const char *path, unsigned may)
{
    const char *slash = strrchr(path, '/');
    char *dir = slash == NULL ? strdup(".") : strndup(path, (size_t)(slash + 1 - path));
    if (dir == NULL)
        c->lost = ENOMEM;
    else
        confine_allow(c, dir, may);
    free(dir);
}

void confine_allow_signals(struct confine *c)
{
    c->signals = true;
}

/* ---- entering ---- */

static bool told(struct confine *c, const char *why)
{
    snprintf(c->why, sizeof c->why, "%s", why);
    return false;
}

static bool refused(struct confine *c, int e)
{
    if (e == ENOSYS)
        return told(c, "the kernel has no Landlock, or it is kept from here (ENOSYS)");
    if (e == EOPNOTSUPP)
        return told(c, "Landlock is switched off in this kernel (EOPNOTSUPP)");
    if (e == EPERM)
        return told(c, "Landlock is kept from here, by a container engine perhaps "
                       "(EPERM)");
    snprintf(c->why, sizeof c->why, "Landlock does not work here: %s", strerror(e));
    return false;
}

static uint32_t rights(unsigned may, bool dir)
{
    uint32_t fs = FS_READ_FILE | FS_READ_DIR;
    if (may & (CONFINE_FILES | CONFINE_TREES))
        fs |= FS_WRITE_FILE | FS_TRUNCATE | FS_MAKE_FILE | FS_REMOVE;
    if (may & CONFINE_TREES)
        fs |= FS_MAKE_ANY | FS_REMOVE_DIR | FS_REFER;
    return dir ? fs : fs & OF_A_FILE;
}

static int add_rule(int ruleset, const struct rule *r, uint64_t handled)
{
    struct stat st;
    if (fstat(r->fd, &st) != 0)
        return -1;
    const struct beneath_attr a = {
        .allowed = rights(r->may, S_ISDIR(st.st_mode)) & handled, .fd = r->fd};
    return (int)syscall(SYS_landlock_add_rule, ruleset, RULE_BENEATH, &a, 0);
}

/* A rule that allows to write everywhere. */
static bool whole(const struct confine *c)
{
    struct stat root, st;
    if (stat("/", &root) != 0)
        return false;
    for (size_t i = 0; i < c->n; i++)
        if ((c->rules[i].may & (CONFINE_FILES | CONFINE_TREES)) != 0 &&
            fstat(c->rules[i].fd, &st) == 0 && st.st_dev == root.st_dev &&
            st.st_ino == root.st_ino)
            return true;
    return false;
}

static bool moves(const struct confine *c)
{
    unsigned may = 0;
    for (size_t i = 0; i < c->n; i++)
        may |= c->rules[i].may;
    return (may & CONFINE_TREES) != 0;
}

static struct ruleset_attr handled(const struct confine *c, int version)
{
    struct ruleset_attr a = {0};
    for (size_t i = 0; i < sizeof versions / sizeof *versions && (int)i < version;
         i++) {
        a.fs |= versions[i].fs;
        a.net |= versions[i].net;
        a.scope |= versions[i].scope;
    }
    if (c->signals)
        a.scope &= ~(uint64_t)SCOPE_SIGNAL;
    return a;
}

/* Returns 0 or -1 with errno. */
static int restrict_to(const struct confine *c, int version)
{
    const struct ruleset_attr a = handled(c, version);
    int fd = (int)syscall(SYS_landlock_create_ruleset, &a, sizeof a, 0);
    int rc = fd >= 0 ? 0 : -1;
    for (size_t i = 0; i < c->n && rc == 0; i++)
        rc = add_rule(fd, &c->rules[i], a.fs);
    if (rc == 0)
        rc = (int)syscall(SYS_landlock_restrict_self, fd, 0);
    int saved = errno;
    if (fd >= 0)
        close(fd);
    errno = saved;
    return rc;
}

static bool enter(struct confine *c)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return refused(c, errno);
    if (c->lost != 0)
        return refused(c, c->lost);
    int version =
        (int)syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, ASK_VERSION);
    if (version < 1)
        return refused(c, version < 0 ? errno : ENOSYS);
    if (version < REFER_SINCE && moves(c))
        return told(c, "this kernel's Landlock cannot allow that files are moved "
                       "(version 1)");
    if (restrict_to(c, version) != 0)
        return refused(c, errno);
    return whole(c) ? told(c, "what is to be written lies in / itself") : true;
}

bool confine_enter(struct confine *c, char why[CONFINE_WHY])
{
    if (!c->entered)
        c->done = enter(c);
    c->entered = true;
    memcpy(why, c->why, CONFINE_WHY);
    return c->done;
}
