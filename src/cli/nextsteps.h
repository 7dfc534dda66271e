/*
 * What is left to do after a PMM volume was restored: said where it is needed, at the
 * end of the restore.
 */
#ifndef CLI_NEXTSTEPS_H
#define CLI_NEXTSTEPS_H

#include "cli/run.h"

/* Print it; nothing if the archive was of no PMM volume. */
void nextsteps_print(const struct run *r);

#endif
