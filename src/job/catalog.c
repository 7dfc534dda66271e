#include "job/catalog.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "job/opened.h"
#include "store/archives.h"
#include "store/dirlist.h"
#include "util/buf.h"

const char *catalog_state_name(enum catalog_state state)
{
    static const char *const names[] = {"locked", "good", "other-key", "damaged",
                                        "unreadable"};
    return names[state];
}

bool catalog_consistent(const struct catalog_entry *e)
{
    return !e->volume.pmm || e->servers == STATE_STOPPED;
}

static enum catalog_state state_of(const struct err *why)
{
    return why->cls == ERR_KEY       ? CATALOG_OTHER_KEY
           : why->cls == ERR_DAMAGED ? CATALOG_DAMAGED
                                     : CATALOG_UNREADABLE;
}

static int take_manifest(struct catalog_entry *e, const struct opened *o)
{
    const struct manifest *m = &o->manifest;
    e->created = m->created;
    e->slot_created = o->reader->unlocked.created;
    e->volume = m->volume;
    e->servers = m->state;
    e->totals = m->totals;
    e->name = strdup(m->name);
    return e->name != NULL ? 0 : -1;
}

/* What the file says of itself. Its error is not the catalog's. */
static int look_inside(struct catalog_entry *e, const char *path, const struct key *key,
                       struct err *err)
{
    struct opened o;
    struct err why = {0};
    int rc = opened_open(&o, path, false, &why);
    if (rc == 0) {
        memcpy(e->id, o.reader->header.id, sizeof e->id);
        e->have_id = true;
        if (key != NULL &&
            (opened_unlock_by(&o, key, &why) != 0 || opened_index(&o, &why) != 0))
            rc = -1;
    }
    int bad = 0;
    if (rc != 0) {
        e->state = state_of(&why);
        bad = (e->why = strdup(why.text)) == NULL;
    } else if (key != NULL) {
        e->state = CATALOG_GOOD;
        bad = take_manifest(e, &o);
    }
    opened_close(&o);
    if (why.cls == ERR_SIGNAL)
        *err = why;
    return why.cls == ERR_SIGNAL ? -1 : bad ? err_nomem(err) : 0;
}

/* What is known of its data. Damage that was found once is not forgotten because the
 * header and the manifest are good. */
static int take_proof(const struct catalog *c, struct catalog_entry *e, struct err *err)
{
    e->proven = proven_when(c->proven, e->file, e->id, e->bytes);
    if (e->proven != PROVEN_BAD)
        return 0;
    e->proven = 0;
    e->bad = true;
    if (e->state != CATALOG_GOOD && e->state != CATALOG_LOCKED)
        return 0;
    e->state = CATALOG_DAMAGED;
    e->why = strdup("it was damaged when it was last verified");
    return e->why != NULL ? 0 : err_nomem(err);
}

/* There is an archive, and the disk will not say more. Returns 1, -1. */
static int unseen(struct catalog_entry *e, int why, struct err *err)
{
    struct err text = {0};
    errno = why;
    err_sys(&text, ERR_FAIL, "cannot look at: %s", e->file);
    e->state = CATALOG_UNREADABLE;
    e->why = strdup(text.text);
    return e->why != NULL ? 1 : err_nomem(err);
}

/* `e` is zero. Returns 1, 0 if the file is none of ours, -1. */
static int add(struct catalog *c, struct catalog_entry *e, const char *file,
               const char *name, const struct key *key, struct err *err)
{
    char found[ARCHIVES_NAME_SIZE];
    struct stat st;
    struct buf path = {0};
    size_t n = strlen(file), suffix = strlen(ARCHIVES_SUFFIX);
    bool ours = archives_parse(file, found, &e->created, &e->number);
    if (!ours)
        e->created = 0, e->number = 1;
    if (n <= suffix || strcmp(file + n - suffix, ARCHIVES_SUFFIX) != 0 ||
        file[0] == '.' || (name != NULL && (!ours || strcmp(found, name) != 0)))
        return 0;
    bool seen = fstatat(c->fd, file, &st, AT_SYMLINK_NOFOLLOW) == 0;
    int why = seen ? 0 : errno;
    /* Deleted meanwhile; or named like an archive and no file: opening it might wait
     * for ever. */
    if (seen ? !S_ISREG(st.st_mode) : why == ENOENT)
        return 0;
    e->file = strdup(file);
    if (!seen)
        return e->file != NULL ? unseen(e, why, err) : err_nomem(err);
    e->bytes = (uint64_t)st.st_size;
    e->dev = st.st_dev;
    e->ino = st.st_ino;
    if (e->file == NULL || buf_printf(&path, "%s/%s", c->dir, file) != 0 ||
        buf_add(&path, "", 1) != 0) {
        buf_free(&path);
        return err_nomem(err);
    }
    int rc = look_inside(e, (const char *)path.p, key, err);
    buf_free(&path);
    if (rc == 0 && e->have_id)
        rc = take_proof(c, e, err);
    return rc == 0 ? 1 : -1;
}

static int newest_first(const void *a, const void *b)
{
    const struct catalog_entry *x = a, *y = b;
    if (x->created != y->created)
        return x->created < y->created ? 1 : -1;
    if (x->number != y->number)
        return x->number < y->number ? 1 : -1;
    return strcmp(x->file, y->file);
}

/* As far as is known. A stump of an archive is no copy that could be mistaken for it.
 */
static bool whole(const struct catalog_entry *e)
{
    return e->state == CATALOG_GOOD || e->state == CATALOG_LOCKED;
}

/* A copy has the id of the original, and nobody can tell which of them is to stay. */
static void tell_twins(struct catalog *c)
{
    for (size_t i = 0; i < c->n; i++)
        for (size_t k = i + 1; k < c->n; k++) {
            struct catalog_entry *a = &c->entries[i], *b = &c->entries[k];
            if (!whole(a) || !whole(b) || memcmp(a->id, b->id, sizeof a->id) != 0)
                continue;
            a->twin = b->twin = true;
        }
}

static int read_all(struct catalog *c, const char *name, const struct key *key,
                    struct err *err)
{
    char **files;
    size_t n;
    int rc = 0;
    if (dirlist_read(c->fd, &files, &n) != 0)
        return err_sys(err, ERR_FAIL, "cannot read the directory: %s", c->dir);
    c->entries = calloc(n + 1, sizeof *c->entries);
    if (c->entries == NULL)
        rc = err_nomem(err);
    for (size_t i = 0; i < n && rc >= 0; i++) {
        struct catalog_entry *e = &c->entries[c->n];
        rc = err_stopped(err) != 0 ? -1 : add(c, e, files[i], name, key, err);
        if (rc != 0)
            c->n++; /* also one that is half filled: it is to be freed */
    }
    dirlist_free(files, n);
    if (rc < 0)
        return -1;
    tell_twins(c);
    qsort(c->entries, c->n, sizeof *c->entries, newest_first);
    return 0;
}

int catalog_read(struct catalog **out, const char *dir, const char *name,
                 const struct key *key, int64_t now, struct err *err)
{
    struct catalog *c = calloc(1, sizeof *c);
    if (c == NULL)
        return err_nomem(err);
    c->dir = strdup(dir);
    c->fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (c->dir == NULL)
        err_nomem(err);
    else if (c->fd < 0)
        err_sys(err, ERR_FAIL, "cannot open the directory: %s", dir);
    else if (proven_load(&c->proven, c->fd, now, err) == 0 &&
             read_all(c, name, key, err) == 0) {
        *out = c;
        return 0;
    }
    catalog_free(c);
    return -1;
}

void catalog_free(struct catalog *c)
{
    if (c == NULL)
        return;
    for (size_t i = 0; i < c->n; i++) {
        free(c->entries[i].file);
        free(c->entries[i].why);
        free(c->entries[i].name);
    }
    free(c->entries);
    proven_free(c->proven);
    if (c->fd >= 0)
        close(c->fd);
    free(c->dir);
    free(c);
}
