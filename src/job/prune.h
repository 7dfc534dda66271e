/*
 * `pmm-seal prune`, and what follows a backup with --keep-*: delete the archives of one
 * name that the rules of keep/keep.h do not keep.
 *
 * Facts: kept, deleted, deleted_bytes, capped (bool), dry_run.
 */
#ifndef JOB_PRUNE_H
#define JOB_PRUNE_H

#include <stdbool.h>

#include "job/catalog.h"
#include "job/job.h"
#include "keep/keep.h"
#include "util/err.h"

struct prune_opts {
    const char *dir, *name;
    struct keep_rules rules; /* at least one is given */
    unsigned max_deletes;
    unsigned lock_wait; /* seconds */
    bool require_mount; /* as mount_require has it */
    bool dry_run;
};

/* Told of each archive of the name, newest first: `why` as keep_why has it, 0 for one
 * that is (or would be) deleted. Returns 0, or -1 with *err. */
typedef int prune_fn(void *ctx, const struct catalog_entry *e, unsigned why,
                     struct err *err);

/* With a lock and a key of its own. ERR_FAIL if there is no archive of the name, or
 * none that opens, ERR_KEY if that is for the passphrase: then nothing is deleted. Note
 * archive-deleted for each that goes. Warning archive-damaged or archive-unreadable,
 * archive-twice, note archive-other-key for one that cannot be authenticated; note
 * archive-in-use for one that is open elsewhere and stays. `fn` may be NULL. */
int prune_run(const struct job *job, const struct prune_opts *opts, prune_fn *fn,
              void *ctx, struct err *err);

/* The same where the caller holds the key and the lock of the directory `dirfd`, which
 * opts->dir has to be still, or it is ERR_BUSY: of *opts lock_wait and require_mount
 * are not looked at. */
int prune_with(const struct job *job, const struct prune_opts *opts, int dirfd,
               const struct key *key, prune_fn *fn, void *ctx, struct err *err);

/* Tell of the archives in `c` that cannot be authenticated, as above. */
void prune_tell_strange(const struct job *job, const struct catalog *c);

#endif
