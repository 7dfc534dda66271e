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
#include "util/confine.h"
#include "util/err.h"
#include "util/progress.h"

struct job {
    struct report *report;
    struct progress *progress;
    struct guardian *guardian; /* NULL: this run stops nothing, and restores nothing */
    struct confine *confine;   /* NULL: this command keeps its rights */
    /* Call fn(arg) in the main thread while there is no other one; NULL: there is none.
     * Returns 0 or -1. */
    int (*alone)(void *ctx, void (*fn)(void *arg), void *arg, struct err *err);
    void *alone_ctx;
    struct passphrase_opts passphrase;
    struct kdf_limits kdf_limits;
    unsigned threads; /* workers, 1..PIPE_WORKERS_MAX */
    int64_t now;      /* seconds since 1970, at the start */
    const char *tool; /* "pmm-seal 0.1.0" */
};

#endif
