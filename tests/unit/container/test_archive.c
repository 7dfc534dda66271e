/* What goes into an archive comes out of it; what was changed does not. */
#include "memory.h"

#include "format/end.h"
#include "seal/aead.h"

/* Many records with little data: chunks of 64 KiB, and over 16384 of them for a second
 * TABLE. */
static void test_what_was_written_is_read_by_file_and_by_stream(void **state)
{
    (void)state;
    static const struct {
        uint64_t entries;
        size_t each;
    } shapes[] = {{1, 1},      {1, 65536},   {3, 65536},
                  {2, 200000}, {5000, 1536}, {1, 1000000}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        for (unsigned threads = 1; threads <= 4; threads += 3) {
            struct memory m;
            uint64_t bytes, items;
            memory_init(&m, 16);
            memory_write(&m, shapes[i].entries, shapes[i].each, threads);
            for (int stream = 0; stream < 2; stream++) {
                struct err err = {0};
                int rc = memory_read_all(&m, stream, threads, &bytes, &items, &err);
                if (rc != 0)
                    fail_msg("%s", err.text);
                assert_int_equal(bytes, shapes[i].entries * shapes[i].each);
                assert_int_equal(items, shapes[i].entries);
            }
            memory_free(&m);
        }
    }
}

static void test_two_threads_write_the_same_records_as_one(void **state)
{
    (void)state;
    struct memory a, b;
    memory_init(&a, 16);
    memory_init(&b, 16);
    memory_write(&a, 3000, 2048, 1);
    memory_write(&b, 3000, 2048, 4);
    assert_int_equal(a.b.len, b.b.len);
    assert_memory_equal(a.b.p, b.b.p, a.b.len);
    memory_free(&a);
    memory_free(&b);
}

/* The index leads to every item and every chunk without reading the others. */
static void test_the_index_finds_every_item_and_chunk(void **state)
{
    (void)state;
    struct memory m;
    struct err err = {0};
    struct index *ix;
    const uint8_t *p;
    size_t len, used;
    uint64_t items = 0, last = 0;

    memory_init(&m, 16);
    memory_write(&m, 4000, 3000, 2);
    struct reader *r = memory_open(&m, 0, &err);
    assert_non_null(r);
    assert_int_equal(index_open(&ix, r, &err), 0);
    while (index_entries(ix, &p, &len, &err) == 1)
        for (size_t off = 0; off < len; off += used, items++) {
            struct item item;
            assert_int_equal(item_decode(p + off, len - off, &item, &used, &err), 0);
            assert_int_equal(item.tar_offset, items * 3000);
        }
    assert_int_equal(err.cls, ERR_NONE);
    assert_int_equal(items, 4000);
    for (uint64_t c = 0; c < ix->end.chunks; c++) {
        struct reader_place place;
        assert_int_equal(index_chunk(ix, c, &place, &err), 0);
        assert_true(c == 0 || place.offset > last);
        last = place.offset;
    }
    index_free(ix);
    reader_free(r);
    memory_free(&m);
}

/* Over 16384 records: a TABLE in the middle. */
static void test_a_long_archive_has_several_tables(void **state)
{
    (void)state;
    struct memory m;
    struct err err = {0};
    struct index *ix;
    uint64_t bytes, items;

    memory_init(&m, 16);
    memory_write(&m, 530, 2 * 1024 * 1024, 2);
    for (int stream = 0; stream < 2; stream++)
        assert_int_equal(memory_read_all(&m, stream, 2, &bytes, &items, &err), 0);
    assert_int_equal(items, 530);
    struct reader *r = memory_open(&m, 0, &err);
    assert_non_null(r);
    assert_int_equal(index_open(&ix, r, &err), 0);
    assert_true(ix->end.records > 16384);
    struct reader_place place;
    for (uint64_t c = ix->end.chunks; c-- > 0;) {
        assert_int_equal(index_chunk(ix, c, &place, &err), 0);
        if (c % 997 == 0) {
            assert_int_equal(reader_record(r, &ix->scratch, &place, &err), 0);
            ix->table_no = SIZE_MAX;
        }
    }
    index_free(ix);
    reader_free(r);
    memory_free(&m);
}

/* Every byte, changed, is noticed; only the copy of the header and the tail may leave
 * the data readable, and then they are told. */
static void test_every_changed_byte_is_noticed(void **state)
{
    (void)state;
    struct memory m;
    memory_init(&m, 16);
    memory_write(&m, 20, 5000, 1);
    uint64_t end_offset = m.b.len - TAIL_SIZE - 2 * 4096 - 304;
    for (size_t i = 0; i < m.b.len; i += i < 4096 || i > m.b.len - 4400 ? 37 : 97) {
        uint64_t bytes, items;
        struct err err = {0};
        m.b.p[i] ^= 0x10;
        if (memory_read_all(&m, 1, 1, &bytes, &items, &err) == 0) {
            /* the MAC of the front is checked when a slot is opened, which is not here
             */
            bool mac = i >= 4096 - HEADER_MAC_SIZE && i < 4096;
            assert_true(mac || i >= m.b.len - 4096 - TAIL_SIZE);
            struct reader *r = memory_open(&m, 0, &err);
            assert_non_null(r);
            assert_int_equal(reader_spare(r, end_offset, &err), 0);
            assert_true(r->copy != READER_GOOD || r->tail != READER_GOOD);
            reader_free(r);
        } else {
            assert_int_equal(err.cls, ERR_DAMAGED);
        }
        m.b.p[i] ^= 0x10;
    }
    memory_free(&m);
}

static void test_every_cut_is_noticed(void **state)
{
    (void)state;
    struct memory m;
    memory_init(&m, 16);
    memory_write(&m, 20, 5000, 1);
    size_t whole = m.b.len;
    for (size_t len = 0; len<whole; len += len> whole - 4500 ? 13 : 61) {
        uint64_t bytes, items;
        m.b.len = len;
        for (int stream = 0; stream < 2; stream++) {
            struct err err = {0};
            assert_int_equal(memory_read_all(&m, stream, 1, &bytes, &items, &err), -1);
            assert_int_equal(err.cls, ERR_DAMAGED);
        }
    }
    m.b.len = whole;
    memory_free(&m);
}

static void test_bytes_after_the_end_are_refused(void **state)
{
    (void)state;
    struct memory m;
    uint64_t bytes, items;
    memory_init(&m, 16);
    memory_write(&m, 20, 5000, 1);
    assert_int_equal(buf_add(&m.b, "x", 1), 0);
    for (int stream = 0; stream < 2; stream++) {
        struct err err = {0};
        assert_int_equal(memory_read_all(&m, stream, 1, &bytes, &items, &err), -1);
        assert_int_equal(err.cls, ERR_DAMAGED);
    }
    memory_free(&m);
}

/* A damaged front header costs nothing when the copy is there. */
static void test_the_copy_of_the_header_stands_in_for_the_front(void **state)
{
    (void)state;
    struct memory m;
    struct err err = {0};
    memory_init(&m, 16);
    memory_write(&m, 20, 5000, 1);
    memset(m.b.p, 0xee, 4096);
    struct reader *r = memory_open(&m, 0, &err);
    assert_non_null(r);
    assert_int_equal(r->front, READER_DAMAGED);
    assert_int_equal(reader_spare(r, m.b.len - TAIL_SIZE - 2 * 4096 - 304, &err), 0);
    assert_int_equal(r->copy, READER_GOOD);
    reader_free(r);
    memory_free(&m);
}

/* Put another END, sealed by its rightful key, in the place of the archive's. */
static void put_end(struct memory *m, const struct end *e)
{
    struct err err = {0};
    struct record_head head;
    uint8_t *raw = m->b.p + m->b.len - TAIL_SIZE - HEADER_UNIT - 304;
    assert_int_equal(record_head_parse(raw, m->header.id, 1u << 16, &head, &err), 0);
    end_encode(e, raw + RECORD_HEAD_SIZE);
    aead_seal(m->keys, m->raw, &head, raw + RECORD_HEAD_SIZE, END_SIZE);
}

/* Authentic, and wrong: no length that fits any record, or none, is looked for. */
static void test_lengths_in_the_end_that_cannot_be_are_refused(void **state)
{
    (void)state;
    static const uint64_t lengths[] = {
        0, 1, TAG_SIZE - 1, 1u << 24, UINT32_MAX, (uint64_t)UINT32_MAX + 1, UINT64_MAX};
    struct memory m;
    struct err err = {0};
    struct index *ix;
    memory_init(&m, 16);
    memory_write(&m, 20, 5000, 1);
    struct reader *r = memory_open(&m, 0, &err);
    assert_non_null(r);
    assert_int_equal(index_open(&ix, r, &err), 0);
    const struct end good = ix->end;
    index_free(ix);
    for (size_t i = 0; i < 2 * sizeof lengths / sizeof *lengths; i++) {
        struct end e = good;
        *(i % 2 ? &e.root_len : &e.manifest_len) = lengths[i / 2];
        put_end(&m, &e);
        err = (struct err){0};
        assert_int_equal(index_open(&ix, r, &err), -1);
        assert_int_equal(err.cls, ERR_DAMAGED);
    }
    put_end(&m, &good);
    err = (struct err){0};
    assert_int_equal(index_open(&ix, r, &err), 0);
    index_free(ix);
    reader_free(r);
    memory_free(&m);
}

struct failing {
    size_t left;
};

static int failing_sink(void *ctx, const void *buf, size_t len, struct err *err)
{
    struct failing *f = ctx;
    (void)buf;
    if (len > f->left)
        return err_set(err, ERR_FAIL, "no space left");
    f->left -= len;
    return 0;
}

/* Wherever the sink fails, the writer ends with the sink's error and does not hang. */
static void test_a_failing_sink_ends_the_writer_with_its_error(void **state)
{
    (void)state;
    struct memory m;
    static uint8_t block[70000];
    memory_init(&m, 16);
    for (size_t i = 0; i < sizeof block; i++)
        block[i] = (uint8_t)((i * 2654435761u) >> 13);
    for (size_t room = 0; room < 30000; room += 1777) {
        struct failing f = {room};
        struct err err = {0};
        struct writer *w = NULL;
        struct writer_opts opts = {.level = 1, .threads = 2};
        struct writer_totals totals;
        int rc = writer_open(&w, &m.header, m.raw, m.keys, &opts, failing_sink, &f,
                             "{}", 2, &err);
        for (int i = 0; rc == 0 && i < 40; i++) {
            rc = writer_mark(w, &err);
            if (rc == 0)
                rc = writer_data(w, block, sizeof block, &err);
        }
        if (rc == 0)
            rc = writer_finish(w, "{}", 2, 0, &totals, &err);
        assert_int_equal(rc, -1);
        writer_free(w, &err);
        assert_int_equal(err.cls, ERR_FAIL);
        assert_string_equal(err.text, "no space left");
    }
    memory_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_was_written_is_read_by_file_and_by_stream),
        cmocka_unit_test(test_two_threads_write_the_same_records_as_one),
        cmocka_unit_test(test_the_index_finds_every_item_and_chunk),
        cmocka_unit_test(test_a_long_archive_has_several_tables),
        cmocka_unit_test(test_every_changed_byte_is_noticed),
        cmocka_unit_test(test_every_cut_is_noticed),
        cmocka_unit_test(test_bytes_after_the_end_are_refused),
        cmocka_unit_test(test_the_copy_of_the_header_stands_in_for_the_front),
        cmocka_unit_test(test_lengths_in_the_end_that_cannot_be_are_refused),
        cmocka_unit_test(test_a_failing_sink_ends_the_writer_with_its_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
