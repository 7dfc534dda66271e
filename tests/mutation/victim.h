/*
 * The archives that tests/mutation/test_mutation.c damages: small, whole, with every
 * kind of record; and for each byte of them what it belongs to.
 */
#ifndef TESTS_VICTIM_H
#define TESTS_VICTIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/buf.h"
#include "util/err.h"

/* What a byte of an archive belongs to: the rows of docs/FORMAT.md, section 2. */
enum region_kind {
    REGION_HEADER, /* the front one; its slots are a row of their own */
    REGION_SLOTS,
    REGION_FIRST_MANIFEST,
    REGION_DATA, /* a chunk that holds nothing of victim.part */
    REGION_DATA_OF_PART /* one that does */,
    REGION_ENTRIES,
    REGION_ANCILLARY,
    REGION_MANIFEST,
    REGION_TABLE,
    REGION_ROOT,
    REGION_END,
    REGION_COPY, /* of the header */
    REGION_COPY_SLOTS,
    REGION_TAIL,
    REGION_KINDS,
};

struct region {
    enum region_kind kind;
    size_t from, to; /* bytes [from, to) of the archive */
};

#define VICTIM_REGIONS_MAX 64u

struct victim {
    const char *name;
    const char *passphrase;
    struct buf bytes; /* the archive */
    struct region regions[VICTIM_REGIONS_MAX];
    size_t nregions;   /* they tile the archive */
    size_t entries;    /* in it, the root included */
    const char *part;  /* a file in it, not in every chunk */
    const char *check; /* what that file holds */
};

/* Written by container/writer from a tree that is made for it below the directory
 * `dir`: two slots (the first one is another passphrase's), three chunks of 64 KiB.
 * Returns 0, or -1. */
int victim_written(struct victim *v, int dir, struct err *err);

/* The example of docs/FORMAT.md, which has ancillary records as well; `srcdir` is the
 * folder of the sources. Its records are cut out of the text. */
int victim_example(struct victim *v, const char *srcdir, struct err *err);

void victim_free(struct victim *v);

#endif
