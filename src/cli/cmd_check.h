/* pmm-seal check-config: each thing that was tried. See struct command_row in run.c. */
#ifndef CLI_CMD_CHECK_H
#define CLI_CMD_CHECK_H

#include "cli/run.h"

int cmd_check_run(struct run *r, struct err *err);
void cmd_check_print(const struct run *r);

#endif
