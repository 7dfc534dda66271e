#include "format/slot.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "util/le.h"

static void fill(struct slot_passphrase *p, uint8_t first)
{
    memset(p->salt, first, sizeof p->salt);
    p->passes = 3;
    p->memory_kib = 262144;
    memset(p->commitment, first + 1, sizeof p->commitment);
    memset(p->wrapped, first + 2, sizeof p->wrapped);
}

/* A header of one unit with n passphrase slots. */
static void make(struct header *h, unsigned n)
{
    memset(h, 0, sizeof *h);
    h->units = 1;
    for (unsigned i = 0; i < n; i++) {
        struct err err = {0};
        struct slot_passphrase p;
        uint8_t raw[SLOT_PASSPHRASE_SIZE];
        fill(&p, (uint8_t)(10 * i));
        slot_encode_passphrase(&p, -5 - (int64_t)i, raw);
        assert_int_equal(slot_add(h, raw, sizeof raw, &err), 0);
    }
}

static void test_slots_come_back_in_order(void **state)
{
    (void)state;
    struct header h;
    struct err err = {0};
    struct slot s;
    size_t off = 0;
    make(&h, 3);
    for (unsigned i = 0; i < 3; i++) {
        struct slot_passphrase p, want;
        fill(&want, (uint8_t)(10 * i));
        assert_int_equal(slot_next(&h, &off, &s, &err), 1);
        assert_int_equal(s.type, SLOT_PASSPHRASE);
        assert_int_equal(s.length, 120);
        assert_true(s.created == -5 - (int64_t)i);
        assert_int_equal(slot_parse_passphrase(&s, &p, &err), 0);
        assert_memory_equal(p.salt, want.salt, sizeof p.salt);
        assert_int_equal(p.passes, 3);
        assert_int_equal(p.memory_kib, 262144);
        assert_memory_equal(p.commitment, want.commitment, sizeof p.commitment);
        assert_memory_equal(p.wrapped, want.wrapped, sizeof p.wrapped);
    }
    assert_int_equal(slot_next(&h, &off, &s, &err), 0);
}

static void test_an_unknown_type_is_passed_on_whole(void **state)
{
    (void)state;
    struct header h;
    struct err err = {0};
    struct slot s;
    size_t off = 0;
    uint8_t raw[40] = {0};
    make(&h, 1);
    le16_put(raw, 2);
    le16_put(raw + 2, sizeof raw);
    le32_put(raw + 4, 0xdeadbeef);
    raw[39] = 9;
    assert_int_equal(slot_add(&h, raw, sizeof raw, &err), 0);
    assert_int_equal(slot_next(&h, &off, &s, &err), 1);
    assert_int_equal(slot_next(&h, &off, &s, &err), 1);
    assert_int_equal(s.type, 2);
    assert_int_equal(s.length, 40);
    assert_memory_equal(s.raw, raw, 40);
}

static void test_a_slot_that_overruns_is_refused(void **state)
{
    (void)state;
    static const uint16_t lengths[] = {0, 15, 121, 65535};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        struct header h;
        struct err err = {0};
        struct slot s;
        size_t off = 0;
        make(&h, 1);
        le16_put(h.slots + 2, lengths[i]);
        assert_int_equal(slot_next(&h, &off, &s, &err), -1);
        assert_int_equal(err.cls, ERR_DAMAGED);
    }
}

static void test_a_rest_too_short_for_a_slot_is_refused(void **state)
{
    (void)state;
    struct header h;
    struct err err = {0};
    struct slot s;
    size_t off = 0;
    make(&h, 1);
    h.slots_len = 120 + 15;
    assert_int_equal(slot_next(&h, &off, &s, &err), 1);
    assert_int_equal(slot_next(&h, &off, &s, &err), -1);
    assert_int_equal(err.cls, ERR_DAMAGED);
}

static void test_a_passphrase_slot_of_another_shape_is_refused(void **state)
{
    (void)state;
    struct header h;
    struct slot s;
    struct slot_passphrase p;
    for (unsigned i = 0; i < 2; i++) {
        struct err err = {0};
        size_t off = 0;
        make(&h, 1);
        if (i == 0)
            le32_put(h.slots + 4, 1); /* an unknown flag */
        else
            le16_put(h.slots + 2, 119);
        h.slots_len = le16_get(h.slots + 2);
        assert_int_equal(slot_next(&h, &off, &s, &err), 1);
        assert_int_equal(slot_parse_passphrase(&s, &p, &err), -1);
        assert_int_equal(err.cls, ERR_DAMAGED);
    }
}

static void test_a_full_header_refuses_one_more(void **state)
{
    (void)state;
    struct header h;
    struct err err = {0};
    uint8_t raw[SLOT_PASSPHRASE_SIZE] = {0};
    make(&h, 32); /* 32 x 120 of 3872 bytes */
    uint16_t before = h.slots_len;
    assert_int_equal(slot_add(&h, raw, sizeof raw, &err), -1);
    assert_int_equal(err.cls, ERR_REFUSED);
    assert_int_equal(h.slots_len, before);
}

static void test_a_removed_slot_leaves_the_others_and_no_trace(void **state)
{
    (void)state;
    struct header h, want;
    make(&h, 3);
    make(&want, 3);
    memmove(want.slots + 120, want.slots + 240, 120);
    memset(want.slots + 240, 0, 120);
    slot_remove(&h, 120);
    assert_int_equal(h.slots_len, 240);
    assert_memory_equal(h.slots, want.slots, sizeof h.slots);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slots_come_back_in_order),
        cmocka_unit_test(test_an_unknown_type_is_passed_on_whole),
        cmocka_unit_test(test_a_slot_that_overruns_is_refused),
        cmocka_unit_test(test_a_rest_too_short_for_a_slot_is_refused),
        cmocka_unit_test(test_a_passphrase_slot_of_another_shape_is_refused),
        cmocka_unit_test(test_a_full_header_refuses_one_more),
        cmocka_unit_test(test_a_removed_slot_leaves_the_others_and_no_trace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
