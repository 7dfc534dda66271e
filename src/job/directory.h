/*
 * What verify, list and rekey do with a whole directory of archives.
 *
 * Facts: archives, good, with_warnings, not_good (verify: of those looked at), skipped
 * (verify --sample), archive (the directory).
 */
#ifndef JOB_DIRECTORY_H
#define JOB_DIRECTORY_H

#include <stdbool.h>

#include "job/catalog.h"
#include "job/job.h"
#include "job/rekey.h"
#include "util/err.h"

/* Whether the operand names a directory. "-" does not. */
bool directory_is(const char *path);

/* Told of each archive, newest first. Returns 0, or -1 with *err. */
typedef int directory_fn(void *ctx, const struct catalog_entry *e, struct err *err);

/* What is in `dir`; with `use_key` authenticated. One that does not open, is damaged or
 * cannot be read is told, and is no error. ERR_FAIL, ERR_KEY (no passphrase, or, after
 * all were told, one that opens none of them), ERR_SIGNAL, or what `fn` returns. */
int directory_list(const struct job *job, const char *dir, bool use_key,
                   directory_fn *fn, void *ctx, struct err *err);

struct directory_verify {
    const char *dir;
    unsigned share, of; /* --sample: share/of of the archives, those whose proof is the
                           oldest, at least one; 0: all */
    unsigned lock_wait; /* seconds; for the file that keeps what was proved */
};

/* Told of each archive that was verified or rekeyed: `why` NULL if it is
 * whole, with `warnings`, or was changed. */
typedef void directory_done_fn(void *ctx, const char *file, const struct err *why,
                               uint64_t warnings);

/* Verify, those first whose proof is the oldest. One that is not good does not keep the
 * others from being looked at; after all, the error is that of the worst: ERR_DAMAGED,
 * else ERR_KEY, else that of the first (ERR_FAIL, ERR_BUSY, ERR_REFUSED). One that is
 * whole with warnings is the warning archive-warnings. What was proved is noted under
 * the directory's lock; if it cannot be, that is the note proof-not-kept. ERR_FAIL too
 * for no archives at all; ERR_SIGNAL. */
int directory_verify(const struct job *job, const struct directory_verify *opts,
                     directory_done_fn *fn, void *ctx, struct err *err);

/* Rekey each archive that the passphrase opens, under the directory's lock. Those that
 * it does not open, but the new one does, are done already, by a run that was
 * interrupted; another one is an error after all the others were done. The new
 * passphrases share one salt, so that one derivation opens all. `opts->archive` is the
 * directory, opts->output NULL. Errors as of directory_verify, and ERR_BUSY for the
 * lock, which is waited for `lock_wait` seconds. */
int directory_rekey(const struct job *job, const struct rekey_opts *opts,
                    unsigned lock_wait, directory_done_fn *fn, void *ctx,
                    struct err *err);

#endif
