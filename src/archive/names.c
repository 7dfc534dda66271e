#include "archive/names.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format/limits.h"

struct row {
    char *name; /* owned by by_name's row; by_id's points to the same */
    uint32_t id;
    size_t seq; /* place in the file: the first of equals counts */
};

/* The same rows in two orders. */
struct table {
    struct row *by_name, *by_id;
    size_t n, cap;
};

struct names {
    struct table users, groups;
};

static int cmp_seq(const struct row *a, const struct row *b)
{
    return a->seq < b->seq ? -1 : a->seq > b->seq;
}

static int cmp_name(const void *va, const void *vb)
{
    const struct row *a = va, *b = vb;
    int c = strcmp(a->name, b->name);
    return c != 0 ? c : cmp_seq(a, b);
}

static int cmp_id(const void *va, const void *vb)
{
    const struct row *a = va, *b = vb;
    if (a->id != b->id)
        return a->id < b->id ? -1 : 1;
    return cmp_seq(a, b);
}

/* A name that an item could not carry counts as unknown. '+' and '-' begin the lines of
 * NIS, which name no account. */
static int add(struct table *t, const char *name, uint32_t id, struct err *err)
{
    size_t len = strlen(name);
    if (len == 0 || len >= NAME_BYTES_MAX || name[0] == '+' || name[0] == '-')
        return 0;
    if (t->n == t->cap) {
        size_t cap = t->cap > 0 ? 2 * t->cap : 64;
        struct row *p = realloc(t->by_name, cap * sizeof *p);
        if (p == NULL)
            return err_nomem(err);
        t->by_name = p;
        t->cap = cap;
    }
    struct row *row = &t->by_name[t->n];
    *row = (struct row){strdup(name), id, t->n};
    if (row->name == NULL)
        return err_nomem(err);
    t->n++;
    return 0;
}

/* Without memory for a line the file seems to end there. */
static int ended(struct err *err)
{
    return errno == ENOMEM ? err_nomem(err) : 0;
}

static int read_users(struct table *t, FILE *f, struct err *err)
{
    struct passwd *p;
    for (errno = 0; (p = fgetpwent(f)) != NULL; errno = 0) {
        if (add(t, p->pw_name, p->pw_uid, err) != 0)
            return -1;
    }
    return ended(err);
}

static int read_groups(struct table *t, FILE *f, struct err *err)
{
    struct group *g;
    for (errno = 0; (g = fgetgrent(f)) != NULL; errno = 0) {
        if (add(t, g->gr_name, g->gr_gid, err) != 0)
            return -1;
    }
    return ended(err);
}

static int index_rows(struct table *t, struct err *err)
{
    if (t->n == 0)
        return 0;
    t->by_id = malloc(t->n * sizeof *t->by_id);
    if (t->by_id == NULL)
        return err_nomem(err);
    memcpy(t->by_id, t->by_name, t->n * sizeof *t->by_id);
    qsort(t->by_id, t->n, sizeof *t->by_id, cmp_id);
    qsort(t->by_name, t->n, sizeof *t->by_name, cmp_name);
    return 0;
}

static int load(struct table *t, const char *path,
                int (*read_rows)(struct table *, FILE *, struct err *), struct err *err)
{
    FILE *f = fopen(path, "re");
    if (f == NULL && (errno == ENOENT || errno == ENOTDIR))
        return 0;
    if (f == NULL)
        return err_sys(err, ERR_FAIL, "cannot open: %s", path);
    int rc = read_rows(t, f, err);
    if (rc == 0 && ferror(f))
        rc = err_sys(err, ERR_FAIL, "cannot read: %s", path);
    fclose(f);
    return rc == 0 ? index_rows(t, err) : -1;
}

int names_open(struct names **n, const char *passwd, const char *group, struct err *err)
{
    struct names *new = calloc(1, sizeof *new);
    if (new == NULL)
        return err_nomem(err);
    if (load(&new->users, passwd ? passwd : "/etc/passwd", read_users, err) != 0 ||
        load(&new->groups, group ? group : "/etc/group", read_groups, err) != 0) {
        names_free(new);
        return -1;
    }
    *n = new;
    return 0;
}

static void free_table(struct table *t)
{
    for (size_t i = 0; i < t->n; i++)
        free(t->by_name[i].name);
    free(t->by_name);
    free(t->by_id);
}

void names_free(struct names *n)
{
    if (n == NULL)
        return;
    free_table(&n->users);
    free_table(&n->groups);
    free(n);
}

/* The first row that is not less than `key`, or NULL. With seq 0 in the key that is the
 * first of equals. */
static const struct row *lower_bound(const struct row *rows, size_t n,
                                     const struct row *key,
                                     int (*cmp)(const void *, const void *))
{
    size_t lo = 0, hi = n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (cmp(&rows[mid], key) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < n ? &rows[lo] : NULL;
}

static const char *name_of(const struct table *t, uint32_t id)
{
    struct row key = {.id = id};
    const struct row *r = lower_bound(t->by_id, t->n, &key, cmp_id);
    return r != NULL && r->id == id ? r->name : NULL;
}

static bool id_of(const struct table *t, const char *name, uint32_t *id)
{
    char *text = (char *)name; /* only compared */
    struct row key = {.name = text};
    const struct row *r = lower_bound(t->by_name, t->n, &key, cmp_name);
    if (r == NULL || strcmp(r->name, name) != 0)
        return false;
    *id = r->id;
    return true;
}

const char *names_user(const struct names *n, uint32_t uid)
{
    return name_of(&n->users, uid);
}

const char *names_group(const struct names *n, uint32_t gid)
{
    return name_of(&n->groups, gid);
}

bool names_uid(const struct names *n, const char *user, uint32_t *uid)
{
    return id_of(&n->users, user, uid);
}

bool names_gid(const struct names *n, const char *group, uint32_t *gid)
{
    return id_of(&n->groups, group, gid);
}
