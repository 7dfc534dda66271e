/*
 * The proof that a restored tree arrived: everything is read again, from the disk where
 * the cache lets go of it, and held against the spool.
 */
#ifndef ARCHIVE_READBACK_H
#define ARCHIVE_READBACK_H

#include <stdbool.h>
#include <stdint.h>

#include "archive/spool.h"
#include "util/err.h"
#include "util/notice.h"
#include "util/progress.h"

struct readback_counts {
    uint64_t proven;        /* files all of which came from the disk */
    uint64_t proven_cached; /* files some page of which was in the cache */
};

/* Read back everything in the spool below rootfd, after the file system was synced.
 * `walk`: see archive/beneath.h. Adds bytes read to progress->bytes (or NULL). What the
 * caller has no right to open is passed over with the warning not-read-back. Returns 0;
 * -1 with ERR_FAIL that names the first file that differs, or ERR_SIGNAL. */
int readback_run(int rootfd, bool walk, struct spool *spool,
                 const struct notice_sink *notices, struct progress *progress,
                 struct readback_counts *counts, struct err *err);

#endif
