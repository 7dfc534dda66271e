/*
 * `pmm-seal restore`: an archive back into a tree, proved before it is in place.
 *
 * Facts: archive, target, source (as recorded), created, name, host, entries, bytes,
 * proven, proven_cached (files read back from the disk, from the cache), read_back,
 * carried (warnings that came with the archive), partial, seconds, dry_run, stopped
 * (services were stopped and stay so), those of job/pause.h and opened_facts.
 */
#ifndef JOB_RESTORE_H
#define JOB_RESTORE_H

#include <stdbool.h>
#include <stddef.h>

#include "archive/extract.h"
#include "job/job.h"
#include "job/pause.h"
#include "util/err.h"

struct restore_opts {
    const char *archive; /* file or "-" */
    const char *target;
    const char *const *paths; /* npaths == 0: everything */
    size_t npaths;
    bool replace;
    enum extract_owner owner;
    uint32_t uid, gid; /* EXTRACT_OWNER_FIXED */
    bool read_back;
    bool ignore_space;
    const char *target_version; /* of the PMM that will run on it, or NULL */
    bool force_version;
    struct pause_opts pause; /* services only */
    bool dry_run; /* check the archive (with paths: what holds them); write nothing, and
                   * do not look at the target */
};

/* Returns 0, or -1: what stood at the target stands there untouched and no staging
 * directory is left, unless err->state_told: then the hint says what became of it.
 * ERR_REFUSED for a target with content without `replace`, a running server, an archive
 * of a newer PMM, an archive inside the target, a mount in the way. */
int restore_run(const struct job *job, const struct restore_opts *opts,
                struct err *err);

#endif
