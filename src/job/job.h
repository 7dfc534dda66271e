/*
 * What every command gets from cli. Jobs print nothing: facts, notes and warnings go to
 * the report, the rest is the returned error.
 */
#ifndef JOB_JOB_H
#define JOB_JOB_H

#include <stdint.h>

#include "pmm/guardian.h"
#include "report/report.h"
#include "seal/kdf.h"
#include "secret/passphrase.h"
#include "util/progress.h"

struct job {
    struct report *report;
    struct progress *progress;
    struct guardian *guardian; /* NULL: this run stops nothing */
    struct passphrase_opts passphrase;
    struct kdf_limits kdf_limits;
    unsigned threads; /* workers, 1..PIPE_WORKERS_MAX */
    int64_t now;      /* seconds since 1970, at the start */
    const char *tool; /* "pmm-seal 0.1.0" */
};

#endif
