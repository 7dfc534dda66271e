/*
 * `pmm-seal restore --salvage`: of a damaged archive all that can still be
 * authenticated, into a new directory, and what cannot, by name.
 *
 * Facts: those of job/restore.h that apply (entries and bytes are those saved whole;
 * partial is true, for what is there is no volume to start), and
 * salvage.saved, salvage.partial, salvage.lost (entries), salvage.total,
 * salvage.unknown (entries of which neither content nor name is left; both absent where
 * the archive's own count is lost), salvage.damaged_bytes (of the archive).
 */
#ifndef JOB_SALVAGE_H
#define JOB_SALVAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "archive/extract.h"
#include "job/job.h"
#include "util/err.h"

struct salvage_opts {
    const char *archive; /* a file */
    const char *target;  /* absent or empty */
    enum extract_owner owner;
    uint32_t uid, gid; /* EXTRACT_OWNER_FIXED */
    bool read_back;
    bool ignore_space;
    bool name_saved; /* each entry that was saved is a note, entry-saved */
};

/* Returns 0 only if the archive proved to be whole, by all that a restore checks. Else
 * -1 with ERR_DAMAGED and state_told: what could be saved is in the target, each file
 * of which a part is missing under a name with the suffix ".damaged". Warnings:
 * damage-found (bytes of it), entry-partial, entry-lost, entries-unknown. Without
 * state_told nothing was put there: ERR_DAMAGED if there was nothing to save, ERR_KEY,
 * ERR_REFUSED for a target with content, ERR_USAGE for a stream, ERR_FAIL. */
int salvage_run(const struct job *job, const struct salvage_opts *opts,
                struct err *err);

#endif
