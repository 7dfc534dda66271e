/*
 * Earlier archives of the same name where a new one will stand. Today's passphrase must
 * open the newest of them: a chain with two passphrases would be found out at restore
 * only.
 */
#ifndef JOB_PREVIOUS_H
#define JOB_PREVIOUS_H

#include <stdbool.h>

#include "job/job.h"
#include "report/volumefacts.h"
#include "seal/keys.h"
#include "store/output.h"
#include "util/err.h"

/* What the newest usable archive of the name says. */
struct previous {
    bool found;          /* one opened */
    struct unlocked key; /* its salt and cost, for the new archive to share */
    struct volume_facts volume;
    bool have_volume; /* its manifest could be read */
    uint64_t bytes;   /* its size */
    char path[512];   /* for messages; cut */
};

/* Look in the directory `dir` (a path) for archives of `name` and try `ring` on the
 * newest readable one. Without `must_open` a passphrase that opens none is no error.
 * ERR_KEY otherwise, naming the archive and `source` of the passphrase. An archive that
 * cannot be used is a warning (previous-unusable) and passed over. *p is filled.
 * ERR_FAIL (`dir` cannot be read, I/O), ERR_SIGNAL. */
int previous_check(const struct job *job, const char *dir, const char *name,
                   struct keyring *ring, const char *source, bool must_open,
                   struct previous *p, struct err *err);

/* ERR_REFUSED if that archive came from another PMM volume than `now`, or `now` is
 * none: by PostgreSQL's system identifier, which is new after a change of PostgreSQL's
 * major version only (note volume-upgraded). */
int previous_same_volume(const struct job *job, const struct previous *p,
                         const struct volume_facts *now, struct err *err);

/* ERR_FAIL if there is less room where `out` will stand than that archive takes. */
int previous_fits(const struct previous *p, const struct output *out, struct err *err);

#endif
