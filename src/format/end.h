/*
 * END: the last record, which proves that nothing is missing; and the tail of the file,
 * a hint that leads to it from the back.
 */
#ifndef FORMAT_END_H
#define FORMAT_END_H

#include <stddef.h>
#include <stdint.h>

#include "format/limits.h"
#include "util/err.h"

/* END: the last record, 256 bytes */
struct end {
    uint64_t records;   /* all records, END included */
    uint64_t chunks;    /* DATA records */
    uint64_t tar_bytes; /* length of the tar stream */
    uint64_t offset;    /* of END's own head, from the first byte after the header */
    uint64_t entries;   /* items in all ENTRIES */
    uint64_t warnings;  /* of the run that wrote the archive */
    uint64_t root_offset, root_seq;
    uint64_t manifest_offset, manifest_seq; /* of the second MANIFEST */
    uint64_t manifest_len, root_len;        /* body lengths, tag included */
};
void end_encode(const struct end *e, uint8_t raw[END_SIZE]);
/* ERR_DAMAGED when reserved bytes are not zero. */
int end_decode(const uint8_t raw[END_SIZE], struct end *e, struct err *err);

/* tail: the last 32 bytes of the file. A hint. */
void end_tail_encode(unsigned header_units, uint64_t archive_len,
                     uint8_t raw[TAIL_SIZE]);
/* Returns 0, or -1 (no err) when it is no tail. */
int end_tail_decode(const uint8_t raw[TAIL_SIZE], unsigned *header_units,
                    uint64_t *archive_len);

#endif
