/* pmm-seal rekey. See struct command_row in cli/run.c. */
#ifndef CLI_CMD_REKEY_H
#define CLI_CMD_REKEY_H

#include "cli/run.h"

int cmd_rekey_run(struct run *r, struct err *err);
void cmd_rekey_print(const struct run *r);

#endif
