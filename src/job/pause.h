/*
 * The time in which a PMM Server stands still so that its files can be read: services
 * stopped, or the user's own command run, and brought back on every way out. The
 * guardian (pmm/guardian.h) does the bringing back, so that not even SIGKILL prevents
 * it.
 */
#ifndef JOB_PAUSE_H
#define JOB_PAUSE_H

#include <stdbool.h>
#include <stdint.h>

#include "job/job.h"
#include "pmm/services.h"
#include "util/err.h"

#define PAUSE_STOP_SECONDS 300u /* what PMM's own supervisord allows its programs */

struct pause_opts {
    bool services;      /* --stop-services */
    bool apart;         /* by the guardian: this process will be confined */
    bool all;           /* every program, not only those that write to /srv (restore) */
    const char *before; /* --before: a command for /bin/sh -c, or NULL, and ... */
    const char *after;  /* --after: the guardian knows both already */
};

struct pause {
    const struct pause_opts *opts;
    struct guardian *guardian; /* job's */
    struct services services;
    bool armed;
    int64_t since; /* clock_ms */
};

/* Whether anything is to be paused at all. */
bool pause_wanted(const struct pause_opts *opts);

/* Everything that can be found wrong before anything is stopped: supervisorctl is there
 * and answers, /bin/sh is there. ERR_REFUSED, ERR_FAIL, ERR_SIGNAL. Keeps which
 * services run. `opts` and job->guardian are borrowed until pause_end. */
int pause_check(struct pause *p, const struct pause_opts *opts, const struct job *job,
                struct err *err);

/* Arm the guardian, run --before, stop the services. On -1 what was stopped is still to
 * be brought back by pause_end. */
int pause_begin(struct pause *p, struct err *err);

/* From here on nobody starts the services, not even if this process dies: for the time
 * in which what they would find is neither the old nor the new. ERR_FAIL. */
int pause_hold(struct pause *p, struct err *err);

/* After pause_hold, when all is as it was: start the services. ERR_FAIL names those
 * that do not run. */
int pause_resume(struct pause *p, struct err *err);

/* What was stopped stays so. Fact: services. */
void pause_keep(struct pause *p, const struct job *job);

/* Bring everything back, after pause_hold only --after; once. Facts: downtime (seconds,
 * if anything was paused), services (their number). ERR_FAIL names what does not run
 * again. */
int pause_end(struct pause *p, const struct job *job, struct err *err);

#endif
