#include "format/end.h"

#include <string.h>

#include "util/io.h"
#include "util/le.h"

#define END_USED 96u /* bytes of fields; the rest is zero */

static const uint8_t TAIL_MAGIC[12] = {0x89, 'p', 'm',  'm',  't',  'a',
                                       'i',  'l', '\r', '\n', 0x1a, '\n'};

void end_encode(const struct end *e, uint8_t raw[END_SIZE])
{
    memset(raw, 0, END_SIZE);
    le64_put(raw, e->records);
    le64_put(raw + 8, e->chunks);
    le64_put(raw + 16, e->tar_bytes);
    le64_put(raw + 24, e->offset);
    le64_put(raw + 32, e->entries);
    le64_put(raw + 40, e->warnings);
    le64_put(raw + 48, e->root_offset);
    le64_put(raw + 56, e->root_seq);
    le64_put(raw + 64, e->manifest_offset);
    le64_put(raw + 72, e->manifest_seq);
    le64_put(raw + 80, e->manifest_len);
    le64_put(raw + 88, e->root_len);
}

int end_decode(const uint8_t raw[END_SIZE], struct end *e, struct err *err)
{
    if (!io_is_zero(raw + END_USED, END_SIZE - END_USED))
        return err_set(err, ERR_DAMAGED,
                       "the archive's end is damaged: reserved bytes are not zero");
    e->records = le64_get(raw);
    e->chunks = le64_get(raw + 8);
    e->tar_bytes = le64_get(raw + 16);
    e->offset = le64_get(raw + 24);
    e->entries = le64_get(raw + 32);
    e->warnings = le64_get(raw + 40);
    e->root_offset = le64_get(raw + 48);
    e->root_seq = le64_get(raw + 56);
    e->manifest_offset = le64_get(raw + 64);
    e->manifest_seq = le64_get(raw + 72);
    e->manifest_len = le64_get(raw + 80);
    e->root_len = le64_get(raw + 88);
    return 0;
}

void end_tail_encode(unsigned header_units, uint64_t archive_len,
                     uint8_t raw[TAIL_SIZE])
{
    memset(raw, 0, TAIL_SIZE);
    memcpy(raw, TAIL_MAGIC, sizeof TAIL_MAGIC);
    le16_put(raw + 12, (uint16_t)header_units);
    le64_put(raw + 16, archive_len);
}

int end_tail_decode(const uint8_t raw[TAIL_SIZE], unsigned *header_units,
                    uint64_t *archive_len)
{
    unsigned units = le16_get(raw + 12);
    if (memcmp(raw, TAIL_MAGIC, sizeof TAIL_MAGIC) != 0 || units == 0 ||
        units > HEADER_UNITS_MAX || !io_is_zero(raw + 14, 2) ||
        !io_is_zero(raw + 24, 8))
        return -1;
    *header_units = units;
    *archive_len = le64_get(raw + 16);
    return 0;
}
