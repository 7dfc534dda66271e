#include "job/directory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "job/confined.h"
#include "job/opened.h"
#include "job/verify.h"
#include "store/dirlock.h"
#include "util/buf.h"

bool directory_is(const char *path)
{
    struct stat st;
    return strcmp(path, "-") != 0 && stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Without a guardian the proofs are written by this process. */
static int confine(const struct job *job, const char *dir, bool proofs, struct err *err)
{
    if (job->confine != NULL)
        confine_allow(job->confine, dir,
                      proofs && job->guardian == NULL ? CONFINE_FILES : CONFINE_READ);
    return confined_enter(job, err);
}

int directory_list(const struct job *job, const char *dir, bool use_key,
                   directory_fn *fn, void *ctx, struct err *err)
{
    struct key key = {.ring = NULL};
    struct catalog *c = NULL;
    uint64_t good = 0, other = 0;
    int rc = -1;
    if ((!use_key || key_get(&key, &job->passphrase, job, err) == 0) &&
        confine(job, dir, false, err) == 0 &&
        catalog_read(&c, dir, NULL, use_key ? &key : NULL, job->now, err) == 0)
        rc = 0;
    for (size_t i = 0; rc == 0 && i < c->n; i++) {
        good += c->entries[i].state == CATALOG_GOOD;
        other += c->entries[i].state == CATALOG_OTHER_KEY;
        rc = fn(ctx, &c->entries[i], err);
    }
    if (rc == 0) {
        report_text(job->report, "archive", dir);
        report_u64(job->report, "archives", c->n);
        if (use_key)
            report_u64(job->report, "good", good);
        if (other > 0 && good == 0)
            rc = err_set(err, ERR_KEY,
                         "wrong passphrase: it opens none of the archives in: %s", dir);
    }
    catalog_free(c);
    key_free(&key);
    return rc;
}

/* ---- one after the other, and the worst of it ---- */

struct round {
    const struct job *job;
    const char *dir;
    directory_done_fn *fn;
    void *ctx;
    uint64_t good, with_warnings, not_good;
    struct err worst;
    char worst_file[256];
};

/* How bad an error class is, of those that one archive can have. */
static int badness(const struct err *e)
{
    return e->cls == ERR_DAMAGED ? 3
           : e->cls == ERR_KEY   ? 2
           : e->cls == ERR_NONE  ? 0
                                 : 1;
}

static void count(struct round *r, const char *file, const struct err *why,
                  uint64_t warnings)
{
    if (why != NULL) {
        r->not_good++;
        if (badness(why) > badness(&r->worst)) {
            r->worst = *why;
            snprintf(r->worst_file, sizeof r->worst_file, "%s", file);
        }
    } else {
        r->good++;
        r->with_warnings += warnings > 0;
        if (warnings > 0)
            notice(report_sink(r->job->report), NOTICE_WARNING, "archive-warnings",
                   file,
                   "it is whole, with %llu %s: `pmm-seal verify` of it alone shows %s",
                   (unsigned long long)warnings, warnings == 1 ? "warning" : "warnings",
                   warnings == 1 ? "it" : "them");
    }
    r->fn(r->ctx, file, why, warnings);
}

static int conclude(const struct round *r, const char *what, struct err *err)
{
    struct report *rep = r->job->report;
    report_text(rep, "archive", r->dir);
    report_u64(rep, "archives", r->good + r->not_good);
    report_u64(rep, "good", r->good);
    report_u64(rep, "with_warnings", r->with_warnings);
    report_u64(rep, "not_good", r->not_good);
    if (r->not_good == 0)
        return 0;
    err_set(err, r->worst.cls, "%llu of %llu archives %s; the worst: %s: %s",
            (unsigned long long)r->not_good,
            (unsigned long long)(r->good + r->not_good), what, r->worst_file,
            r->worst.text);
    return r->worst.hint[0] != '\0' ? err_hint(err, "%s", r->worst.hint) : -1;
}

/* "dir/file", allocated into `path`; or NULL. */
static const char *path_of(struct buf *path, const char *dir, const char *file,
                           struct err *err)
{
    path->len = 0;
    if (buf_printf(path, "%s/%s", dir, file) == 0 && buf_add(path, "", 1) == 0)
        return (const char *)path->p;
    err_nomem(err);
    return NULL;
}

static int nothing_there(const char *dir, struct err *err)
{
    err_set(err, ERR_FAIL, "no archives in the directory: %s", dir);
    return err_hint(err, "is it spelt right, and mounted?");
}

/* ---- verify ---- */

/* It was found damaged before, or its header says it now. */
static bool known_bad(const struct catalog_entry *e)
{
    return e->state == CATALOG_DAMAGED;
}

static int oldest_proof_first(const void *a, const void *b)
{
    const struct catalog_entry *x = a, *y = b;
    if (known_bad(x) != known_bad(y))
        return known_bad(x) ? 1 : -1;
    if (x->proven != y->proven)
        return x->proven < y->proven ? -1 : 1;
    return x->created == y->created ? strcmp(x->file, y->file)
                                    : (x->created < y->created ? -1 : 1);
}

/* How many to look at: of a share, at least one. */
static size_t sample(const struct directory_verify *o, size_t n)
{
    size_t share = o->share == 0 ? n : (n * o->share + o->of - 1) / o->of;
    return share < n ? share : n;
}

/* What became of one: kept after the run. Only damage withdraws a proof; a wrong
 * passphrase says nothing about an archive. */
enum proof_state { PROOF_NONE, PROOF_WHOLE, PROOF_DAMAGED };

/* Deleted since the directory was read, as a prune does: that is no archive, and no
 * error. */
static bool gone(const struct catalog *c, const struct catalog_entry *e)
{
    struct stat st;
    return fstatat(c->fd, e->file, &st, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT;
}

static enum proof_state proof_of(const struct catalog_entry *e,
                                 const struct verified *v, const struct err *why)
{
    if (why->cls == ERR_DAMAGED)
        return PROOF_DAMAGED;
    /* One that was put in its place meanwhile says nothing of it. */
    bool same = v->bytes == e->bytes && memcmp(v->id, e->id, sizeof v->id) == 0;
    return why->cls == ERR_NONE && same ? PROOF_WHOLE : PROOF_NONE;
}

/* Looks at entries until `n` were proved or found damaged: those that cannot be opened
 * must not take the place of others for ever. states[i] is what became of entry i.
 * Returns how many entries were gone through; ERR_SIGNAL, ERR_FAIL (memory) in *err. */
static size_t verify_each(struct round *r, const struct catalog *c, size_t n,
                          const struct key *key, enum proof_state *states,
                          struct err *err)
{
    struct buf path = {0};
    size_t i = 0;
    for (size_t looked = 0; i < c->n && looked < n; i++) {
        const struct catalog_entry *e = &c->entries[i];
        struct err why = {0};
        struct verified v = {.bytes = 0};
        const char *p = path_of(&path, c->dir, e->file, err);
        if (p == NULL)
            break;
        (void)verify_one(r->job, p, key, &v, &why);
        if (why.cls == ERR_FAIL && gone(c, e))
            continue;
        states[i] = proof_of(e, &v, &why);
        looked += states[i] != PROOF_NONE;
        if (why.cls == ERR_SIGNAL) {
            *err = why;
            break;
        }
        count(r, e->file, why.cls != ERR_NONE ? &why : NULL, v.warnings);
    }
    buf_free(&path);
    return i;
}

/* Damage that an earlier night found is not forgotten because it is not looked for. */
static void tell_bad(const struct round *r, const struct catalog *c, size_t from)
{
    for (size_t i = from; i < c->n; i++)
        if (known_bad(&c->entries[i]))
            notice(report_sink(r->job->report), NOTICE_WARNING, "archive-damaged",
                   c->entries[i].file,
                   "%s: not looked at again; without --sample it is",
                   c->entries[i].why);
}

/* By the guardian, if there is one: this process is confined then, and cannot. */
static int keep(const struct job *job, const struct directory_verify *o,
                const struct catalog *c, const struct proof *proofs, size_t n,
                struct err *err)
{
    return job->guardian != NULL
               ? guardian_keep(job->guardian, c->fd, c->dir, o->lock_wait, proofs, n,
                               job->now, err)
               : proven_keep(c->fd, c->dir, o->lock_wait, proofs, n, job->now, err);
}

/* What was proved is kept also when the run is interrupted. Where nothing can be
 * written (a read-only mount), verifying is worth something all the same. */
static void keep_proofs(const struct round *r, const struct directory_verify *o,
                        const struct catalog *c, const enum proof_state *states)
{
    struct err why = {0};
    size_t n = 0;
    struct proof *proofs = calloc(c->n + 1, sizeof *proofs);
    for (size_t i = 0; proofs != NULL && i < c->n; i++) {
        const struct catalog_entry *e = &c->entries[i];
        struct proof *p = &proofs[n];
        if (states[i] == PROOF_NONE || !e->have_id || strlen(e->file) >= sizeof p->file)
            continue;
        n++;
        snprintf(p->file, sizeof p->file, "%s", e->file);
        memcpy(p->id, e->id, sizeof p->id);
        p->bytes = e->bytes;
        p->when = states[i] == PROOF_WHOLE ? r->job->now : PROVEN_BAD;
    }
    if (proofs == NULL)
        err_nomem(&why);
    if (proofs == NULL || keep(r->job, o, c, proofs, n, &why) != 0)
        notice(report_sink(r->job->report), NOTICE_NOTE, "proof-not-kept", c->dir,
               "that these archives were verified could not be written down: %s",
               why.text);
    free(proofs);
}

int directory_verify(const struct job *job, const struct directory_verify *opts,
                     directory_done_fn *fn, void *ctx, struct err *err)
{
    struct round r = {.job = job, .dir = opts->dir, .fn = fn, .ctx = ctx};
    struct key key = {.ring = NULL};
    struct catalog *c = NULL;
    enum proof_state *states = NULL;
    int rc = -1;
    if (key_get(&key, &job->passphrase, job, err) != 0 ||
        confine(job, opts->dir, true, err) != 0 ||
        catalog_read(&c, opts->dir, NULL, NULL, job->now, err) != 0)
        goto out;
    size_t n = sample(opts, c->n);
    states = calloc(c->n + 1, sizeof *states);
    if (states == NULL) {
        err_nomem(err);
        goto out;
    }
    qsort(c->entries, c->n, sizeof *c->entries, oldest_proof_first);
    if (c->n == 0) {
        nothing_there(opts->dir, err);
        goto out;
    }
    size_t done = verify_each(&r, c, n, &key, states, err);
    report_u64(job->report, "skipped", c->n - r.good - r.not_good);
    if (r.good + r.not_good > 0)
        keep_proofs(&r, opts, c, states);
    if (err->cls == ERR_NONE) {
        tell_bad(&r, c, done);
        rc = conclude(&r, "are not good", err);
    }
out:
    free(states);
    catalog_free(c);
    key_free(&key);
    return rc;
}

/* ---- rekey ---- */

/* Whether the new passphrase opens it, so that this was done before. */
static bool done_before(const struct rekey_keys *keys, const char *path)
{
    struct opened o;
    struct err ignored = {0};
    if (keys->new.ring == NULL)
        return false;
    bool opens = opened_open(&o, path, false, &ignored) == 0 &&
                 opened_unlock_by(&o, &keys->new, &ignored) == 0;
    opened_close(&o);
    return opens;
}

static int rekey_each(struct round *r, const struct catalog *c,
                      const struct rekey_opts *opts, struct rekey_keys *keys,
                      struct err *err)
{
    struct buf path = {0};
    struct job quiet = *r->job;
    int rc = 0;
    if (report_new(&quiet.report, err) != 0)
        return -1;
    for (size_t i = 0; i < c->n && rc == 0; i++) {
        struct err why = {0};
        struct rekey_opts one = *opts;
        one.archive = path_of(&path, c->dir, c->entries[i].file, err);
        if (one.archive == NULL || err_stopped(err) != 0) {
            rc = -1;
            break;
        }
        if (rekey_one(&quiet, &one, keys, &why) != 0 &&
            (why.cls == ERR_KEY || why.cls == ERR_REFUSED) &&
            done_before(keys, one.archive)) {
            bool both = why.cls == ERR_REFUSED && opts->action == REKEY_CHANGE;
            why = (struct err){0};
            /* Both open it: what is left of a change is to take the old one away. */
            one.action = REKEY_REMOVE;
            if (both)
                (void)rekey_one(&quiet, &one, keys, &why);
        }
        count(r, c->entries[i].file, why.cls != ERR_NONE ? &why : NULL, 0);
        if (why.cls == ERR_SIGNAL) {
            *err = why;
            rc = -1;
        }
    }
    report_free(quiet.report);
    buf_free(&path);
    return rc;
}

int directory_rekey(const struct job *job, const struct rekey_opts *opts,
                    unsigned lock_wait, directory_done_fn *fn, void *ctx,
                    struct err *err)
{
    struct round r = {.job = job, .dir = opts->archive, .fn = fn, .ctx = ctx};
    struct rekey_keys keys = {.old = {.ring = NULL}};
    struct catalog *c = NULL;
    struct dirlock *lock = NULL;
    int rc = -1;
    if (catalog_read(&c, opts->archive, NULL, NULL, job->now, err) == 0 &&
        (c->n > 0 || nothing_there(opts->archive, err) == 0) &&
        dirlock_take(&lock, c->fd, opts->archive, lock_wait, err) == 0 &&
        rekey_keys_get(&keys, job, opts, err) == 0)
        rc = rekey_each(&r, c, opts, &keys, err);
    if (rc == 0)
        rc = conclude(&r, "were not changed", err);
    dirlock_free(lock);
    catalog_free(c);
    rekey_keys_free(&keys);
    return rc;
}
