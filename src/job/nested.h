/*
 * What is mounted inside the target of a restore, such as certificates on /srv/nginx.
 * The mount stays; its content is that of the archive if it was empty, or with
 * --replace. Content that differs is never overwritten unasked: it may be newer than
 * the backup.
 *
 * The staged tree is copied to a staging directory inside the mount, proved there, and
 * put in its place when all of the target itself is in its place but what is moved
 * last.
 */
#ifndef JOB_NESTED_H
#define JOB_NESTED_H

#include <stdbool.h>

#include "archive/extract.h"
#include "job/job.h"
#include "store/place.h"
#include "util/err.h"

struct nested;

/* For each of place_mounts(p): compare what is staged (below place_staging) with what
 * is there, and prepare the copy where one is to be made. A file that is mounted is
 * compared, and never replaced. Notes: mount-same (nothing to do), mount-kept (the
 * archive has nothing of that name, or an empty directory). Warnings: mount-differs
 * (left as it is; names what differs first), mount-not-restored (it should have been
 * filled or replaced and cannot be). `opts`: as for the target itself. Returns 0 and *n
 * (nested_free it), or -1: ERR_SIGNAL, ERR_FAIL (memory, the staged tree), ERR_REFUSED
 * (a store is mounted, with other content, and `replace` is not given), and whatever
 * keeps a mounted store from being filled. */
int nested_prepare(struct nested **n, struct place *p, bool replace,
                   const struct extract_opts *opts, const struct job *job,
                   struct err *err);

/* Put the copies in their places. What fails is a warning mount-not-restored; for what
 * holds a store, -1: nested_undo. */
int nested_begin(struct nested *n, const struct job *job, struct err *err);

/* The target is new, so this counts. */
void nested_end(struct nested *n, const struct job *job);

/* The target is as it was: the mounts are as they were, or *err, which tells why, says
 * that they are not. */
void nested_undo(struct nested *n, struct err *err);

/* Staging directories that were not committed are removed. */
void nested_free(struct nested *n);

#endif
