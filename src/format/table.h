/*
 * TABLE: the lengths and types of the records since the last TABLE, which makes random
 * access possible; ROOT: where the TABLEs are. Memory is one TABLE at any archive size.
 */
#ifndef FORMAT_TABLE_H
#define FORMAT_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "format/limits.h"
#include "util/err.h"

/* TABLE: one u32 per record since the last TABLE: length | type << 24 */
#define TABLE_ENTRY_SIZE 4u
static inline uint32_t table_entry(uint32_t body_len, uint8_t type)
{
    return body_len | (uint32_t)type << 24;
}
static inline uint32_t table_entry_len(uint32_t e)
{
    return e & 0xffffffu;
}
static inline uint8_t table_entry_type(uint32_t e)
{
    return (uint8_t)(e >> 24);
}

/* ROOT: where each TABLE is and what it covers */
#define TABLE_ROOT_SIZE 32u
struct table_root {
    uint64_t offset; /* of the TABLE's head, from the first byte after the header */
    uint64_t seq;    /* the TABLE's own sequence number */
    uint64_t first_chunk;  /* number of the first DATA it covers (or would) */
    uint64_t first_offset; /* of the head of the first record it covers */
};
void table_root_encode(const struct table_root *e, uint8_t raw[TABLE_ROOT_SIZE]);
void table_root_decode(const uint8_t raw[TABLE_ROOT_SIZE], struct table_root *e);

#endif
