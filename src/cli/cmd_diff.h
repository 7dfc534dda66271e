/* pmm-seal diff: a line for each difference. See struct command_row in run.c. */
#ifndef CLI_CMD_DIFF_H
#define CLI_CMD_DIFF_H

#include "cli/run.h"

int cmd_diff_run(struct run *r, struct err *err);
void cmd_diff_print(const struct run *r);

#endif
