/*
 * Everything of format/ that has a fixed shape, by the first byte of the input: items,
 * END, the tail, rows of ROOT, the frame of a chunk, the head of a record. What is
 * taken is written back to the same bytes.
 */
#include <string.h>

#include "format/end.h"
#include "format/frame.h"
#include "format/item.h"
#include "format/record.h"
#include "format/table.h"
#include "fuzz.h"
#include "job/itemrules.h"
#include "util/le.h"
#include "util/path.h"

/* An item without fields of later versions is its own encoding. */
static void again(const struct item *item, const uint8_t *p, size_t used)
{
    struct err err = {0};
    struct item second;
    struct buf b = {0};
    size_t n;
    FUZZ_CHECK(item_encode(item, &b, &err) == 0);
    FUZZ_CHECK(b.len <= used);
    FUZZ_CHECK(b.len != used || memcmp(b.p, p, used) == 0);
    FUZZ_CHECK(item_decode(b.p, b.len, &second, &n, &err) == 0);
    FUZZ_CHECK(n == b.len && item_equal(item, &second));
    buf_free(&b);
}

static void items(const uint8_t *p, size_t len)
{
    struct err err = {0};
    struct itemrules rules = {.count = 0};
    struct item item;
    size_t used, n = 0;
    bool in_order = true;
    for (size_t off = 0; off < len; off += used, n++) {
        if (item_decode(p + off, len - off, &item, &used, &err) != 0)
            break;
        FUZZ_CHECK(used >= 76 && used <= len - off && used <= ITEM_MAX);
        FUZZ_CHECK(path_valid(item.path, strlen(item.path)));
        FUZZ_CHECK(item.mtime_ns < 1000000000 && (item.mode & ~07777u) == 0);
        FUZZ_CHECK((item.link != NULL) ==
                   (item.type == ITEM_SYMLINK || item.type == ITEM_HARDLINK));
        again(&item, p + off, used);
        struct err why = {0};
        in_order = in_order &&
                   itemrules_path(&rules, item.path, item.type, &why) == 0 &&
                   itemrules_tile(&rules, &item, &why) == 0;
    }
    fuzz_tell(&err);
    FUZZ_CHECK(err.cls == ERR_NONE || err.cls == ERR_DAMAGED);
    if (in_order)
        FUZZ_CHECK(rules.count == n);
    itemrules_free(&rules);
}

static void end(const uint8_t *p)
{
    struct err err = {0};
    struct end e;
    uint8_t raw[END_SIZE];
    if (end_decode(p, &e, &err) != 0)
        return;
    end_encode(&e, raw);
    FUZZ_CHECK(memcmp(raw, p, sizeof raw) == 0);
}

static void tail(const uint8_t *p)
{
    uint8_t raw[TAIL_SIZE];
    unsigned units;
    uint64_t len;
    if (end_tail_decode(p, &units, &len) != 0)
        return;
    end_tail_encode(units, len, raw);
    FUZZ_CHECK(memcmp(raw, p, sizeof raw) == 0);
}

static void root(const uint8_t *p)
{
    struct table_root row;
    uint8_t raw[TABLE_ROOT_SIZE];
    table_root_decode(p, &row);
    table_root_encode(&row, raw);
    FUZZ_CHECK(memcmp(raw, p, sizeof raw) == 0);
}

static void frame(const uint8_t *p, size_t len)
{
    struct err err = {0};
    uint32_t first;
    uint8_t raw[FRAME_SIZE];
    if (frame_parse(p, len, &first, &err) != 0)
        return;
    frame_encode(first, raw);
    FUZZ_CHECK(len >= sizeof raw && memcmp(raw, p, sizeof raw) == 0);
}

static void head(const uint8_t *p, unsigned chunk_log2)
{
    struct err err = {0};
    struct record_head h;
    uint8_t raw[RECORD_HEAD_SIZE];
    uint32_t chunk = 1u << chunk_log2;
    if (record_head_parse(p, p, chunk, &h, &err) != 0) {
        FUZZ_CHECK(err.cls == ERR_DAMAGED);
        return;
    }
    FUZZ_CHECK(h.body_len >= TAG_SIZE && h.body_len < 1u << 24);
    FUZZ_CHECK(h.type != REC_DATA || h.body_len <= DATA_BODY_MAX(chunk));
    FUZZ_CHECK(h.body_len <= META_BODY_MAX(chunk));
    record_head_encode(&h, raw);
    FUZZ_CHECK(memcmp(raw, p, sizeof raw) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    uint8_t what = fuzz_u8(&in);
    uint8_t whole[END_SIZE] = {0};
    if (in.len > 0)
        memcpy(whole, in.p, in.len < sizeof whole ? in.len : sizeof whole);
    switch (what) {
    case 'E':
        end(whole);
        break;
    case 'T':
        tail(whole);
        break;
    case 'R':
        root(whole);
        break;
    case 'F':
        frame(in.p, in.len);
        break;
    case 'H':
        head(whole, CHUNK_LOG2_MIN + whole[64] % (CHUNK_LOG2_MAX - CHUNK_LOG2_MIN + 1));
        break;
    default:
        items(in.p, in.len);
    }
    return 0;
}
