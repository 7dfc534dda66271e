#include "format/frame.h"

#include "util/le.h"

#define SKIPPABLE_HEAD 8u /* zstd: magic u32, content length u32 */

void frame_encode(uint32_t first_entry, uint8_t raw[FRAME_SIZE])
{
    le32_put(raw, FRAME_MAGIC);
    le32_put(raw + 4, FRAME_SIZE - SKIPPABLE_HEAD);
    le32_put(raw + 8, first_entry);
    le32_put(raw + 12, 0);
}

int frame_parse(const uint8_t *raw, size_t len, uint32_t *first_entry, struct err *err)
{
    if (len < FRAME_SIZE || le32_get(raw) != FRAME_MAGIC ||
        le32_get(raw + 4) != FRAME_SIZE - SKIPPABLE_HEAD || le32_get(raw + 12) != 0)
        return err_set(err, ERR_DAMAGED,
                       "a chunk does not begin as this format's chunks do");
    *first_entry = le32_get(raw + 8);
    return 0;
}
