/*
 * What a restore was asked to set and could not: how often, and where first. Told once,
 * at the end.
 */
#ifndef ARCHIVE_MISSED_H
#define ARCHIVE_MISSED_H

#include <stdbool.h>
#include <stdint.h>

#include "archive/meta.h"
#include "util/err.h"
#include "util/notice.h"

struct missed_tally {
    uint64_t n;
    char *first; /* path */
};

/* Zeroed: nothing yet. */
struct missed {
    struct missed_tally owner, xattr, time, device;
};

/* Count what `m` says of `path`. 0, or -1 when memory is short. */
int missed_meta(struct missed *t, const struct meta_missed *m, const char *path,
                struct err *err);

/* A device file could not be made. */
int missed_device(struct missed *t, const char *path, struct err *err);

/* Warnings owner-not-set, xattr-not-set, time-not-kept, device-not-made, each with the
 * first path and the count. Where owners were not to be set, that is a note. */
void missed_tell(const struct missed *t, bool set_owner,
                 const struct notice_sink *notices);

void missed_free(struct missed *t);

#endif
