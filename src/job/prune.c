#include "job/prune.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/archives.h"
#include "store/dirlock.h"
#include "store/mount.h"

struct prune {
    const struct job *job;
    const struct prune_opts *opts;
    struct catalog *c;
    struct keep_archive *archives; /* as c->entries */
    uint64_t kept, deleted, bytes;
};

static void judge(struct prune *p)
{
    for (size_t i = 0; i < p->c->n; i++) {
        const struct catalog_entry *e = &p->c->entries[i];
        bool good =
            e->state == CATALOG_GOOD && !e->twin && strcmp(e->name, p->opts->name) == 0;
        p->archives[i] = (struct keep_archive){.time = e->created,
                                               .number = e->number,
                                               .authenticated = good,
                                               .consistent = catalog_consistent(e),
                                               .clean = e->totals.warnings == 0,
                                               .verified = good && e->proven != 0};
    }
}

void prune_tell_strange(const struct job *job, const struct catalog *c)
{
    static const char *const ids[] = {[CATALOG_OTHER_KEY] = "archive-other-key",
                                      [CATALOG_DAMAGED] = "archive-damaged",
                                      [CATALOG_UNREADABLE] = "archive-unreadable"};
    for (size_t i = 0; i < c->n; i++) {
        const struct catalog_entry *e = &c->entries[i];
        if (e->why != NULL)
            notice(report_sink(job->report),
                   e->state == CATALOG_OTHER_KEY ? NOTICE_NOTE : NOTICE_WARNING,
                   ids[e->state], e->file, "%s", e->why);
        else if (e->twin)
            notice(
                report_sink(job->report), NOTICE_WARNING, "archive-twice", e->file,
                "another file is a copy of the same archive: neither counts, neither "
                "is deleted");
    }
}

/* Over NFS only a file that is open for writing can be locked for one alone. */
static int open_to_lock(int dirfd, const char *file)
{
    const int flags = O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
    int fd = openat(dirfd, file, O_RDWR | flags);
    if (fd >= 0 || errno == ENOENT)
        return fd;
    return openat(dirfd, file, O_RDONLY | flags);
}

/* Whether `fd` is the file that the catalog looked at, and nobody else has it open to
 * read or rekey it. Where files cannot be locked, nobody can say so. */
static bool ours_alone(int fd, const struct catalog_entry *e)
{
    struct stat st;
    return fstat(fd, &st) == 0 && st.st_dev == e->dev && st.st_ino == e->ino &&
           (uint64_t)st.st_size == e->bytes &&
           (flock(fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK);
}

/* 1 when it is gone, 0 when it was left, -1. */
static int delete (struct prune *p, const struct catalog_entry *e, struct err *err)
{
    int r = 0;
    int fd = open_to_lock(p->c->fd, e->file);
    if (fd < 0 && errno == ENOENT)
        return 1;
    if (fd >= 0 && ours_alone(fd, e)) {
        if (unlinkat(p->c->fd, e->file, 0) == 0)
            r = 1;
        else
            r = err_sys(err, ERR_FAIL, "cannot delete: %s/%s", p->c->dir, e->file);
    } else {
        notice(
            report_sink(p->job->report), NOTICE_NOTE, "archive-in-use", e->file,
            "it was to be deleted, but is in use or was replaced: it stays until the "
            "next time");
    }
    if (fd >= 0)
        close(fd);
    return r;
}

/* Oldest first: what is left after an error is the better half. */
static int delete_all(struct prune *p, struct err *err)
{
    int rc = 0;
    for (size_t i = p->c->n; i-- > 0 && rc == 0;) {
        const struct catalog_entry *e = &p->c->entries[i];
        if (p->archives[i].why != 0)
            continue;
        int gone = err_stopped(err) != 0 ? -1 : delete (p, e, err);
        if (gone == 1) {
            notice(report_sink(p->job->report), NOTICE_NOTE, "archive-deleted", e->file,
                   "no rule keeps it");
            p->deleted++;
            p->bytes += e->bytes;
            proven_forget(p->c->proven, e->file);
        }
        rc = gone < 0 ? -1 : 0;
    }
    if (p->deleted == 0)
        return rc;
    if (fsync(p->c->fd) != 0 && errno != EINVAL && errno != ENOTSUP && rc == 0)
        rc = err_sys(err, ERR_FAIL, "cannot sync the directory: %s", p->c->dir);
    return rc != 0 ? rc : proven_save(p->c->proven, p->c->fd, err);
}

static bool any_good(const struct prune *p)
{
    for (size_t i = 0; i < p->c->n; i++)
        if (p->archives[i].authenticated)
            return true;
    return false;
}

static int nothing_good(const struct prune *p, struct err *err)
{
    bool other_key = false;
    for (size_t i = 0; i < p->c->n; i++)
        other_key |= p->c->entries[i].state == CATALOG_OTHER_KEY;
    err_set(err, other_key ? ERR_KEY : ERR_FAIL,
            "no archive of the name %s in %s can be opened: nothing is deleted",
            p->opts->name, p->opts->dir);
    return err_hint(err, "is the directory mounted, and the name (--name) and the "
                         "passphrase right?");
}

static int carry_out(struct prune *p, prune_fn *fn, void *ctx, struct err *err)
{
    const struct prune_opts *o = p->opts;
    judge(p);
    prune_tell_strange(p->job, p->c);
    if (!any_good(p))
        return nothing_good(p, err);
    (void)keep_decide(&o->rules, p->job->now, o->max_deletes, p->archives, p->c->n);
    bool capped = false;
    for (size_t i = 0; i < p->c->n; i++) {
        unsigned why = p->archives[i].why;
        capped |= (why & KEEP_CAPPED) != 0;
        p->kept += why != 0;
        if (fn != NULL && fn(ctx, &p->c->entries[i], why, err) != 0)
            return -1;
    }
    if (o->dry_run) {
        p->deleted = p->c->n - p->kept;
        for (size_t i = 0; i < p->c->n; i++)
            p->bytes += p->archives[i].why == 0 ? p->c->entries[i].bytes : 0;
    } else if (delete_all(p, err) != 0) {
        return -1;
    }
    report_u64(p->job->report, "kept", p->c->n - p->deleted);
    report_u64(p->job->report, "deleted", p->deleted);
    report_u64(p->job->report, "deleted_bytes", p->bytes);
    report_bool(p->job->report, "capped", capped);
    return 0;
}

/* Whether the directory that was read is the one that was locked: another disk may have
 * been mounted there meanwhile. */
static int same_directory(int a, int b, const char *path, struct err *err)
{
    struct stat x, y;
    if (fstat(a, &x) != 0 || fstat(b, &y) != 0)
        return err_sys(err, ERR_FAIL, "cannot look at: %s", path);
    if (x.st_dev != y.st_dev || x.st_ino != y.st_ino)
        return err_set(err, ERR_BUSY, "replaced meanwhile: %s", path);
    return 0;
}

int prune_with(const struct job *job, const struct prune_opts *opts, int dirfd,
               const struct key *key, prune_fn *fn, void *ctx, struct err *err)
{
    struct prune p = {.job = job, .opts = opts};
    if (catalog_read(&p.c, opts->dir, opts->name, key, job->now, err) != 0)
        return -1;
    p.archives = calloc(p.c->n + 1, sizeof *p.archives);
    int rc = p.archives == NULL ? err_nomem(err)
                                : same_directory(dirfd, p.c->fd, opts->dir, err);
    if (rc == 0)
        rc = carry_out(&p, fn, ctx, err);
    free(p.archives);
    catalog_free(p.c);
    return rc;
}

/* A mistyped directory gets no lock file. */
static int any_there(int fd, const struct prune_opts *opts, struct err *err)
{
    char **list = NULL;
    if (archives_list(fd, opts->name, &list, err) != 0)
        return -1;
    bool any = list[0] != NULL;
    archives_list_free(list);
    if (any)
        return 0;
    err_set(err, ERR_FAIL, "no archives of the name %s in the directory: %s",
            opts->name, opts->dir);
    return err_hint(err,
                    "is it spelt right, and mounted, and the name (--name) right?");
}

int prune_run(const struct job *job, const struct prune_opts *opts, prune_fn *fn,
              void *ctx, struct err *err)
{
    struct key key = {.ring = NULL};
    struct dirlock *lock = NULL;
    int rc = -1;
    int fd = open(opts->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    report_bool(job->report, "dry_run", opts->dry_run);
    if (fd < 0)
        return err_sys(err, ERR_FAIL, "cannot open the directory: %s", opts->dir);
    if ((!opts->require_mount || mount_require(fd, opts->dir, err) == 0) &&
        any_there(fd, opts, err) == 0 &&
        (opts->dry_run ||
         dirlock_take(&lock, fd, opts->dir, opts->lock_wait, err) == 0) &&
        key_get(&key, &job->passphrase, job, err) == 0)
        rc = prune_with(job, opts, fd, &key, fn, ctx, err);
    dirlock_free(lock);
    key_free(&key);
    close(fd);
    return rc;
}
