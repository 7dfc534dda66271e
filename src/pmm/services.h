/*
 * The programs of a PMM Server, by `supervisorctl`: PMM 2 and 3 run supervisord as the
 * container's first process. They are stopped and started by name.
 */
#ifndef PMM_SERVICES_H
#define PMM_SERVICES_H

#include <stdbool.h>
#include <stddef.h>

#include "util/err.h"

#define SERVICES_MAX 64u
#define SERVICE_NAME 64u

struct services {
    size_t n;
    char names[SERVICES_MAX][SERVICE_NAME]; /* in the order of their start; letters,
                                               digits and "_.:-" */
};

/* The programs that run now, or that supervisord is about to start (STARTING, BACKOFF),
 * in the order of their start: by priority where PMM gives one, then as listed.
 *
 * With `writers`, only those that may write to /srv. That is all but nginx: a program
 * of a name not known is taken for a writer. The ones that set up or update a PMM
 * Server and then end (pmm-init, pmm-update-perform-init, pmm-update-perform) are not
 * to be stopped halfway: with `writers`, ERR_REFUSED while one of them runs. Without,
 * they are listed like all others.
 *
 * ERR_REFUSED (hint) when there is no supervisorctl, it reaches no supervisord, or that
 * has no program of a PMM Server: then this is not inside a PMM container. ERR_FAIL,
 * ERR_SIGNAL. */
int services_running(bool writers, struct services *s, struct err *err);

/* Stop them, last started first, one `supervisorctl stop` each, and wait up to
 * `seconds` in all until they are down. Returns 0, or -1: ERR_FAIL naming those that
 * still run, ERR_SIGNAL. Some may be stopped then. */
int services_stop(const struct services *s, unsigned seconds, struct err *err);

/* Start them in order; a program that runs already is fine, one that is being stopped
 * is waited for. Those that do not start keep none of the others from being started. A
 * start may take minutes (300 seconds), and is given 30 seconds more to get from
 * STARTING or BACKOFF to RUNNING; no program is started after 15 minutes in all. Not
 * interruptible. Returns 0, or -1 with ERR_FAIL naming those that do not run, each with
 * what supervisord says of it, or that supervisord does not answer. */
int services_start(const struct services *s, struct err *err);

#endif
