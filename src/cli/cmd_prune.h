/* `pmm-seal prune`. */
#ifndef CLI_CMD_PRUNE_H
#define CLI_CMD_PRUNE_H

#include "cli/run.h"

int cmd_prune_run(struct run *r, struct err *err);
void cmd_prune_print(const struct run *r);

#endif
