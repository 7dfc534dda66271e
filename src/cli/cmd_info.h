/* pmm-seal info: a table of what is known. See struct command_row in cli/run.c. */
#ifndef CLI_CMD_INFO_H
#define CLI_CMD_INFO_H

#include "cli/run.h"

int cmd_info_run(struct run *r, struct err *err);
void cmd_info_print(const struct run *r);

#endif
