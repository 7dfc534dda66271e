/* pmm-seal backup: options to the job, and a summary. See struct command_row in run.c.
 */
#ifndef CLI_CMD_BACKUP_H
#define CLI_CMD_BACKUP_H

#include "cli/run.h"

int cmd_backup_run(struct run *r, struct err *err);
void cmd_backup_print(const struct run *r);

#endif
