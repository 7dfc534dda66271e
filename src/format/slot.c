#include "format/slot.h"

#include <string.h>

#include "util/le.h"

int slot_next(const struct header *h, size_t *off, struct slot *s, struct err *err)
{
    size_t left = h->slots_len - *off;
    if (left == 0)
        return 0;

    const uint8_t *raw = h->slots + *off;
    if (left < SLOT_HEAD_SIZE || le16_get(raw + 2) < SLOT_HEAD_SIZE ||
        le16_get(raw + 2) > left)
        return err_set(err, ERR_DAMAGED, "the header is damaged: a key slot overruns");

    s->type = le16_get(raw);
    s->length = le16_get(raw + 2);
    s->flags = le32_get(raw + 4);
    s->created = (int64_t)le64_get(raw + 8);
    s->raw = raw;
    *off += s->length;
    return 1;
}

int slot_parse_passphrase(const struct slot *s, struct slot_passphrase *p,
                          struct err *err)
{
    if (s->type != SLOT_PASSPHRASE || s->length != SLOT_PASSPHRASE_SIZE ||
        s->flags != 0)
        return err_set(err, ERR_DAMAGED,
                       "the header is damaged: a passphrase slot has a wrong length or "
                       "unknown flags");

    const uint8_t *raw = s->raw + SLOT_HEAD_SIZE;
    memcpy(p->salt, raw, sizeof p->salt);
    p->passes = le32_get(raw + 16);
    p->memory_kib = le32_get(raw + 20);
    memcpy(p->commitment, raw + 24, sizeof p->commitment);
    memcpy(p->wrapped, raw + 56, sizeof p->wrapped);
    return 0;
}

void slot_encode_passphrase(const struct slot_passphrase *p, int64_t created,
                            uint8_t raw[SLOT_PASSPHRASE_SIZE])
{
    le16_put(raw, SLOT_PASSPHRASE);
    le16_put(raw + 2, SLOT_PASSPHRASE_SIZE);
    le32_put(raw + 4, 0);
    le64_put(raw + 8, (uint64_t)created);

    raw += SLOT_HEAD_SIZE;
    memcpy(raw, p->salt, sizeof p->salt);
    le32_put(raw + 16, p->passes);
    le32_put(raw + 20, p->memory_kib);
    memcpy(raw + 24, p->commitment, sizeof p->commitment);
    memcpy(raw + 56, p->wrapped, sizeof p->wrapped);
}

int slot_add(struct header *h, const uint8_t *raw, size_t len, struct err *err)
{
    if (len > header_slot_room(h->units) - h->slots_len)
        return err_set(
            err, ERR_REFUSED,
            "the header has no room for another key slot: %u bytes of %zu are "
            "in use",
            h->slots_len, header_slot_room(h->units));
    memcpy(h->slots + h->slots_len, raw, len);
    h->slots_len = (uint16_t)(h->slots_len + len);
    return 0;
}

void slot_remove(struct header *h, size_t off)
{
    size_t len = le16_get(h->slots + off + 2);
    size_t rest = h->slots_len - off - len;
    memmove(h->slots + off, h->slots + off + len, rest);
    memset(h->slots + off + rest, 0, len);
    h->slots_len = (uint16_t)(h->slots_len - len);
}
