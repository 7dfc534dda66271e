/* Every record that is whole is found, and nothing else is. */
#include "memory.h"

#include "container/search.h"

#define RECORDS_MAX 64

struct place {
    size_t at, len;
    uint8_t type;
};

struct world {
    struct memory m;
    struct place v[RECORDS_MAX]; /* of the whole archive */
    size_t n;
    struct buf whole;
};

/* What a search found. */
struct found {
    uint64_t seqs[RECORDS_MAX];
    size_t n;
    uint64_t from[RECORDS_MAX], to[RECORDS_MAX];
    size_t gaps;
    bool gave_up;
};

static void on_gap(void *ctx, uint64_t from, uint64_t to, bool gave_up)
{
    struct found *f = ctx;
    assert_true(from < to);
    assert_true(f->gaps < RECORDS_MAX);
    f->from[f->gaps] = from;
    f->to[f->gaps++] = to;
    f->gave_up |= gave_up;
}

static void look(struct memory *m, struct found *f)
{
    struct err err = {0};
    struct search *s;
    const struct chunk *c;
    int more;
    memset(f, 0, sizeof *f);
    struct reader *r = memory_open_damaged(m, &err);
    assert_non_null(r);
    assert_int_equal(search_open(&s, r, on_gap, f, &err), 0);
    while ((more = search_next(s, &c, &err)) == 1) {
        assert_true(f->n == 0 || c->head.seq > f->seqs[f->n - 1]);
        f->seqs[f->n++] = c->head.seq;
    }
    assert_int_equal(more, 0);
    assert_int_equal(search_next(s, &c, &err), 0);
    search_free(s);
    reader_free(r);
}

static int setup(void **state)
{
    static struct world w;
    memset(&w, 0, sizeof w);
    memory_init(&w.m, 16);
    memory_write(&w.m, 12, 50000, 1);
    assert_int_equal(buf_add(&w.whole, w.m.b.p, w.m.b.len), 0);
    size_t end = w.m.b.len - TAIL_SIZE - HEADER_UNIT;
    for (size_t at = HEADER_UNIT; at < end; at += w.v[w.n++].len) {
        const uint8_t *p = w.whole.p + at;
        w.v[w.n] = (struct place){
            at, RECORD_HEAD_SIZE + (size_t)(p[8] | p[9] << 8 | p[10] << 16), p[4]};
    }
    assert_int_equal(w.v[w.n - 1].type, REC_END);
    assert_true(w.n > 12);
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

static void restore(struct world *w)
{
    w->m.b.len = 0;
    assert_int_equal(buf_add(&w->m.b, w->whole.p, w->whole.len), 0);
}

static void test_a_whole_archive_is_all_records_and_no_gap(void **state)
{
    struct world *w = *state;
    struct found f;
    restore(w);
    look(&w->m, &f);
    assert_int_equal(f.n, w->n);
    assert_int_equal(f.gaps, 0);
}

/* Wherever a bit flips in it. */
static void test_a_damaged_record_costs_itself_and_no_other(void **state)
{
    struct world *w = *state;
    for (size_t i = 0; i < w->n; i++) {
        const size_t at[] = {0, 4, 5, 8, 9, 12, 16, 23, 24, 31, 32, w->v[i].len - 1};
        for (size_t k = 0; k < sizeof at / sizeof *at; k++) {
            struct found f;
            restore(w);
            w->m.b.p[w->v[i].at + at[k]] ^= 1;
            look(&w->m, &f);
            assert_int_equal(f.n, w->n - 1);
            for (size_t j = 0; j < f.n; j++)
                assert_int_equal(f.seqs[j], j < i ? j : j + 1);
            if (i == w->n - 1)
                continue; /* then nobody knows where the records end */
            assert_int_equal(f.gaps, 1);
            assert_int_equal(f.from[0], w->v[i].at);
            assert_int_equal(f.to[0], w->v[i].at + w->v[i].len);
        }
    }
}

/* The header copy and the tail behind it are no gap. */
static void test_a_lost_end_is_told_up_to_the_copy_of_the_header(void **state)
{
    struct world *w = *state;
    struct found f;
    restore(w);
    w->m.b.p[w->v[w->n - 1].at + 40] ^= 1;
    look(&w->m, &f);
    assert_int_equal(f.gaps, 1);
    assert_int_equal(f.from[0], w->v[w->n - 1].at);
    assert_int_equal(f.to[0], w->whole.len - TAIL_SIZE - HEADER_UNIT);
}

static void test_of_a_cut_archive_all_before_the_cut_is_found(void **state)
{
    struct world *w = *state;
    for (size_t len = HEADER_UNIT; len < w->whole.len; len += 1 + len / 50) {
        struct found f;
        size_t want = 0;
        restore(w);
        w->m.b.len = len;
        while (want < w->n && w->v[want].at + w->v[want].len <= len)
            want++;
        look(&w->m, &f);
        assert_int_equal(f.n, want);
        assert_int_equal(f.gaps, want < w->n && w->v[want].at < len);
    }
}

static void splice(struct world *w, size_t at, const struct place *from)
{
    restore(w);
    struct buf b = {0};
    assert_int_equal(buf_add(&b, w->whole.p, at), 0);
    assert_int_equal(buf_add(&b, w->whole.p + from->at, from->len), 0);
    assert_int_equal(buf_add(&b, w->whole.p + at, w->whole.len - at), 0);
    buf_free(&w->m.b);
    w->m.b = b;
}

static void test_a_record_that_comes_again_is_not_taken_again(void **state)
{
    struct world *w = *state;
    for (size_t i = 0; i + 2 < w->n; i++) {
        struct found f;
        splice(w, w->v[i + 1].at, &w->v[i]); /* at once */
        look(&w->m, &f);
        assert_int_equal(f.n, w->n);
        assert_int_equal(f.gaps, 1);
        splice(w, w->v[w->n - 1].at, &w->v[i]); /* and much later */
        look(&w->m, &f);
        assert_int_equal(f.n, w->n);
        assert_int_equal(f.gaps, 1);
    }
}

static void test_bytes_of_nobody_between_records_cost_none(void **state)
{
    struct world *w = *state;
    for (size_t i = 0; i < w->n; i++) {
        struct found f;
        const struct place header = {0, 1000, 0}; /* it has the mark in it */
        splice(w, w->v[i].at, &header);
        look(&w->m, &f);
        assert_int_equal(f.n, w->n);
        assert_int_equal(f.gaps, 1);
        assert_int_equal(f.to[0] - f.from[0], header.len);
    }
}

/* The first bytes of the file are gone, and with them the front header; the tail says
 * another length. */
static void test_what_is_left_of_an_archive_without_its_beginning_is_found(void **state)
{
    struct world *w = *state;
    for (size_t cut = 1; cut < w->whole.len - HEADER_UNIT - TAIL_SIZE;
         cut += 1 + cut / 3) {
        struct found f;
        size_t want = 0;
        for (size_t i = 0; i < w->n; i++)
            want += w->v[i].at >= cut;
        restore(w);
        memmove(w->m.b.p, w->m.b.p + cut, w->whole.len - cut);
        w->m.b.len -= cut;
        look(&w->m, &f);
        assert_int_equal(f.n, want);
    }
}

static void test_without_any_header_nothing_can_be_opened(void **state)
{
    struct world *w = *state;
    struct err err = {0};
    struct reader *r = NULL;
    restore(w);
    w->m.b.p[200] ^= 1;
    w->m.b.p[w->whole.len - TAIL_SIZE - 200] ^= 1;
    const struct reader_io io = {.read = memory_read,
                                 .pread = memory_pread,
                                 .ctx = &w->m,
                                 .size = (int64_t)w->m.b.len};
    assert_int_equal(reader_open_damaged(&r, &io, &err), -1);
    assert_int_equal(err.cls, ERR_DAMAGED);
}

/* Heads that promise much and prove nothing. */
static void test_false_heads_do_not_cost_more_than_the_bound(void **state)
{
    struct world *w = *state;
    struct found f;
    size_t from = w->v[2].at, room = (w->v[w->n - 1].at - from) / 2;
    struct record_head h = {
        .type = REC_ENTRIES, .body_len = (uint32_t)room, .seq = 3, .pos = 2};
    restore(w);
    memcpy(h.sync, w->m.header.id, sizeof h.sync);
    assert_true(room / RECORD_HEAD_SIZE * room > 2 * SEARCH_WORK * w->whole.len);
    for (size_t at = from; at + RECORD_HEAD_SIZE <= from + room; at += RECORD_HEAD_SIZE)
        record_head_encode(&h, w->m.b.p + at);
    look(&w->m, &f);
    assert_int_equal(f.n, 2);
    assert_int_equal(f.gaps, 1);
    assert_true(f.gave_up);
    assert_int_equal(f.from[0], from);
}

static ssize_t failing_pread(void *ctx, void *buf, size_t len, uint64_t off,
                             struct err *err)
{
    struct memory *m = ctx;
    if (off + len > m->pos)
        return err_set(err, ERR_FAIL, "cannot read");
    return memory_pread(ctx, buf, len, off, err);
}

static void test_an_error_of_reading_is_no_end(void **state)
{
    struct world *w = *state;
    struct err err = {0};
    struct search *s;
    struct found f = {.n = 0};
    const struct chunk *c;
    int more;
    restore(w);
    struct reader *r = memory_open(&w->m, 0, &err);
    assert_non_null(r);
    r->io.pread = failing_pread;
    w->m.pos = w->v[4].at + 10;
    assert_int_equal(search_open(&s, r, on_gap, &f, &err), 0);
    while ((more = search_next(s, &c, &err)) == 1)
        f.n++;
    assert_int_equal(more, -1);
    assert_int_equal(err.cls, ERR_FAIL);
    assert_int_equal(f.n, 4);
    search_free(s);
    reader_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_whole_archive_is_all_records_and_no_gap),
        cmocka_unit_test(test_a_damaged_record_costs_itself_and_no_other),
        cmocka_unit_test(test_a_lost_end_is_told_up_to_the_copy_of_the_header),
        cmocka_unit_test(test_of_a_cut_archive_all_before_the_cut_is_found),
        cmocka_unit_test(test_a_record_that_comes_again_is_not_taken_again),
        cmocka_unit_test(test_bytes_of_nobody_between_records_cost_none),
        cmocka_unit_test(
            test_what_is_left_of_an_archive_without_its_beginning_is_found),
        cmocka_unit_test(test_without_any_header_nothing_can_be_opened),
        cmocka_unit_test(test_false_heads_do_not_cost_more_than_the_bound),
        cmocka_unit_test(test_an_error_of_reading_is_no_end),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
