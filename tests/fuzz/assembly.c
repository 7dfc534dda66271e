#include "assembly.h"

#include <string.h>

#include "codec/codec.h"
#include "format/end.h"
#include "format/frame.h"
#include "format/item.h"
#include "format/table.h"
#include "seal/aead.h"
#include "secret/secret.h"
#include "util/le.h"

int __wrap_aead_open(const struct keys *keys, const uint8_t fixed[HEADER_FIXED],
                     const struct record_head *head, uint8_t *body);

int __wrap_aead_open(const struct keys *keys, const uint8_t fixed[HEADER_FIXED],
                     const struct record_head *head, uint8_t *body)
{
    (void)keys, (void)fixed, (void)head, (void)body;
    return 0;
}

#define RECORDS_MAX 100u /* a whole chunk is a few bytes of input */

enum step { DATA, ENTRIES, MANIFEST, ANCILLARY, TABLE, ROOT, END, BYTES };

/* What a writer knows while it writes. */
struct making {
    struct assembly *a;
    struct buf plain, body;
    struct buf content; /* of a frame that the input brought along */
    struct codec *codec;
    uint64_t seq, pos[256];
    struct buf table, root;
    uint64_t table_chunk, table_offset; /* of the first record of this TABLE */
    struct end end;
    bool has_root, has_end;
};

static void add(struct buf *b, const void *p, size_t len)
{
    FUZZ_CHECK(buf_add(b, p, len) == 0);
}

static uint64_t offset(const struct making *m)
{
    return m->a->bytes.len - HEADER_UNIT;
}

/* ---- the header ---- */

struct fixed {
    uint8_t raw[HEADER_UNIT];
    struct keys *keys;
};

static struct fixed *fixed(void)
{
    static struct fixed f;
    static const uint8_t file_key[FILE_KEY_SIZE] = "a file key that is known to all";
    struct err err = {0};
    struct header h = {.version = FORMAT_VERSION,
                       .suite = FORMAT_SUITE,
                       .chunk_log2 = CHUNK_LOG2_MIN,
                       .id = "0123456789abcde",
                       .units = 1,
                       .generation = 1};
    if (f.keys != NULL)
        return &f;
    FUZZ_CHECK(secret_init(&err) == 0);
    header_encode(&h, f.raw);
    FUZZ_CHECK(keys_derive(&f.keys, file_key, f.raw, &err) == 0);
    memcpy(h.key_check, f.keys->check, sizeof h.key_check);
    header_encode(&h, f.raw);
    keys_header_finish(f.raw, sizeof f.raw, f.keys);
    return &f;
}

struct keys *assembly_keys(void)
{
    return fixed()->keys;
}

/* ---- records ---- */

/* One zstd frame of one raw block: content size and single segment (RFC 8878). */
static void add_frame(struct buf *out, const uint8_t *p, size_t len)
{
    uint8_t head[12] = {0x28, 0xb5, 0x2f, 0xfd, 0xa0};
    uint32_t block = (uint32_t)len << 3 | 1;
    le32_put(head + 5, (uint32_t)len);
    memcpy(head + 9,
           (const uint8_t[]){(uint8_t)block, (uint8_t)(block >> 8),
                             (uint8_t)(block >> 16)},
           3);
    add(out, head, sizeof head);
    add(out, p, len);
}

static void patch(struct fuzz_input *in, uint8_t *p, size_t len)
{
    for (unsigned n = fuzz_u8(in); n > 0; n--) {
        size_t at = fuzz_u16(in);
        uint8_t value = fuzz_u8(in);
        if (at < len)
            p[at] = value;
    }
}

/* m->plain into the archive; the row of a TABLE is for the next one. */
static void add_record(struct making *m, uint8_t type, uint8_t flags)
{
    static const uint8_t tag[TAG_SIZE];
    uint8_t raw[RECORD_HEAD_SIZE], row[TABLE_ENTRY_SIZE], front[FRAME_SIZE];
    m->body.len = 0;
    if (type == REC_DATA && (flags & ASSEMBLY_FRAMED) == 0) {
        frame_encode(m->pos[REC_DATA] == 0 ? 0 : FRAME_NO_ENTRY, front);
        add(&m->body, front, sizeof front);
    }
    if ((flags & ASSEMBLY_FRAMED) != 0 || type == REC_END || type >= REC_ANCILLARY)
        add(&m->body, m->plain.p, m->plain.len);
    else
        add_frame(&m->body, m->plain.p, m->plain.len);
    add(&m->body, tag, sizeof tag);

    struct record_head h = {.type = type,
                            .body_len = (uint32_t)m->body.len,
                            .seq = m->seq++,
                            .pos = m->pos[type]++};
    memcpy(h.sync, fixed()->raw + HEADER_OFF_ID, sizeof h.sync);
    record_head_encode(&h, raw);
    add(&m->a->bytes, raw, sizeof raw);
    add(&m->a->bytes, m->body.p, m->body.len);
    le32_put(row, table_entry(h.body_len, type));
    if (type != REC_TABLE)
        add(&m->table, row, sizeof row);
}

/* What a reader will find in m->plain. */
static const struct buf *content(struct making *m, enum step what, uint8_t flags)
{
    struct err err = {0};
    size_t front = what == DATA ? FRAME_SIZE : 0, used;
    m->content.len = 0;
    if ((flags & ASSEMBLY_FRAMED) == 0)
        return &m->plain;
    if (m->codec == NULL)
        FUZZ_CHECK(codec_new(&m->codec, 0, CHUNK_LOG2_MIN, &err) == 0 &&
                   buf_reserve(&m->content, MANIFEST_MAX) == 0);
    if (m->plain.len > front)
        (void)codec_unpack(m->codec, m->plain.p + front, m->plain.len - front,
                           m->content.p, MANIFEST_MAX, &m->content.len, &used, &err);
    return &m->content;
}

static uint64_t count_items(const struct buf *b)
{
    struct err err = {0};
    struct item item;
    uint64_t n = 0;
    size_t used;
    for (size_t off = 0; off < b->len; off += used, n++)
        if (item_decode(b->p + off, b->len - off, &item, &used, &err) != 0)
            break;
    return n;
}

static void plain_table(struct making *m)
{
    uint8_t raw[TABLE_ROOT_SIZE];
    const struct table_root row = {.offset = offset(m),
                                   .seq = m->seq,
                                   .first_chunk = m->table_chunk,
                                   .first_offset = m->table_offset};
    add(&m->plain, m->table.p, m->table.len);
    table_root_encode(&row, raw);
    add(&m->root, raw, sizeof raw);
    m->table.len = 0;
}

static void plain_end(struct making *m)
{
    uint8_t raw[END_SIZE];
    m->end.offset = offset(m);
    m->end.records = m->seq + 1;
    m->end.chunks = m->pos[REC_DATA];
    end_encode(&m->end, raw);
    add(&m->plain, raw, sizeof raw);
}

/* Before the record is added: what END will say of it. */
static void note(struct making *m, enum step what, uint8_t flags)
{
    if (what == ENTRIES) {
        m->end.entries += count_items(content(m, what, flags));
    } else if (what == DATA) {
        m->end.tar_bytes += content(m, what, flags)->len;
    } else if (what == MANIFEST) {
        m->end.manifest_offset = offset(m);
        m->end.manifest_seq = m->seq;
    } else if (what == ROOT) {
        m->end.root_offset = offset(m);
        m->end.root_seq = m->seq;
    }
}

static void add_step(struct making *m, enum step what, uint8_t flags,
                     struct fuzz_input *in)
{
    static const uint8_t types[] = {
        [DATA] = REC_DATA,  [ENTRIES] = REC_ENTRIES, [MANIFEST] = REC_MANIFEST,
        [ANCILLARY] = 0xbf, [TABLE] = REC_TABLE,     [ROOT] = REC_ROOT,
        [END] = REC_END};
    static const uint8_t zeros[ASSEMBLY_CHUNK];
    m->plain.len = 0;
    if (what == TABLE) {
        plain_table(m);
    } else if (what == ROOT) {
        add(&m->plain, m->root.p, m->root.len);
    } else if (what == END) {
        plain_end(m);
    } else {
        struct fuzz_input content = fuzz_bytes(in);
        add(&m->plain, content.p, content.len);
        if (what == DATA && (flags & ASSEMBLY_WHOLE) != 0)
            add(&m->plain, zeros, ASSEMBLY_CHUNK - content.len);
    }
    if ((flags & ASSEMBLY_PATCHED) != 0)
        patch(in, m->plain.p, m->plain.len);
    note(m, what, flags);
    bool clear = what == ANCILLARY && (flags & ASSEMBLY_CLEAR) != 0;
    add_record(m, clear ? 0xff : types[what], flags);
    if (what == MANIFEST)
        m->end.manifest_len = m->body.len;
    else if (what == ROOT)
        m->end.root_len = m->body.len;
    if (what == TABLE) {
        m->table_offset = offset(m);
        m->table_chunk = m->pos[REC_DATA];
    }
    m->has_root = m->has_root || what == ROOT;
    m->has_end = m->has_end || what == END;
}

/* ---- all of it ---- */

static ssize_t read_at(void *ctx, void *buf, size_t len, uint64_t off, struct err *err)
{
    struct assembly *a = ctx;
    (void)err;
    size_t n = off >= a->bytes.len ? 0 : a->bytes.len - (size_t)off;
    if (n > len)
        n = len;
    if (n > 0)
        memcpy(buf, a->bytes.p + off, n);
    return (ssize_t)n;
}

static ssize_t read_on(void *ctx, void *buf, size_t len, struct err *err)
{
    struct assembly *a = ctx;
    ssize_t n = read_at(ctx, buf, len, a->pos, err);
    a->pos += (size_t)n;
    return n;
}

/* The copy of the header and the tail, and what the input has patched of them. */
static void add_spare(struct making *m, struct fuzz_input spare)
{
    struct buf *b = &m->a->bytes;
    uint8_t tail[TAIL_SIZE];
    size_t from = b->len;
    add(b, fixed()->raw, HEADER_UNIT);
    end_tail_encode(1, b->len + TAIL_SIZE, tail);
    add(b, tail, sizeof tail);
    m->a->spare = spare.len > 0;
    patch(&spare, b->p + from, b->len - from);
    add(b, spare.p, spare.len); /* bytes behind the tail */
}

void assembly_make(struct assembly *a, const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size}, nothing = {data, 0}, spare = nothing;
    struct making m = {.a = a};
    *a = (struct assembly){.pos = 0};
    add(&a->bytes, fixed()->raw, HEADER_UNIT);
    while (in.len > 0 && m.seq < RECORDS_MAX) {
        uint8_t op = fuzz_u8(&in);
        enum step what = op & 7u;
        struct fuzz_input content = nothing;
        if (what != BYTES) {
            add_step(&m, what, op & 0xf8u, &in);
            continue;
        }
        content = fuzz_bytes(&in);
        if ((op & ASSEMBLY_SPARE) != 0)
            spare = content;
        else
            add(&a->bytes, content.p, content.len);
    }
    if (!m.has_root && !m.has_end) {
        add_step(&m, TABLE, 0, &nothing);
        add_step(&m, ROOT, 0, &nothing);
    }
    if (!m.has_end)
        add_step(&m, END, 0, &nothing);
    add_spare(&m, spare);
    a->piped = (struct reader_io){.read = read_on, .ctx = a, .size = -1};
    a->file = (struct reader_io){
        .read = read_on, .pread = read_at, .ctx = a, .size = (int64_t)a->bytes.len};
    buf_free(&m.plain);
    buf_free(&m.body);
    buf_free(&m.content);
    codec_free(m.codec);
    buf_free(&m.table);
    buf_free(&m.root);
}

void assembly_free(struct assembly *a)
{
    buf_free(&a->bytes);
}
