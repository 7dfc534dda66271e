#include "format/record.h"

#include <string.h>

#include "util/io.h"
#include "util/le.h"

void record_head_encode(const struct record_head *h, uint8_t raw[RECORD_HEAD_SIZE])
{
    memset(raw, 0, RECORD_HEAD_SIZE);
    memcpy(raw, h->sync, sizeof h->sync);
    raw[4] = h->type;
    le32_put(raw + 8, h->body_len);
    le64_put(raw + 16, h->seq);
    le64_put(raw + 24, h->pos);
}

/* An ancillary type never shares its kind with one of ours: whoever looks only at the
 * kind cannot take the one for the other. */
static bool type_known(uint8_t type)
{
    if (type & REC_ANCILLARY)
        return REC_KIND(type) > REC_TYPE_MAX;
    return type >= REC_DATA && type <= REC_TYPE_MAX;
}

bool record_in_bounds(uint8_t type, uint32_t chunk, uint64_t len)
{
    if (!type_known(type))
        return false;
    if (type == REC_END)
        return len == END_SIZE + TAG_SIZE;
    uint32_t max = type == REC_DATA ? DATA_BODY_MAX(chunk) : META_BODY_MAX(chunk);
    return len >= TAG_SIZE && len <= max;
}

int record_head_parse(const uint8_t raw[RECORD_HEAD_SIZE], const uint8_t sync[4],
                      uint32_t chunk, struct record_head *h, struct err *err)
{
    const char *why = NULL;
    uint8_t type = raw[4];
    uint32_t len = le32_get(raw + 8);

    if (memcmp(raw, sync, sizeof h->sync) != 0)
        why = "it does not begin with this archive's mark";
    else if (!type_known(type))
        why = "its type is unknown";
    else if (!io_is_zero(raw + 5, 3) || !io_is_zero(raw + 12, 4))
        why = "reserved bytes are not zero";
    else if (!record_in_bounds(type, chunk, len))
        why = "its length is out of range";
    if (why != NULL)
        return err_set(err, ERR_DAMAGED, "the head of a record is damaged: %s", why);

    memcpy(h->sync, raw, sizeof h->sync);
    h->type = type;
    h->body_len = len;
    h->seq = le64_get(raw + 16);
    h->pos = le64_get(raw + 24);
    return 0;
}

/* The sequence alone makes the nonce unique under one file key. The type is in it so
 * that no record can be opened as one of another type even by a reader that forgot the
 * AAD. */
void record_nonce(const struct record_head *h, uint8_t nonce[24])
{
    memset(nonce, 0, 24);
    nonce[0] = h->type;
    le64_put(nonce + 16, h->seq);
}
