#include "format/table.h"

#include "util/le.h"

void table_root_encode(const struct table_root *e, uint8_t raw[TABLE_ROOT_SIZE])
{
    le64_put(raw, e->offset);
    le64_put(raw + 8, e->seq);
    le64_put(raw + 16, e->first_chunk);
    le64_put(raw + 24, e->first_offset);
}

void table_root_decode(const uint8_t raw[TABLE_ROOT_SIZE], struct table_root *e)
{
    e->offset = le64_get(raw);
    e->seq = le64_get(raw + 8);
    e->first_chunk = le64_get(raw + 16);
    e->first_offset = le64_get(raw + 24);
}
