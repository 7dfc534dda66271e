/*
 * What is left to do after a PMM volume was restored: said where it is needed, at the
 * end of the restore.
 */
#ifndef CLI_NEXTSTEPS_H
#define CLI_NEXTSTEPS_H

#include "cli/run.h"

/* Print it. If services were stopped and stay so, always that the container is to be
 * restarted; the rest only if a whole PMM volume was restored. */
void nextsteps_print(const struct run *r);

#endif
