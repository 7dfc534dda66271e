#include "container/chunk.h"

#include <stdlib.h>
#include <string.h>

#include "format/end.h"
#include "format/frame.h"
#include "seal/aead.h"
#include "util/io.h"
#include "util/le.h"

struct chunk **chunk_new_all(size_t n, size_t plain_cap, size_t record_cap)
{
    struct chunk **c = calloc(n, sizeof *c);
    if (c == NULL)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        c[i] = calloc(1, sizeof **c);
        if (c[i] == NULL || buf_reserve(&c[i]->plain, plain_cap) != 0 ||
            buf_reserve(&c[i]->record, record_cap) != 0) {
            chunk_free_all(c, n);
            return NULL;
        }
    }
    return c;
}

void chunk_free(struct chunk *c)
{
    if (c == NULL)
        return;
    buf_free(&c->plain);
    buf_free(&c->record);
    free(c);
}

void chunk_free_all(struct chunk **c, size_t n)
{
    if (c == NULL)
        return;
    for (size_t i = 0; i < n; i++)
        chunk_free(c[i]);
    free(c);
}

/* The body before sealing, into record[RECORD_HEAD_SIZE ..]. */
static int pack(struct chunk *c, struct codec *codec, size_t *body, struct err *err)
{
    uint8_t *out = c->record.p + RECORD_HEAD_SIZE;
    size_t cap = c->record.cap - RECORD_HEAD_SIZE - TAG_SIZE, front = 0;

    if (c->head.type == REC_END) {
        memcpy(out, c->plain.p, c->plain.len);
        *body = c->plain.len;
        return 0;
    }
    if (c->head.type == REC_DATA) {
        frame_encode(c->first_entry, out);
        front = FRAME_SIZE;
    }
    if (codec_pack(codec, c->plain.p, c->plain.len, out + front, cap - front, body,
                   err))
        return -1;
    *body += front;
    return 0;
}

int chunk_seal(struct chunk *c, struct codec *codec, const struct keys *keys,
               const uint8_t *fixed, struct err *err)
{
    size_t need = RECORD_HEAD_SIZE + FRAME_SIZE + codec_bound(c->plain.len) + TAG_SIZE;
    size_t body;

    c->record.len = 0;
    if (buf_reserve(&c->record, need) != 0)
        return err_nomem(err);
    if (pack(c, codec, &body, err) != 0)
        return -1;
    c->head.body_len = (uint32_t)(body + TAG_SIZE);
    record_head_encode(&c->head, c->record.p);
    aead_seal(keys, fixed, &c->head, c->record.p + RECORD_HEAD_SIZE, body);
    c->record.len = RECORD_HEAD_SIZE + body + TAG_SIZE;
    return 0;
}

static int bad(const struct chunk *c, const char *why, struct err *err)
{
    return err_set(err, ERR_DAMAGED,
                   "the archive is damaged: record %llu at byte %llu: %s",
                   (unsigned long long)c->head.seq, (unsigned long long)c->offset, why);
}

/* What may follow a chunk's frame: nothing, or one skippable frame of zeros. */
static int padding_ok(const uint8_t *p, size_t len)
{
    if (len == 0)
        return 1;
    return len >= 8 && le32_get(p) == FRAME_PADDING_MAGIC &&
           le32_get(p + 4) == len - 8 && io_is_zero(p + 8, len - 8);
}

/* One frame at p[0..len) into c->plain; *rest is what follows it. */
static int unpack(struct chunk *c, struct codec *codec, const uint8_t *p, size_t len,
                  size_t cap, size_t *rest, struct err *err)
{
    size_t used, out;
    struct err why = {0};

    if (c->plain.cap < cap && buf_reserve(&c->plain, cap) != 0)
        return err_nomem(err);
    if (codec_unpack(codec, p, len, c->plain.p, cap, &out, &used, &why) != 0)
        return why.cls == ERR_DAMAGED ? bad(c, why.text, err) : err_nomem(err);
    c->plain.len = out;
    *rest = len - used;
    return 0;
}

int chunk_open(struct chunk *c, struct codec *codec, const struct keys *keys,
               const uint8_t *fixed, uint32_t chunk_size, struct err *err)
{
    uint8_t *body = c->record.p + RECORD_HEAD_SIZE;
    size_t len = c->head.body_len - TAG_SIZE, rest;

    c->plain.len = 0;
    if (aead_open(keys, fixed, &c->head, body) != 0)
        return bad(c, "its content does not match its seal", err);
    if (c->head.type & (REC_ANCILLARY | REC_CLEAR_BODY))
        return 0; /* authenticated, counted, not understood */

    if (c->head.type == REC_END)
        return buf_add(&c->plain, body, len) == 0 ? 0 : err_nomem(err);
    if (c->head.type != REC_DATA) {
        if (unpack(c, codec, body, len, META_PLAIN_MAX(chunk_size), &rest, err) != 0)
            return -1;
        return rest == 0 ? 0 : bad(c, "it holds more than its frame", err);
    }
    if (frame_parse(body, len, &c->first_entry, err) != 0)
        return -1;
    if (unpack(c, codec, body + FRAME_SIZE, len - FRAME_SIZE, chunk_size, &rest, err) !=
        0)
        return -1;
    if (c->plain.len == 0 || !padding_ok(body + len - rest, rest))
        return bad(c, "it is not made of one frame", err);
    if (c->first_entry != FRAME_NO_ENTRY && c->first_entry >= c->plain.len)
        return bad(c, "its first entry lies outside it", err);
    return 0;
}
