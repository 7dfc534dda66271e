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
 * cannot be read is told, and is no error. */
int directory_list(const struct job *job, const char *dir, bool use_key,
                   directory_fn *fn, void *ctx, struct err *err);

struct directory_verify {
    const char *dir;
    unsigned share, of; /* --sample: share/of of the archives, those whose proof is the
                           oldest, at least one; 0: all */
    unsigned lock_wait; /* seconds; for the file that keeps what was proved */
};

/* Told of each archive that was looked at: `why` NULL if it is whole, with `warnings`.
 */
typedef void directory_verified_fn(void *ctx, const char *file, const struct err *why,
                                   uint64_t warnings);

/* Verify. One that is not good does not keep the others from being looked at; after
 * all, the error is that of the worst: ERR_DAMAGED, ERR_KEY, ERR_FAIL. One that is
 * whole with warnings is the warning archive-warnings. */
int directory_verify(const struct job *job, const struct directory_verify *opts,
                     directory_verified_fn *fn, void *ctx, struct err *err);

/* Rekey each archive that the passphrase opens, under the directory's lock. Those that
 * it does not open, but the new one does, are done already, by a run that was
 * interrupted; another one is an error after all the others were done. The new
 * passphrases share one salt, so that one derivation opens all. */
int directory_rekey(const struct job *job, const struct rekey_opts *opts,
                    unsigned lock_wait, directory_verified_fn *fn, void *ctx,
                    struct err *err);

#endif
