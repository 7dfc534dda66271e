/* pmm-seal verify. See struct command_row in cli/run.c. */
#ifndef CLI_CMD_VERIFY_H
#define CLI_CMD_VERIFY_H

#include "cli/run.h"

int cmd_verify_run(struct run *r, struct err *err);
void cmd_verify_print(const struct run *r);

#endif
