#include "format/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "util/le.h"

#define CHUNK (1u << 16)

static const uint8_t SYNC[4] = {1, 2, 3, 4};

static void make(uint8_t raw[RECORD_HEAD_SIZE], uint8_t type, uint32_t body_len)
{
    struct record_head h = {.sync = {1, 2, 3, 4},
                            .type = type,
                            .body_len = body_len,
                            .seq = 0x1112131415161718,
                            .pos = 0x2122232425262728};
    record_head_encode(&h, raw);
}

static int parse(uint8_t type, uint32_t body_len)
{
    struct err err = {0};
    struct record_head h;
    uint8_t raw[RECORD_HEAD_SIZE];
    make(raw, type, body_len);
    int rc = record_head_parse(raw, SYNC, CHUNK, &h, &err);
    assert_int_equal(err.cls, rc == 0 ? ERR_NONE : ERR_DAMAGED);
    return rc;
}

static void test_a_head_comes_back(void **state)
{
    (void)state;
    struct err err = {0};
    struct record_head h;
    uint8_t raw[RECORD_HEAD_SIZE];
    make(raw, REC_DATA, 1000);
    assert_int_equal(raw[4], REC_DATA);
    assert_int_equal(le32_get(raw + 8), 1000);
    assert_int_equal(raw[16], 0x18);
    assert_int_equal(raw[24], 0x28);
    assert_int_equal(record_head_parse(raw, SYNC, CHUNK, &h, &err), 0);
    assert_memory_equal(h.sync, SYNC, 4);
    assert_int_equal(h.type, REC_DATA);
    assert_int_equal(h.body_len, 1000);
    assert_true(h.seq == 0x1112131415161718 && h.pos == 0x2122232425262728);
}

static void test_a_foreign_mark_or_a_reserved_byte_is_refused(void **state)
{
    (void)state;
    static const uint8_t at[] = {0, 1, 2, 3, 5, 6, 7, 12, 13, 14, 15};
    for (size_t i = 0; i < sizeof at; i++) {
        struct err err = {0};
        struct record_head h;
        uint8_t raw[RECORD_HEAD_SIZE];
        make(raw, REC_DATA, 1000);
        raw[at[i]] ^= 0x80;
        assert_int_equal(record_head_parse(raw, SYNC, CHUNK, &h, &err), -1);
        assert_int_equal(err.cls, ERR_DAMAGED);
    }
}

static void test_only_known_and_ancillary_types_pass(void **state)
{
    (void)state;
    for (unsigned type = 0; type < 256; type++) {
        uint32_t len = type == REC_END ? END_SIZE + TAG_SIZE : 100;
        int known = type >= 1 && type <= 6;
        int ancillary = (type & 0x80) != 0 && (type & 0x3f) > 6;
        assert_int_equal(parse((uint8_t)type, len), known || ancillary ? 0 : -1);
    }
}

static void test_the_body_length_is_bounded_by_type(void **state)
{
    (void)state;
    assert_int_equal(parse(REC_DATA, TAG_SIZE - 1), -1);
    assert_int_equal(parse(REC_DATA, TAG_SIZE), 0);
    assert_int_equal(parse(REC_DATA, DATA_BODY_MAX(CHUNK)), 0);
    assert_int_equal(parse(REC_DATA, DATA_BODY_MAX(CHUNK) + 1), -1);
    assert_int_equal(parse(REC_MANIFEST, META_BODY_MAX(CHUNK)), 0);
    assert_int_equal(parse(REC_MANIFEST, META_BODY_MAX(CHUNK) + 1), -1);
    assert_int_equal(parse(REC_ANCILLARY | 33, META_BODY_MAX(CHUNK)), 0);
    assert_int_equal(parse(REC_ANCILLARY | 33, UINT32_MAX), -1);
    assert_int_equal(parse(REC_END, END_SIZE + TAG_SIZE - 1), -1);
    assert_int_equal(parse(REC_END, END_SIZE + TAG_SIZE + 1), -1);
}

static void test_a_manifest_of_the_greatest_size_fits_the_smallest_chunk(void **state)
{
    (void)state;
    assert_true(META_BODY_MAX(1u << CHUNK_LOG2_MIN) >=
                MANIFEST_MAX + MANIFEST_MAX / 128 + 64 + TAG_SIZE);
}

static void test_the_nonce_differs_by_sequence_and_by_type(void **state)
{
    (void)state;
    struct record_head h = {.type = REC_DATA, .seq = 0x0807060504030201};
    uint8_t a[24], b[24];
    static const uint8_t want[24] = {1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                                     0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8};
    record_nonce(&h, a);
    assert_memory_equal(a, want, 24);
    h.pos = 77; /* not part of it */
    record_nonce(&h, b);
    assert_memory_equal(a, b, 24);
    h.seq++;
    record_nonce(&h, b);
    assert_memory_not_equal(a, b, 24);
    h.seq--;
    h.type = REC_ENTRIES;
    record_nonce(&h, b);
    assert_memory_not_equal(a, b, 24);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_head_comes_back),
        cmocka_unit_test(test_a_foreign_mark_or_a_reserved_byte_is_refused),
        cmocka_unit_test(test_only_known_and_ancillary_types_pass),
        cmocka_unit_test(test_the_body_length_is_bounded_by_type),
        cmocka_unit_test(test_a_manifest_of_the_greatest_size_fits_the_smallest_chunk),
        cmocka_unit_test(test_the_nonce_differs_by_sequence_and_by_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
