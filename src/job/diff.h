/*
 * `pmm-seal diff`: an archive against a directory, content byte for byte and metadata.
 *
 * Facts: directory, entries, bytes, differences, those of opened_facts.
 */
#ifndef JOB_DIFF_H
#define JOB_DIFF_H

#include <stdbool.h>

#include "archive/compare.h"
#include "archive/glob.h"
#include "job/job.h"
#include "util/err.h"

struct diff_opts {
    const char *archive; /* file or "-" */
    const char *directory;
    bool ignore_owner;
    struct globset *excludes;
    bool no_defaults; /* what a backup leaves out by default is "extra" as well */
    compare_fn *fn;   /* told each difference; main thread */
    void *fn_ctx;
};

/* Returns 0 when the comparison could be made; differences are in *count. */
int diff_run(const struct job *job, const struct diff_opts *opts, uint64_t *count,
             struct err *err);

#endif
