/* pmm-seal backup: options to the job, and a summary. See struct command_row in run.c.
 */
#ifndef CLI_CMD_BACKUP_H
#define CLI_CMD_BACKUP_H

#include "cli/run.h"
#include "job/backup.h"

int cmd_backup_run(struct run *r, struct err *err);
void cmd_backup_print(const struct run *r);

/* What the options ask of a backup; all but `host`. *b points into *o and *prune. */
void cmd_backup_opts(const struct options *o, struct backup_opts *b,
                     struct prune_opts *prune);

#endif
