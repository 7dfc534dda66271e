/*
 * `pmm-seal backup`: read a tree, write an archive.
 *
 * Facts: source, archive ("-" for a stream), entries, files, dirs, links, others, bytes
 * (sizes of files), stored (without holes), tar_bytes, archive_bytes, excluded, level,
 * seconds, slots_shared (salt and cost taken from an earlier archive), key_check (first
 * 8 bytes, hex), dry_run.
 */
#ifndef JOB_BACKUP_H
#define JOB_BACKUP_H

#include <stdbool.h>

#include "archive/glob.h"
#include "job/job.h"
#include "util/err.h"

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
    bool one_file_system;
    bool new_passphrase; /* --new-passphrase: earlier archives need not open */
    bool allow_weak;     /* --allow-weak-passphrase */
    bool estimate;       /* progress wants a total */
    bool dry_run;        /* walk and count, write nothing, need no passphrase */
};

/* Returns 0 (warnings are in the report), or -1 and nothing is left behind: no archive,
 * no temporary file. ERR_KEY when an earlier archive of the same name in the output
 * directory does not open with this passphrase; ERR_REFUSED for a weak new passphrase,
 * an existing output, an empty SOURCE; ERR_BUSY; ERR_FAIL. */
int backup_run(const struct job *job, const struct backup_opts *opts, struct err *err);

#endif
