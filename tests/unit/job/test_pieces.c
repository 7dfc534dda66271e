/* The tar that is left comes in pieces, each from a place where an entry begins, and
 * each byte from where it was. */
#include "../container/memory.h"

#include "job/pieces.h"

#define CHUNK  65536u
#define EACH   50000u /* of an entry; one begins in each chunk but some */
#define NUMBER 20u

struct world {
    struct memory m;
    struct buf whole;
    uint64_t records; /* that passed */
};

static int on_record(void *ctx, const struct chunk *c, struct err *err)
{
    struct world *w = ctx;
    (void)c, (void)err;
    w->records++;
    return 0;
}

static void on_gap(void *ctx, uint64_t from, uint64_t to, bool gave_up)
{
    (void)ctx, (void)from, (void)to, (void)gave_up;
}

static int setup(void **state)
{
    static struct world w;
    memset(&w, 0, sizeof w);
    memory_init(&w.m, 16);
    memory_write(&w.m, NUMBER, EACH, 1);
    assert_int_equal(buf_add(&w.whole, w.m.b.p, w.m.b.len), 0);
    *state = &w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    memory_free(&w->m);
    buf_free(&w->whole);
    return 0;
}

/* The head of record `pos` of a type. */
static size_t place(const struct world *w, uint8_t type, uint64_t pos)
{
    size_t at = HEADER_UNIT;
    for (;;) {
        const uint8_t *p = w->whole.p + at;
        if (p[4] == type && p[24] == pos)
            return at;
        at += RECORD_HEAD_SIZE + (size_t)(p[8] | p[9] << 8 | p[10] << 16);
        assert_true(at < w->whole.len);
    }
}

static void spoil(struct world *w, uint8_t type, uint64_t pos)
{
    w->m.b.p[place(w, type, pos) + 50] ^= 1;
}

static struct pieces *begin(struct world *w, struct reader **r,
                            const struct pieces_sink *sink)
{
    struct pieces *p;
    struct err err = {0};
    *r = memory_open(&w->m, 0, &err);
    assert_non_null(*r);
    assert_int_equal(pieces_open(&p, *r, sink, &err), 0);
    return p;
}

static void restore(struct world *w)
{
    w->m.b.len = 0;
    assert_int_equal(buf_add(&w->m.b, w->whole.p, w->whole.len), 0);
    w->records = 0;
}

/* Read a piece to its end, holding each byte against what it must be. Returns how many.
 */
static uint64_t drain(struct pieces *p, uint64_t at, bool *gap)
{
    const void *buf;
    ssize_t n;
    uint64_t len = 0;
    struct err err = {0};
    while ((n = pieces_read(p, &buf, &err)) > 0) {
        assert_true(memory_is(buf, at + len, (size_t)n));
        len += (uint64_t)n;
    }
    *gap = n < 0;
    assert_int_equal(pieces_at_gap(p), *gap);
    assert_true(n == 0 || err.cls == ERR_DAMAGED);
    return len;
}

static uint64_t round_up(uint64_t n)
{
    return (n + EACH - 1) / EACH * EACH;
}

static void test_a_whole_archive_is_one_piece(void **state)
{
    struct world *w = *state;
    struct reader *r;
    struct err err = {0};
    uint64_t at;
    bool gap;
    const struct pieces_sink sink = {on_record, on_gap, w};
    restore(w);
    struct pieces *p = begin(w, &r, &sink);
    assert_int_equal(pieces_next(p, 0, &at, &err), 1);
    assert_int_equal(at, 0);
    assert_int_equal(drain(p, 0, &gap), NUMBER * EACH);
    assert_false(gap);
    assert_int_equal(pieces_next(p, 1, &at, &err), 0);
    uint64_t chunks = (NUMBER * EACH + CHUNK - 1) / CHUNK;
    assert_true(w->records >= chunks + 6);
    pieces_free(p);
    reader_free(r);
}

/* Each chunk in turn: what is before it comes, and what is behind it from the first
 * entry on that begins there. */
static void
test_behind_a_lost_chunk_comes_the_next_entry_and_no_byte_before(void **state)
{
    struct world *w = *state;
    uint64_t chunks = (NUMBER * EACH + CHUNK - 1) / CHUNK;
    const struct pieces_sink sink = {on_record, on_gap, w};
    for (uint64_t c = 0; c < chunks; c++) {
        struct reader *r;
        struct err err = {0};
        uint64_t at, resume = round_up((c + 1) * CHUNK);
        bool gap;
        restore(w);
        spoil(w, REC_DATA, c);
        struct pieces *p = begin(w, &r, &sink);
        if (c > 0) {
            assert_int_equal(pieces_next(p, 0, &at, &err), 1);
            assert_int_equal(at, 0);
            assert_int_equal(drain(p, 0, &gap), c * CHUNK);
            assert_true(gap);
        }
        if (resume < NUMBER * EACH) {
            assert_int_equal(pieces_next(p, c * CHUNK, &at, &err), 1);
            assert_int_equal(at, resume);
            assert_int_equal(drain(p, at, &gap), NUMBER * EACH - resume);
            assert_false(gap);
        }
        assert_int_equal(pieces_next(p, at + 1, &at, &err), 0);
        pieces_free(p);
        reader_free(r);
    }
}

static void test_a_piece_begins_at_or_above_its_floor(void **state)
{
    struct world *w = *state;
    const struct pieces_sink sink = {on_record, on_gap, w};
    for (uint64_t floor = 0; floor < NUMBER * EACH; floor += 7777) {
        struct reader *r;
        struct err err = {0};
        uint64_t at;
        restore(w);
        struct pieces *p = begin(w, &r, &sink);
        int more = pieces_next(p, floor, &at, &err);
        /* the first entry of a chunk, so not every one */
        if (more == 1) {
            assert_true(at >= floor && at % EACH == 0);
            assert_true(at < floor + 2 * CHUNK);
        } else {
            assert_true(floor + 2 * CHUNK > NUMBER * EACH);
        }
        pieces_free(p);
        reader_free(r);
    }
}

/* Lost chunks within content are zeros, told apart; the rest is what it was. */
static void test_within_content_lost_chunks_are_zeros_that_are_told(void **state)
{
    struct world *w = *state;
    const struct pieces_sink sink = {on_record, on_gap, w};
    struct reader *r;
    struct err err = {0};
    const void *buf;
    uint64_t at, zeros = 0;
    ssize_t n;
    restore(w);
    spoil(w, REC_DATA, 2);
    spoil(w, REC_DATA, 3);
    spoil(w, REC_DATA, 5);
    struct pieces *p = begin(w, &r, &sink);
    assert_int_equal(pieces_next(p, 0, &at, &err), 1);
    pieces_content(p, 8 * CHUNK);
    while ((n = pieces_read(p, &buf, &err)) > 0 && at < 8 * CHUNK) {
        for (uint64_t i = 0; i < (uint64_t)n;) {
            bool lost;
            uint64_t number = (at + i) / CHUNK;
            size_t len = pieces_stretch(p, at + i, (size_t)n - i, &lost);
            assert_true(len > 0);
            assert_int_equal(lost, number == 2 || number == 3 || number == 5);
            assert_int_equal(memory_is((const uint8_t *)buf + i, at + i, len), !lost);
            zeros += lost ? len : 0;
            i += len;
        }
        at += (uint64_t)n;
    }
    assert_int_equal(zeros, 3 * CHUNK);
    assert_true(pieces_filled(p));
    pieces_free(p);
    reader_free(r);
}

/* Content that ends within what is lost, or in front of it, is not gone on with. */
static void test_content_that_ends_in_a_lost_chunk_ends_there(void **state)
{
    struct world *w = *state;
    const struct pieces_sink sink = {on_record, on_gap, w};
    const uint64_t ends[] = {0, 1, 2 * CHUNK - 1, 2 * CHUNK, 3 * CHUNK - 1, 3 * CHUNK};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        struct reader *r;
        struct err err = {0};
        uint64_t at;
        bool gap;
        restore(w);
        spoil(w, REC_DATA, 2);
        struct pieces *p = begin(w, &r, &sink);
        assert_int_equal(pieces_next(p, 0, &at, &err), 1);
        pieces_content(p, ends[i]);
        assert_int_equal(drain(p, 0, &gap), 2 * CHUNK);
        assert_true(gap);
        assert_false(pieces_filled(p));
        pieces_free(p);
        reader_free(r);
    }
}

/* Without END the length may be known otherwise, or not. */
static void test_the_end_of_the_tar_is_only_where_it_is_known_to_be(void **state)
{
    struct world *w = *state;
    const struct pieces_sink sink = {on_record, on_gap, w};
    struct reader *r;
    struct err err = {0};
    uint64_t at, chunks = (NUMBER * EACH + CHUNK - 1) / CHUNK;
    bool gap;

    restore(w); /* the short chunk tells */
    w->m.b.len = place(w, REC_MANIFEST, 1);
    struct pieces *p = begin(w, &r, &sink);
    assert_int_equal(pieces_next(p, 0, &at, &err), 1);
    assert_int_equal(drain(p, 0, &gap), NUMBER * EACH);
    assert_false(gap);
    pieces_free(p);
    reader_free(r);

    w->m.b.len = place(w, REC_DATA, chunks - 1); /* nobody does */
    p = begin(w, &r, &sink);
    assert_int_equal(pieces_next(p, 0, &at, &err), 1);
    assert_int_equal(drain(p, 0, &gap), (chunks - 1) * CHUNK);
    assert_true(gap);
    pieces_free(p);
    reader_free(r);

    p = begin(w, &r, &sink);
    assert_int_equal(pieces_next(p, 0, &at, &err), 1);
    pieces_expect(p, (chunks - 1) * CHUNK);
    assert_int_equal(drain(p, 0, &gap), (chunks - 1) * CHUNK);
    assert_false(gap);
    pieces_free(p);
    reader_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_whole_archive_is_one_piece),
        cmocka_unit_test(
            test_behind_a_lost_chunk_comes_the_next_entry_and_no_byte_before),
        cmocka_unit_test(test_a_piece_begins_at_or_above_its_floor),
        cmocka_unit_test(test_within_content_lost_chunks_are_zeros_that_are_told),
        cmocka_unit_test(test_content_that_ends_in_a_lost_chunk_ends_there),
        cmocka_unit_test(test_the_end_of_the_tar_is_only_where_it_is_known_to_be),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
