/*
 * `pmm-seal verify`: read and check everything, write nothing.
 *
 * Facts: archive, name, host, source, created, entries, bytes, tar_bytes,
 * archive_bytes, carried, generation, seconds.
 */
#ifndef JOB_VERIFY_H
#define JOB_VERIFY_H

#include "job/job.h"
#include "util/err.h"

/* `archive`: a file or "-". A damaged or missing header copy or tail is ERR_DAMAGED
 * here (hint: rekey heals), a stale one a warning. */
int verify_run(const struct job *job, const char *archive, struct err *err);

#endif
