#include "format/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

static void test_an_entry_keeps_length_and_type(void **state)
{
    (void)state;
    uint32_t e = table_entry(META_BODY_MAX(1u << CHUNK_LOG2_MAX), 0xff);
    assert_int_equal(table_entry_len(e), META_BODY_MAX(1u << CHUNK_LOG2_MAX));
    assert_int_equal(table_entry_type(e), 0xff);
}

static void test_every_body_length_fits_an_entry(void **state)
{
    (void)state;
    for (unsigned log2 = CHUNK_LOG2_MIN; log2 <= CHUNK_LOG2_MAX; log2++) {
        assert_true(META_BODY_MAX(1u << log2) < 1u << 24);
        assert_true(DATA_BODY_MAX(1u << log2) < 1u << 24);
    }
}

static void test_a_root_row_comes_back_and_is_little_endian(void **state)
{
    (void)state;
    const struct table_root in = {0x0102030405060708, 0x1112131415161718,
                                  0x2122232425262728, 0x3132333435363738};
    struct table_root out;
    uint8_t raw[TABLE_ROOT_SIZE];
    table_root_encode(&in, raw);
    assert_int_equal(raw[0], 0x08);
    assert_int_equal(raw[15], 0x11);
    assert_int_equal(raw[16], 0x28);
    assert_int_equal(raw[31], 0x31);
    table_root_decode(raw, &out);
    assert_memory_equal(&in, &out, sizeof in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_entry_keeps_length_and_type),
        cmocka_unit_test(test_every_body_length_fits_an_entry),
        cmocka_unit_test(test_a_root_row_comes_back_and_is_little_endian),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
