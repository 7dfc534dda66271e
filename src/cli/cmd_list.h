/* pmm-seal list: a line for each entry, as it is read. See struct command_row in
 * cli/run.c. */
#ifndef CLI_CMD_LIST_H
#define CLI_CMD_LIST_H

#include "cli/run.h"

int cmd_list_run(struct run *r, struct err *err);

#endif
