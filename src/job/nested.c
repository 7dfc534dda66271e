#include "job/nested.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/compare.h"
#include "archive/walk.h"
#include "job/fit.h"
#include "store/content.h"
#include "util/buf.h"
#include "util/io.h"
#include "util/path.h"

#define OPEN_ANY (O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC)
#define BLOCK    65536u
#define NAMED    3u /* differences that a warning names */

struct copy {
    char *name;
    struct place *place;
    bool begun; /* its content is in its place, and can be put back */
};

struct nested {
    struct copy *copies;
    size_t n;
};

/* ---- one staged tree, entry by entry ---- */

/* Where a walked tree goes: into a comparison, or into another place. */
struct sink {
    struct compare *compare;
    struct extract *extract;
    uint8_t block[BLOCK];
};

static int data(struct sink *s, const void *buf, size_t len, uint64_t off,
                struct err *err)
{
    return s->compare != NULL ? compare_data(s->compare, buf, len, off, err)
                              : extract_data(s->extract, buf, len, off, err);
}

/* Bytes [off, off + len) of fd. */
static int content(struct sink *s, int fd, uint64_t off, uint64_t len, struct err *err)
{
    while (len > 0) {
        size_t want = len < BLOCK ? (size_t)len : BLOCK;
        ssize_t n = io_pread(fd, s->block, want, off);
        if (n <= 0)
            return err_sys(err, ERR_FAIL, "cannot read what was restored");
        if (data(s, s->block, (size_t)n, off, err) != 0)
            return -1;
        off += (uint64_t)n;
        len -= (uint64_t)n;
    }
    return 0;
}

/* A walk_entry_fn. */
static int on_entry(void *ctx, struct entry *e, int fd, struct err *err)
{
    struct sink *s = ctx;
    const struct extent whole = {.off = 0, .len = e->item.size};
    bool sparse = (e->item.flags & ITEM_SPARSE) != 0;
    const struct extent *x = sparse ? e->extents : &whole;
    size_t n = fd < 0 ? 0 : sparse ? e->nextents : 1;
    e->item.stored = e->item.size;
    if ((s->compare != NULL ? compare_entry(s->compare, e, err)
                            : extract_entry(s->extract, e, err)) != 0)
        return -1;
    for (size_t i = 0; i < n; i++)
        if (content(s, fd, x[i].off, x[i].len, err) != 0)
            return -1;
    return s->compare != NULL ? compare_end(s->compare, err)
                              : extract_end(s->extract, err);
}

static int walk(int fd, struct sink *s, struct err *err)
{
    static const struct walk_opts all;
    struct walk_counts counts;
    return walk_tree(fd, &all, on_entry, s, NULL, &counts, err);
}

/* ---- is it the same? ---- */

struct differences {
    bool strict; /* owners, and the root itself, count */
    size_t n;
    struct buf named; /* the first ones */
};

/* A compare_fn. Times do not make another certificate, nor do owners where nothing is
 * to be replaced. A file system's lost+found is no content. */
static void differs(void *ctx, const char *path, const char *what)
{
    struct differences *d = ctx;
    if (strcmp(what, "mtime") == 0 || path_below(path, "lost+found") ||
        (!d->strict && (strcmp(what, "owner") == 0 || strcmp(path, ".") == 0)))
        return;
    if (d->n++ < NAMED)
        (void)buf_printf(&d->named, "%s%s (%s)", d->n > 1 ? ", " : "", path, what);
}

static int compare(int staged, int mounted, struct sink *s, struct differences *d,
                   struct err *err)
{
    const struct compare_opts opts = {.ignore_owner = !d->strict};
    if (compare_open(&s->compare, mounted, &opts, differs, d, err) != 0)
        return -1;
    int rc = walk(staged, s, err);
    if (rc == 0)
        rc = compare_finish(s->compare, err);
    compare_free(s->compare);
    s->compare = NULL;
    return rc;
}

/* ---- the copy ---- */

static int copy_into(struct place *to, int staged, struct sink *s,
                     const struct extract_opts *opts, const struct job *job,
                     struct err *err)
{
    int fd = place_staging(to, err);
    if (fd < 0 || extract_open(&s->extract, fd, opts, report_sink(job->report),
                               job->progress, err) != 0)
        return -1;
    int rc = walk(staged, s, err);
    if (rc == 0)
        rc = extract_finish(s->extract, err);
    if (rc == 0 && opts->read_back)
        rc = extract_read_back(s->extract, err);
    extract_free(s->extract);
    s->extract = NULL;
    return rc;
}

/* A failure here is one of the mount, and does not undo the restore of all the rest;
 * unless that would be worth nothing without it. */
static int not_restored(const char *name, const struct err *why, const struct job *job,
                        struct err *err)
{
    if (why->cls == ERR_SIGNAL)
        return *err = *why, -1;
    if (why->state_told || fit_stores(&name, 1)) {
        err_set(err, why->cls, "%s, which is mounted in the target: %s", name,
                why->text);
        err->state_told = why->state_told;
        return why->hint[0] != '\0' ? err_hint(err, "%s", why->hint) : -1;
    }
    notice(report_sink(job->report), NOTICE_WARNING, "mount-not-restored", name,
           "something is mounted here, and its content is as it was: %s", why->text);
    return 0;
}

/* A store that the archive does not have is one of another server. */
static void kept(const char *name, const struct job *job)
{
    bool store = fit_stores(&name, 1);
    notice(report_sink(job->report), store ? NOTICE_WARNING : NOTICE_NOTE, "mount-kept",
           name, "something is mounted here, of which the archive has nothing%s",
           store ? "; what it holds does not belong to what was restored" : "");
}

static int prepare_copy(struct nested *n, struct place *p, const char *name, int staged,
                        struct sink *s, const struct extract_opts *opts,
                        const struct job *job, struct err *err)
{
    struct copy *c = &n->copies[n->n];
    struct buf path = {0};
    struct err why = {0};
    if (buf_printf(&path, "%s/%s", place_path(p), name) != 0 ||
        buf_add(&path, "", 1) != 0 || (c->name = strdup(name)) == NULL) {
        buf_free(&path);
        return err_nomem(err);
    }
    n->n++;
    int rc =
        place_open(&c->place, (char *)path.p, true, report_sink(job->report), &why);
    if (rc == 0)
        rc = copy_into(c->place, staged, s, opts, job, &why);
    buf_free(&path);
    if (rc == 0)
        return 0;
    place_free(c->place);
    c->place = NULL;
    return not_restored(name, &why, job, err);
}

/* One mount of which something is staged. */
static int prepare_one(struct nested *n, struct place *p, const char *name, int staged,
                       int mounted, bool replace, const struct extract_opts *opts,
                       const struct job *job, struct err *err)
{
    const struct notice_sink *sink = report_sink(job->report);
    struct differences d = {.strict = replace || fit_stores(&name, 1)};
    struct sink *s = calloc(1, sizeof *s);
    int rc = -1;
    if (s == NULL)
        return err_nomem(err);
    /* An empty directory in the archive may be one whose content was left out: it is
     * no reason to empty anything. */
    int nothing = content_is_empty(staged, err);
    int empty = nothing < 0 ? -1 : content_is_empty(mounted, err);
    if (nothing == 1 && empty == 0) {
        kept(name, job);
        rc = 0;
        goto done;
    }
    if (empty < 0 || (!empty && compare(staged, mounted, s, &d, err) != 0))
        goto done;
    rc = 0;
    if (!empty && d.n == 0)
        notice(sink, NOTICE_NOTE, "mount-same", name,
               "something is mounted here, with the content of the archive");
    else if (!empty && !replace && fit_stores(&name, 1))
        rc = err_set(err, ERR_REFUSED,
                     "%s is mounted in the target and holds other data than the "
                     "archive: say --replace",
                     name);
    else if (!empty && !replace)
        notice(sink, NOTICE_WARNING, "mount-differs", name,
               "something is mounted here, and its content, which is not that of the "
               "archive, was left as it is: %.*s%s",
               (int)d.named.len, (const char *)d.named.p, d.n > NAMED ? ", ..." : "");
    else
        rc = prepare_copy(n, p, name, staged, s, opts, job, err);

done:
    buf_free(&d.named);
    free(s);
    return rc;
}

/* 1 if the rest of both files is the same, 0 if not, -1 on error. */
static int same_content(int a, int b, struct err *err)
{
    uint8_t x[4096], y[sizeof x];
    for (;;) {
        ssize_t n = io_read(a, x, sizeof x), m = io_read(b, y, sizeof y);
        if (n < 0 || m < 0)
            return err_sys(err, ERR_FAIL, "cannot read");
        if (n != m || memcmp(x, y, (size_t)n) != 0)
            return 0;
        if (n == 0)
            return 1;
    }
}

/* A file on which a file is mounted, and so cannot be exchanged. */
static int prepare_file(const char *name, int staged, int mounted,
                        const struct job *job, struct err *err)
{
    struct err why = {0};
    int same = same_content(staged, mounted, &why);
    if (same < 0)
        return not_restored(name, &why, job, err);
    if (same)
        notice(report_sink(job->report), NOTICE_NOTE, "mount-same", name,
               "a file is mounted here, with the content of the archive");
    else
        notice(report_sink(job->report), NOTICE_WARNING, "mount-differs", name,
               "a file is mounted here, and its content, which is not that of the "
               "archive, was left as it is; restore that PATH to another place to get "
               "it");
    return 0;
}

/* Whether the descriptor is of a file of this type (S_IFREG, S_IFDIR). */
static bool is_type(int fd, mode_t type)
{
    struct stat st;
    return fd >= 0 && fstat(fd, &st) == 0 && (st.st_mode & S_IFMT) == type;
}

/* A file or a directory; nothing else is opened, for a device may act on it. -1 with
 * errno. */
static int open_plain(int dirfd, const char *name)
{
    struct stat st;
    if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return -1;
    if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode))
        return openat(dirfd, name, OPEN_ANY);
    errno = EINVAL;
    return -1;
}

/* The archive has nothing of the name. */
static int prepare_nothing(const char *name, int mounted, const struct job *job,
                           struct err *err)
{
    int empty = is_type(mounted, S_IFDIR) ? content_is_empty(mounted, err) : 0;
    if (empty == 0)
        kept(name, job);
    return empty < 0 ? -1 : 0;
}

static int prepare(struct nested *n, struct place *p, const char *name, bool replace,
                   const struct extract_opts *opts, const struct job *job,
                   struct err *err)
{
    int staging = place_staging(p, err);
    if (staging < 0)
        return -1;
    int staged = open_plain(staging, name);
    bool nothing = staged < 0 && errno == ENOENT;
    int mounted = open_plain(place_fd(p), name);
    int rc = 0;
    if (nothing) {
        rc = prepare_nothing(name, mounted, job, err);
    } else if (is_type(staged, S_IFREG) && is_type(mounted, S_IFREG)) {
        rc = prepare_file(name, staged, mounted, job, err);
    } else if (is_type(staged, S_IFDIR) && is_type(mounted, S_IFDIR)) {
        rc = prepare_one(n, p, name, staged, mounted, replace, opts, job, err);
    } else {
        struct err why = {0};
        err_set(&why, ERR_FAIL, "it is not of the kind that the archive has");
        rc = not_restored(name, &why, job, err);
    }
    if (mounted >= 0)
        close(mounted);
    if (staged >= 0)
        close(staged);
    return rc;
}

int nested_prepare(struct nested **out, struct place *p, bool replace,
                   const struct extract_opts *opts, const struct job *job,
                   struct err *err)
{
    char *const *mounts = place_mounts(p);
    size_t count = 0;
    while (mounts != NULL && mounts[count] != NULL)
        count++;
    struct nested *n = calloc(1, sizeof *n);
    if (n == NULL)
        return err_nomem(err);
    n->copies = calloc(count + 1, sizeof *n->copies);
    if (n->copies == NULL) {
        nested_free(n);
        return err_nomem(err);
    }
    for (size_t i = 0; i < count; i++)
        if (prepare(n, p, mounts[i], replace, opts, job, err) != 0) {
            nested_free(n);
            return -1;
        }
    *out = n;
    return 0;
}

int nested_begin(struct nested *n, const struct job *job, struct err *err)
{
    for (size_t i = 0; i < n->n; i++) {
        struct err why = {0};
        struct copy *c = &n->copies[i];
        if (c->place == NULL)
            continue;
        c->begun = place_begin(c->place, report_sink(job->report), &why) == 0;
        if (!c->begun && not_restored(c->name, &why, job, err) != 0)
            return -1;
    }
    return 0;
}

void nested_end(struct nested *n, const struct job *job)
{
    for (size_t i = 0; i < n->n; i++)
        if (n->copies[i].begun)
            place_end(n->copies[i].place, report_sink(job->report));
}

void nested_undo(struct nested *n, struct err *err)
{
    for (size_t i = n->n; i-- > 0;) {
        struct err why = {0};
        struct copy *c = &n->copies[i];
        if (c->begun && place_undo(c->place, &why) != 0 && !err->state_told)
            err_state(err, "%s, which is mounted in the target, is not as it was: %s",
                      c->name, why.hint);
        c->begun = false;
    }
}

void nested_free(struct nested *n)
{
    if (n == NULL)
        return;
    for (size_t i = 0; i < n->n; i++) {
        place_free(n->copies[i].place);
        free(n->copies[i].name);
    }
    free(n->copies);
    free(n);
}
