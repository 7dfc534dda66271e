/*
 * `pmm-seal verify`: read and check everything, write nothing.
 *
 * Facts: archive, name, host, source, created, entries, bytes, tar_bytes,
 * archive_bytes, carried, generation, seconds.
 */
#ifndef JOB_VERIFY_H
#define JOB_VERIFY_H

#include <stdint.h>

#include "job/job.h"
#include "job/key.h"
#include "util/err.h"

/* `archive`: a file or "-". A damaged or missing header copy or tail is ERR_DAMAGED
 * here (hint: rekey heals), a stale one a warning. */
int verify_run(const struct job *job, const char *archive, struct err *err);

struct verified {
    uint8_t id[16];    /* of the archive */
    uint64_t bytes;    /* its size */
    uint64_t entries;  /* in it */
    uint64_t warnings; /* that it carries, or of its header */
};

/* The same for one archive of several, with a key that is there: what it has to tell
 * goes nowhere but into *v. */
int verify_one(const struct job *job, const char *archive, const struct key *key,
               struct verified *v, struct err *err);

#endif
