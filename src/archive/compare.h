/*
 * Entries against a tree on disk, for `diff`: content byte for byte, and metadata.
 * Entries come in archive order; what lies in the tree and not in the archive is found
 * by merging with a sorted walk of each directory.
 */
#ifndef ARCHIVE_COMPARE_H
#define ARCHIVE_COMPARE_H

#include <stdbool.h>
#include <stdint.h>

#include "archive/entry.h"
#include "archive/glob.h"
#include "util/err.h"

/* One difference. `what`: "missing", "extra", "type", "content", "size", "mode",
 * "owner", "mtime", "link", "xattr NAME", "device". Not called twice for the same path
 * and what. */
typedef void compare_fn(void *ctx, const char *path, const char *what);

struct compare_opts {
    bool ignore_owner;        /* --no-owner */
    struct globset *excludes; /* paths not to be called "extra", or NULL */
    struct globset *defaults; /* the same */
    bool partial;             /* entries are a selection: "extra" is not looked for */
};

struct compare;

int compare_open(struct compare **c, int rootfd, const struct compare_opts *opts,
                 compare_fn *fn, void *ctx, struct err *err);

/* As extract: entry, data, end. Sockets on disk are not "extra" (they are never
 * stored). */
int compare_entry(struct compare *c, const struct entry *e, struct err *err);
int compare_data(struct compare *c, const void *buf, size_t len, uint64_t off,
                 struct err *err);
int compare_end(struct compare *c, struct err *err);
int compare_finish(struct compare *c, struct err *err);

/* Differences found. */
uint64_t compare_count(const struct compare *c);
void compare_free(struct compare *c);

#endif
