/*
 * A header, as it is parsed once its checksum is good: the checksum needs no key, so
 * anybody can make one. What is taken is written back to the same bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "format/header.h"
#include "format/slot.h"
#include "fuzz.h"

static void walk_slots(struct header *h)
{
    struct err err = {0};
    struct slot s;
    size_t off = 0, last = 0, sum = 0;
    int more;
    while ((more = slot_next(h, &off, &s, &err)) == 1) {
        struct slot_passphrase p;
        FUZZ_CHECK(off > last && off <= h->slots_len);
        FUZZ_CHECK(s.raw == h->slots + last && s.length == off - last);
        last = off;
        sum += s.length;
        if (s.type == SLOT_PASSPHRASE && slot_parse_passphrase(&s, &p, &err) == 0) {
            uint8_t raw[SLOT_PASSPHRASE_SIZE];
            slot_encode_passphrase(&p, s.created, raw);
            FUZZ_CHECK(memcmp(raw, s.raw, sizeof raw) == 0);
        }
        err = (struct err){0};
    }
    FUZZ_CHECK(more == 0 && sum == h->slots_len); /* header_parse has seen to it */
}

/* A slot that is taken out and put in again stands behind the others. */
static void move_first_slot(struct header *h)
{
    struct err err = {0};
    struct slot s;
    size_t off = 0;
    uint16_t len = h->slots_len;
    if (slot_next(h, &off, &s, &err) != 1)
        return;
    uint8_t *copy = malloc(s.length);
    size_t n = s.length;
    FUZZ_CHECK(copy != NULL);
    memcpy(copy, s.raw, n);
    slot_remove(h, 0);
    FUZZ_CHECK(h->slots_len == len - n);
    FUZZ_CHECK(slot_add(h, copy, n, &err) == 0);
    FUZZ_CHECK(h->slots_len == len && memcmp(h->slots + len - n, copy, n) == 0);
    walk_slots(h);
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = {0};
    struct header *h = malloc(sizeof *h);
    size_t len = 0;
    /* What is not given is zero, so that inputs are short. */
    uint8_t *raw = calloc(1, HEADER_UNIT);
    FUZZ_CHECK(h != NULL && raw != NULL);
    if (size > 0)
        memcpy(raw, data, size < HEADER_UNIT ? size : HEADER_UNIT);
    if (header_probe(raw, &len, &err) == 0) {
        FUZZ_CHECK(len >= HEADER_UNIT && len <= HEADER_MAX && len % HEADER_UNIT == 0);
        uint8_t *whole = calloc(1, len), *again = calloc(1, len);
        FUZZ_CHECK(whole != NULL && again != NULL);
        memcpy(whole, data, size < len ? size : len);
        if (header_parse(whole, len, h, &err) == 0) {
            header_encode(h, again);
            FUZZ_CHECK(memcmp(whole, again, len - 64) == 0);
            walk_slots(h);
            move_first_slot(h);
        }
        free(whole);
        free(again);
    }
    fuzz_tell(&err);
    FUZZ_CHECK(err.cls == ERR_NONE || err.cls == ERR_DAMAGED);
    free(raw);
    free(h);
    return 0;
}
