/*
 * The rules of sequence: which record may follow which, and what TABLE, ROOT and END
 * must say about the records before them. One pass, in order, on opened records; memory
 * is one TABLE and the ROOT. Whoever reads an archive from front to end asks here.
 */
#ifndef CONTAINER_ORDER_H
#define CONTAINER_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "container/chunk.h"
#include "format/end.h"
#include "util/buf.h"
#include "util/err.h"

struct order {
    uint64_t seq;      /* expected next */
    uint64_t pos[256]; /* expected next position of each type */
    uint64_t offset;   /* of the next head */
    uint32_t chunk_size;
    bool short_chunk; /* a DATA under a whole chunk was seen: the last one */
    uint64_t tar_bytes, chunks, entries;
    struct buf table, root; /* as the writer kept them */
    uint64_t table_first_chunk, table_first_offset;
    uint64_t manifest_offset, manifest_seq, manifest_len, root_offset, root_seq,
        root_len;
    uint8_t last;    /* type of the record before */
    bool last_table; /* the TABLE that precedes ROOT was seen */
    bool ended;
    struct end end;
};

void order_init(struct order *o, uint32_t chunk_size);
void order_free(struct order *o);

/* The next opened record. ERR_DAMAGED when it may not stand here or does not say what
 * was seen. Counts entries of ENTRIES by order_entries. */
int order_record(struct order *o, const struct chunk *c, struct err *err);

/* Items in the ENTRIES record just passed: added to the count that END must show. */
void order_entries(struct order *o, uint64_t n);

#endif
