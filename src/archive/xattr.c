#include "archive/xattr.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#include "archive/acl.h"

#define FIRST_TRY 1024u  /* nearly all lists and values fit */
#define LARGEST   65536u /* the kernel's limit for a list and for a value */

/*
 * The object whose attributes are meant. A descriptor is asked itself, unless it is
 * O_PATH (EBADF); that one, and a name, go through /proc/self/fd, which leads to the
 * very object however long its path is.
 */
struct object {
    int fd; /* -1: by path */
    bool nofollow;
    char path[300]; /* "/proc/self/fd/N" or "/proc/self/fd/N/name" */
};

static int object_init(struct object *o, int fd, int dirfd, const char *name)
{
    int n;
    *o = (struct object){.fd = fd, .nofollow = fd < 0};
    if (fd >= 0)
        n = snprintf(o->path, sizeof o->path, "/proc/self/fd/%d", fd);
    else
        n = snprintf(o->path, sizeof o->path, "/proc/self/fd/%d/%s", dirfd, name);
    if (n < 0 || (size_t)n >= sizeof o->path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    return 0;
}

/* Whether the call on o->fd failed only because it is an O_PATH descriptor. */
static bool retry_by_path(struct object *o)
{
    if (errno != EBADF)
        return false;
    o->fd = -1;
    return true;
}

static ssize_t list(struct object *o, char *buf, size_t cap)
{
    if (o->fd >= 0) {
        ssize_t n = flistxattr(o->fd, buf, cap);
        if (n >= 0 || !retry_by_path(o))
            return n;
    }
    return o->nofollow ? llistxattr(o->path, buf, cap) : listxattr(o->path, buf, cap);
}

static ssize_t get(const struct object *o, const char *attr, void *buf, size_t cap)
{
    if (o->fd >= 0)
        return fgetxattr(o->fd, attr, buf, cap);
    return o->nofollow ? lgetxattr(o->path, attr, buf, cap)
                       : getxattr(o->path, attr, buf, cap);
}

static bool starts(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool xattr_wanted(const char *name)
{
    if (starts(name, "trusted."))
        return !starts(name, "trusted.overlay.");
    return starts(name, "user.") || strcmp(name, "security.capability") == 0 ||
           strcmp(name, ACL_XATTR_ACCESS) == 0 || strcmp(name, ACL_XATTR_DEFAULT) == 0;
}

/* A buffer that begins on the stack and moves to the heap when something is longer. */
struct room {
    char small[FIRST_TRY];
    char *large; /* LARGEST bytes, or NULL */
};

static int room_grow(struct room *r)
{
    if (r->large == NULL)
        r->large = malloc(LARGEST);
    return r->large != NULL ? 0 : -1;
}

/* Add one attribute to e. One that is gone since it was listed is passed over. */
static int read_one(const struct object *o, const char *attr, struct room *r,
                    struct entry *e, struct err *err)
{
    const void *value = r->small;
    ssize_t n = get(o, attr, r->small, sizeof r->small);
    if (n < 0 && errno == ERANGE) {
        if (room_grow(r) != 0)
            return err_nomem(err);
        value = r->large;
        n = get(o, attr, r->large, LARGEST);
    }
    if (n < 0 && (errno == ENODATA || errno == ENOTSUP))
        return 0;
    if (n < 0)
        return err_sys(err, ERR_FAIL, "cannot read the extended attribute %s", attr);
    return entry_add_xattr(e, attr, value, (size_t)n, err);
}

static int read_listed(const struct object *o, const char *names, size_t len,
                       struct entry *e, struct err *err)
{
    struct room r = {.large = NULL};
    int rc = 0;
    for (size_t i = 0; i < len && rc == 0; i += strlen(names + i) + 1) {
        if (xattr_wanted(names + i))
            rc = read_one(o, names + i, &r, e, err);
    }
    free(r.large);
    return rc;
}

int xattr_read(int fd, int dirfd, const char *name, struct entry *e, struct err *err)
{
    struct object o;
    struct room r;
    r.large = NULL;
    if (object_init(&o, fd, dirfd, name) != 0)
        return err_sys(err, ERR_FAIL, "cannot read extended attributes");

    const char *names = r.small;
    ssize_t n = list(&o, r.small, sizeof r.small);
    if (n < 0 && errno == ERANGE) {
        if (room_grow(&r) != 0)
            return err_nomem(err);
        names = r.large;
        n = list(&o, r.large, LARGEST);
    }
    int rc = 0;
    if (n > 0)
        rc = read_listed(&o, names, (size_t)n, e, err);
    else if (n < 0 && errno != ENOTSUP)
        rc = err_sys(err, ERR_FAIL, "cannot list extended attributes");
    free(r.large);
    return rc;
}

int xattr_set(int fd, int dirfd, const char *name, const struct xattr *x)
{
    struct object o;
    if (object_init(&o, fd, dirfd, name) != 0)
        return -1;
    if (o.fd >= 0) {
        int rc = fsetxattr(o.fd, x->name, x->value, x->len, 0);
        if (rc == 0 || !retry_by_path(&o))
            return rc;
    }
    return o.nofollow ? lsetxattr(o.path, x->name, x->value, x->len, 0)
                      : setxattr(o.path, x->name, x->value, x->len, 0);
}

int xattr_remove(int fd, int dirfd, const char *name, const char *attr)
{
    struct object o;
    if (object_init(&o, fd, dirfd, name) != 0)
        return -1;
    if (o.fd >= 0) {
        int rc = fremovexattr(o.fd, attr);
        if (rc == 0 || !retry_by_path(&o))
            return rc;
    }
    return o.nofollow ? lremovexattr(o.path, attr) : removexattr(o.path, attr);
}
