#include "format/end.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "util/le.h"

static const struct end SAMPLE = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, UINT64_MAX};

static void test_end_comes_back_and_its_fields_stand_in_order(void **state)
{
    (void)state;
    struct err err = {0};
    struct end out;
    uint8_t raw[END_SIZE];
    end_encode(&SAMPLE, raw);
    for (unsigned i = 0; i < 11; i++)
        assert_int_equal(le64_get(raw + 8 * (size_t)i), i + 1);
    assert_true(le64_get(raw + 88) == UINT64_MAX);
    assert_int_equal(end_decode(raw, &out, &err), 0);
    assert_memory_equal(&out, &SAMPLE, sizeof out);
}

static void test_reserved_bytes_of_end_must_be_zero(void **state)
{
    (void)state;
    for (size_t i = 96; i < END_SIZE; i++) {
        struct err err = {0};
        struct end out;
        uint8_t raw[END_SIZE];
        end_encode(&SAMPLE, raw);
        raw[i] = 1;
        assert_int_equal(end_decode(raw, &out, &err), -1);
        assert_int_equal(err.cls, ERR_DAMAGED);
    }
}

static void test_the_tail_comes_back(void **state)
{
    (void)state;
    uint8_t raw[TAIL_SIZE];
    unsigned units = 0;
    uint64_t len = 0;
    end_tail_encode(HEADER_UNITS_MAX, 0x123456789abcdef0, raw);
    assert_int_equal(end_tail_decode(raw, &units, &len), 0);
    assert_int_equal(units, HEADER_UNITS_MAX);
    assert_true(len == 0x123456789abcdef0);
}

static void test_what_is_no_tail_is_not_taken_for_one(void **state)
{
    (void)state;
    unsigned units;
    uint64_t len;
    uint8_t good[TAIL_SIZE], raw[TAIL_SIZE];
    end_tail_encode(1, 9000, good);
    for (size_t i = 0; i < TAIL_SIZE; i++) {
        if (i == 12 || (i >= 16 && i < 24))
            continue; /* values */
        memcpy(raw, good, sizeof raw);
        raw[i] ^= 0x40;
        assert_int_equal(end_tail_decode(raw, &units, &len), -1);
    }
    end_tail_encode(0, 9000, raw);
    assert_int_equal(end_tail_decode(raw, &units, &len), -1);
    end_tail_encode(HEADER_UNITS_MAX + 1, 9000, raw);
    assert_int_equal(end_tail_decode(raw, &units, &len), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_end_comes_back_and_its_fields_stand_in_order),
        cmocka_unit_test(test_reserved_bytes_of_end_must_be_zero),
        cmocka_unit_test(test_the_tail_comes_back),
        cmocka_unit_test(test_what_is_no_tail_is_not_taken_for_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
