/*
 * `pmm-seal check-config`: by day, all that a night would fail on. Nothing is stopped,
 * no archive is written, and one thing that is wrong does not hide the others.
 *
 * Facts: checks, not_good, and those of job/source.h.
 */
#ifndef JOB_CHECK_H
#define JOB_CHECK_H

#include <stdbool.h>

#include "job/backup.h"
#include "job/job.h"
#include "util/err.h"

struct check_opts {
    const struct backup_opts *backup; /* what the night is told */
    const char *metrics_file;         /* or NULL */
    bool passphrase_given;            /* there is a source of it that needs no person */
};

/* Told of each thing that was tried: `what` is one word of it; `why` NULL if it is
 * good, and then `found` says what was found, "" for nothing to say. */
typedef void check_fn(void *ctx, const char *what, const char *found,
                      const struct err *why);

/* Try, in this order: source (as a backup reads it, without its content), hooks,
 * directory (mounted, written to, not locked), files (of --add and --attach),
 * passphrase (opens the last archive of the name), volume (that of the last archive),
 * space (for one more archive of the last one's size), metrics. What is not asked for
 * is not tried. ERR_FAIL if any is not good; what a backup would warn of is a warning
 * here, and hook-path: a command that is not where cron looks; passphrase-environment.
 * ERR_SIGNAL. */
int check_run(const struct job *job, const struct check_opts *opts, check_fn *fn,
              void *ctx, struct err *err);

#endif
