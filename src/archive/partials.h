/*
 * Files of which only a part could be had. Each keeps its own name until its directory
 * is left, since only then is it known which names the other entries take; then it is
 * called NAME.damaged, or NAME.damaged.2 ... where that is taken.
 */
#ifndef ARCHIVE_PARTIALS_H
#define ARCHIVE_PARTIALS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "archive/entry.h"
#include "archive/spool.h"
#include "util/err.h"
#include "util/notice.h"

struct partial_file {
    struct entry e; /* as it is on the disk; once renamed with its new path */
    uint8_t hash[SPOOL_HASH_SIZE];
    size_t level; /* of the directory it lies in, for partials_settle */
    bool settled;
    char *path; /* in the archive */
    char *what; /* of it is missing */
};

/* Zeroed: none yet. */
struct partials {
    struct partial_file *v;
    size_t n, cap;
};

/* Add the file that *e describes; takes over what *e owns and leaves it empty. `what`
 * (copied) says what is missing. 0, or -1 with ERR_FAIL. */
int partials_add(struct partials *p, struct entry *e,
                 const uint8_t hash[SPOOL_HASH_SIZE], size_t level, const char *what,
                 struct err *err);

/* Give the files of `level` their names in the directory `dirfd`, which changes its
 * times; tell of each (warning entry-partial) and add it to `spool` (or NULL). */
int partials_settle(struct partials *p, size_t level, int dirfd, struct spool *spool,
                    const struct notice_sink *notices, struct err *err);

/* Whether `path` is that of such a file in the archive, or the one it was given. */
bool partials_named(const struct partials *p, const char *path);

void partials_free(struct partials *p);

#endif
