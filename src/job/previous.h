/*
 * Earlier archives of the same name where a new one will stand. Today's passphrase must
 * open the newest of them: a chain with two passphrases would be found out at restore
 * only.
 */
#ifndef JOB_PREVIOUS_H
#define JOB_PREVIOUS_H

#include <stdbool.h>

#include "job/job.h"
#include "seal/keys.h"
#include "util/err.h"

/* Look in the directory `dir` (a path) for archives of `name` and try `ring` on the
 * newest readable one. *found is whether one opened, and then *u holds its salt and
 * cost for the new archive to share. Without `must_open` a passphrase that opens none
 * is no error. ERR_KEY otherwise, naming the archive and `source` of the passphrase. A
 * archive that cannot be used is a warning (previous-unusable) and passed over. */
int previous_check(const struct job *job, const char *dir, const char *name,
                   struct keyring *ring, const char *source, bool must_open,
                   bool *found, struct unlocked *u, struct err *err);

#endif
