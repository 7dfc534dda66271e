/*
 * Random access into a file: from END to ROOT, from ROOT to TABLEs, from TABLEs to
 * records. Memory is the ROOT and one TABLE. Not for use by two threads at once; two of
 * them on one reader are fine.
 */
#ifndef CONTAINER_INDEX_H
#define CONTAINER_INDEX_H

#include <stddef.h>
#include <stdint.h>

#include "container/reader.h"
#include "util/buf.h"
#include "util/err.h"

struct index {
    const struct reader *r;
    struct reader_scratch scratch;
    struct end end;
    struct buf root;                /* table_root rows */
    struct buf table;               /* the TABLE loaded: u32 rows */
    size_t table_no;                /* which, or SIZE_MAX */
    size_t row;                     /* cursor in `table`: */
    uint64_t row_offset, row_chunk; /* what the cursor's record is */
    size_t scan_table, scan_row;    /* cursor of index_entries */
    uint64_t scan_offset, scan_entries;
};

/* Authenticate END and read ROOT. Returns 0 and *ix (index_free), or -1. */
int index_open(struct index **ix, const struct reader *r, struct err *err);
void index_free(struct index *ix);

/* The final manifest's JSON, in *p, *len until the next call on ix. */
int index_manifest(struct index *ix, const uint8_t **p, size_t *len, struct err *err);

/* The next ENTRIES record's items, in *p, *len until the next call on ix. Returns 1, 0
 * when there are no more, -1. index_rewind starts over. */
int index_entries(struct index *ix, const uint8_t **p, size_t *len, struct err *err);
void index_rewind(struct index *ix);

/* Where DATA number `chunk` is. Fast for ascending numbers. ERR_DAMAGED when the tables
 * do not hold it. */
int index_chunk(struct index *ix, uint64_t chunk, struct reader_place *place,
                struct err *err);

#endif
