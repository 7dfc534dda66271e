/*
 * Whether the servers that own a volume run, told from the volume itself, so that it
 * works from another container and on a read-only mount.
 *
 *   VictoriaMetrics, ClickHouse   hold an exclusive flock on a file in the volume,
 *   Prometheus (PMM < 2.12)       which one sees whatever container it is in
 *   PostgreSQL                    pg_control's state; a postmaster of the same cluster
 *                                 where this process can see it (/proc)
 */
#ifndef PMM_LIVE_H
#define PMM_LIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "pmm/control.h"
#include "report/volumefacts.h"
#include "util/err.h"

enum live_state {
    LIVE_STOPPED, /* shut down in order */
    LIVE_CRASHED, /* nobody is seen to run, and PostgreSQL was not shut down in order,
                     or its pg_control does not say so: it will recover */
    LIVE_RUNNING,
};

#define LIVE_STAMPS 8u

struct live {
    enum live_state state;
    char who[128]; /* RUNNING: "VictoriaMetrics, PostgreSQL"; CRASHED: "PostgreSQL" */
    /* What a start of any of them changes: */
    bool have_control;
    struct control control;
    int64_t stamps[LIVE_STAMPS]; /* change times, in nanoseconds, of the stores' own
                                    files; 0 where there is none */
};

/* Look. Locks are tried shared and let go at once. A volume that is no PMM volume is
 * LIVE_STOPPED. Returns 0, or -1 with ERR_FAIL: it could not be told. */
int live_look(int rootfd, const struct volume_facts *v, struct live *l,
              struct err *err);

/* Whether a server was started or stopped, or PostgreSQL has written its pg_control,
 * between two looks. One that runs at both may have written other files. */
bool live_changed(const struct live *before, const struct live *after);

#endif
