#include "format/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

static void test_the_frame_is_the_16_bytes_of_the_spec(void **state)
{
    (void)state;
    static const uint8_t want[FRAME_SIZE] = {0x50, 0x2a, 0x4d, 0x18, 8, 0, 0, 0,
                                             0x00, 0x02, 0x00, 0x00, 0, 0, 0, 0};
    uint8_t raw[FRAME_SIZE];
    frame_encode(512, raw);
    assert_memory_equal(raw, want, sizeof want);
}

static void test_the_place_of_the_first_entry_comes_back(void **state)
{
    (void)state;
    struct err err = {0};
    uint8_t raw[FRAME_SIZE];
    uint32_t at = 0;
    frame_encode(FRAME_NO_ENTRY, raw);
    assert_int_equal(frame_parse(raw, sizeof raw, &at, &err), 0);
    assert_int_equal(at, FRAME_NO_ENTRY);
}

static void test_any_other_frame_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < FRAME_SIZE; i++) {
        if (i >= 8 && i < 12)
            continue; /* the value itself */
        struct err err = {0};
        uint8_t raw[FRAME_SIZE];
        uint32_t at;
        frame_encode(512, raw);
        raw[i] ^= 1;
        assert_int_equal(frame_parse(raw, sizeof raw, &at, &err), -1);
        assert_int_equal(err.cls, ERR_DAMAGED);
    }
}

static void test_a_short_body_is_refused(void **state)
{
    (void)state;
    struct err err = {0};
    uint8_t raw[FRAME_SIZE];
    uint32_t at;
    frame_encode(512, raw);
    assert_int_equal(frame_parse(raw, sizeof raw - 1, &at, &err), -1);
    assert_int_equal(err.cls, ERR_DAMAGED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_frame_is_the_16_bytes_of_the_spec),
        cmocka_unit_test(test_the_place_of_the_first_entry_comes_back),
        cmocka_unit_test(test_any_other_frame_is_refused),
        cmocka_unit_test(test_a_short_body_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
