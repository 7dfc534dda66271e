/*
 * `pmm-seal backup`: read a tree, write an archive.
 *
 * Facts: source, archive ("-" for a stream), entries, files, dirs, links, others, bytes
 * (sizes of files), stored (without holes), tar_bytes, archive_bytes, excluded,
 * default_excluded and default_excluded_bytes (left out by default), level, seconds,
 * state ("stopped", "crashed", "live"; PMM volumes only), those of job/source.h and
 * job/pause.h, slots_shared (salt and cost taken from an earlier archive),
 * passphrase_created (seconds since 1970), key_check (first 8 bytes, hex), verified
 * (bool: was read back and proved), dry_run; with `prune` those of job/prune.h.
 */
#ifndef JOB_BACKUP_H
#define JOB_BACKUP_H

#include <stdbool.h>

#include "archive/glob.h"
#include "job/job.h"
#include "job/pause.h"
#include "job/prune.h"
#include "pmm/excludes.h"
#include "util/err.h"

enum backup_verify {
    BACKUP_VERIFY_DIRECTORY, /* where the output is a directory */
    BACKUP_VERIFY_ALWAYS,    /* but not of a stream */
    BACKUP_VERIFY_NEVER,
};

struct backup_opts {
    const char *source;   /* a directory */
    const char *output;   /* file, directory or "-" */
    const char *name;     /* --name */
    const char *host;     /* this machine's, for the manifest */
    bool force;           /* overwrite an existing archive */
    int level;            /* zstd, 1..19 */
    struct kdf_cost cost; /* for a new salt */
    bool cost_chosen; /* --kdf was given: do not take cost from an earlier archive */
    struct globset *excludes;
    bool no_defaults; /* --no-default-excludes */
    bool one_file_system;
    bool allow_live; /* --allow-live */
    struct pause_opts pause;
    unsigned stall; /* seconds that a stream may take no byte; 0: for ever */
    const char *const *add, *const *attach; /* files from outside SOURCE; NULL-ended or
                                               NULL */
    bool env_values;                        /* --env-values */
    bool new_passphrase;       /* --new-passphrase: earlier archives need not open */
    bool allow_weak;           /* --allow-weak-passphrase */
    bool estimate;             /* progress wants a total */
    bool dry_run;              /* walk and count, write nothing, need no passphrase */
    enum backup_verify verify; /* read the archive back and prove it before it gets its
                                  name */
    bool
        require_mount; /* the output's directory must be one, as mount_require has it */
    unsigned lock_wait; /* seconds; for the lock of the output's directory */
    const struct prune_opts *prune; /* or NULL; what to do afterwards with the archives
                                       of the name; dir and name are set by backup_run,
                                       and it has its lock already */
};

/* What is left out by default of the volume at `source`: each pattern and why. Returns
 * 0, or -1: fn's error, ERR_REFUSED (empty), ERR_BUSY, ERR_USAGE, ERR_FAIL. */
int backup_show_excludes(const struct job *job, const char *source, excludes_fn *fn,
                         void *ctx, struct err *err);

/* Returns 0 (warnings are in the report), or -1 and nothing is left behind, no archive
 * and no temporary file, unless err->state_told. ERR_KEY when the newest earlier
 * archive of the same name in the output directory does not open with this passphrase;
 * ERR_REFUSED for a weak new passphrase, an existing output, an empty SOURCE, a running
 * server, another volume than that of the last archive, archives inside of SOURCE,
 * nothing mounted; ERR_USAGE for `prune` or `require_mount` where the output is no
 * directory; ERR_BUSY; ERR_FAIL; ERR_SIGNAL. If only
 * what was stopped for it does not run again, that is ERR_FAIL and the hint names the
 * archive, which is whole; after another failure it is the warning
 * services-not-restarted. */
int backup_run(const struct job *job, const struct backup_opts *opts, struct err *err);

#endif
