/* What a run tells the monitoring: --metrics-file. */
#ifndef CLI_METRICSFILE_H
#define CLI_METRICSFILE_H

#include "cli/run.h"

/* Bring the file up to date with this run, however it ended: `status` is its exit
 * status. What it does not know keeps its last value. ERR_FAIL if the file cannot be
 * written. */
int metricsfile_update(const struct run *r, int status, struct err *err);

#endif
