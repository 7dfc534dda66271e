/* pmm-seal restore. See struct command_row in cli/run.c. */
#ifndef CLI_CMD_RESTORE_H
#define CLI_CMD_RESTORE_H

#include "cli/run.h"

int cmd_restore_run(struct run *r, struct err *err);
void cmd_restore_print(const struct run *r);

#endif
