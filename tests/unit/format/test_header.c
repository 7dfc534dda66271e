#include "format/header.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "format/slot.h"
#include "util/le.h"

struct fixture {
    struct header h;
    uint8_t raw[HEADER_MAX];
};

/* A valid header of two units with one slot. */
static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct err err = {0};
    uint8_t slot[SLOT_PASSPHRASE_SIZE];
    const struct slot_passphrase p = {.passes = 2, .memory_kib = 65536};
    if (f == NULL)
        return -1;
    f->h.version = FORMAT_VERSION;
    f->h.suite = FORMAT_SUITE;
    f->h.chunk_log2 = CHUNK_LOG2_DEFAULT;
    f->h.compat = 0x80000001;
    f->h.units = 2;
    f->h.generation = 0x0102030405060708;
    memset(f->h.id, 0x11, sizeof f->h.id);
    memset(f->h.key_check, 0x22, sizeof f->h.key_check);
    slot_encode_passphrase(&p, 1, slot);
    if (slot_add(&f->h, slot, sizeof slot, &err) != 0)
        return -1;
    memset(f->raw, 0xff, sizeof f->raw);
    header_encode(&f->h, f->raw);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    free(*state);
    return 0;
}

static int parse(const struct fixture *f, size_t size, struct err *err)
{
    struct header *h = malloc(sizeof *h);
    assert_non_null(h);
    int rc = header_parse(f->raw, size, h, err);
    if (rc == 0)
        assert_memory_equal(h, &f->h, sizeof *h);
    free(h);
    return rc;
}

static void test_a_header_comes_back_with_every_field(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};
    size_t size = 0;
    assert_int_equal(header_probe(f->raw, &size, &err), 0);
    assert_int_equal(size, 8192);
    assert_int_equal(parse(f, size, &err), 0);
    assert_int_equal(f->raw[8192], 0xff); /* nothing is written past its size */
}

static void test_fields_stand_where_the_spec_says(void **state)
{
    struct fixture *f = *state;
    assert_memory_equal(f->raw,
                        "\x89"
                        "pmmseal\r\n\x1a\n",
                        12);
    assert_int_equal(le16_get(f->raw + 12), 1);
    assert_int_equal(le16_get(f->raw + 14), 1);
    assert_int_equal(f->raw[16], 21);
    assert_int_equal(le32_get(f->raw + 24), 0x80000001);
    assert_int_equal(f->raw[32], 0x11);
    assert_int_equal(f->raw[96], 0x22);
    assert_int_equal(le16_get(f->raw + 128), 2);
    assert_int_equal(le16_get(f->raw + 130), 120);
    assert_true(le64_get(f->raw + 136) == 0x0102030405060708);
    assert_int_equal(le16_get(f->raw + 160), SLOT_PASSPHRASE);
    assert_int_equal(header_slot_room(1), 3872);
}

static void test_every_reserved_byte_must_be_zero(void **state)
{
    struct fixture *f = *state;
    static const size_t ranges[][2] = {{17, 20},   {28, 32},   {48, 96},
                                       {132, 136}, {144, 160}, {280, 8192 - 64}};
    for (size_t r = 0; r < sizeof ranges / sizeof ranges[0]; r++) {
        for (size_t i = ranges[r][0]; i < ranges[r][1]; i++) {
            struct err err = {0};
            f->raw[i] = 1;
            assert_int_equal(parse(f, 8192, &err), -1);
            assert_int_equal(err.cls, ERR_DAMAGED);
            f->raw[i] = 0;
        }
    }
}

static void test_another_version_suite_or_feature_needs_a_newer_program(void **state)
{
    struct fixture *f = *state;
    static const size_t at[] = {12, 13, 14, 20, 23};
    for (size_t i = 0; i < sizeof at / sizeof at[0]; i++) {
        struct err err = {0};
        f->raw[at[i]] ^= 0x40;
        f->raw[16] = 99; /* what a newer version means by the rest is not judged */
        assert_int_equal(parse(f, 8192, &err), -1);
        assert_int_equal(err.cls, ERR_DAMAGED);
        assert_non_null(strstr(err.text, "needs a newer pmm-seal"));
        header_encode(&f->h, f->raw);
    }
}

static void test_unknown_compatible_bits_are_ignored(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};
    f->h.compat = UINT32_MAX;
    header_encode(&f->h, f->raw);
    assert_int_equal(parse(f, 8192, &err), 0);
}

static void test_sizes_out_of_range_are_damage(void **state)
{
    struct fixture *f = *state;
    static const struct {
        size_t at;
        uint8_t value;
    } bad[] = {{16, CHUNK_LOG2_MIN - 1}, {16, CHUNK_LOG2_MAX + 1}, {131, 0xff}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct err err = {0};
        f->raw[bad[i].at] = bad[i].value;
        assert_int_equal(parse(f, 8192, &err), -1);
        assert_int_equal(err.cls, ERR_DAMAGED);
        assert_null(strstr(err.text, "newer"));
        header_encode(&f->h, f->raw);
    }
    struct err err = {0};
    assert_int_equal(parse(f, 4096, &err), -1);
    assert_int_equal(err.cls, ERR_DAMAGED);
}

static void test_a_header_size_of_none_or_too_much_is_not_believed(void **state)
{
    struct fixture *f = *state;
    static const uint16_t units[] = {0, HEADER_UNITS_MAX + 1, UINT16_MAX};
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        struct err err = {0};
        size_t size;
        le16_put(f->raw + 128, units[i]);
        assert_int_equal(header_probe(f->raw, &size, &err), -1);
        assert_int_equal(err.cls, ERR_DAMAGED);
        assert_non_null(strstr(err.text, "damaged"));
    }
}

static void test_a_slot_that_overruns_is_damage(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};
    f->raw[162] = 121;
    assert_int_equal(parse(f, 8192, &err), -1);
    assert_int_equal(err.cls, ERR_DAMAGED);
}

/* The first one may open: nobody would look at the second. */
static void test_a_malformed_slot_behind_a_good_one_is_damage(void **state)
{
    struct fixture *f = *state;
    static const struct {
        size_t at;
        uint8_t value;
    } bad[] = {{2, 119}, {4, 1}, {7, 0x80}};
    uint8_t slot[SLOT_PASSPHRASE_SIZE];
    const struct slot_passphrase p = {.passes = 2, .memory_kib = 65536};
    slot_encode_passphrase(&p, 2, slot);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct err err = {0};
        struct header h = f->h;
        uint8_t other[SLOT_PASSPHRASE_SIZE];
        memcpy(other, slot, sizeof other);
        other[bad[i].at] = bad[i].value;
        assert_int_equal(slot_add(&h, other, le16_get(other + 2), &err), 0);
        header_encode(&h, f->raw);
        assert_int_equal(parse(f, 8192, &err), -1);
        assert_int_equal(err.cls, ERR_DAMAGED);
        assert_non_null(strstr(err.text, "passphrase slot"));
    }
    struct err err = {0};
    assert_int_equal(slot_add(&f->h, slot, sizeof slot, &err), 0);
    header_encode(&f->h, f->raw);
    assert_int_equal(parse(f, 8192, &err), 0);
}

/* Probe a file that begins with these bytes. */
static void probe(struct fixture *f, const char *bytes, size_t len, struct err *err)
{
    size_t size;
    memset(f->raw, 'x', HEADER_UNIT);
    memcpy(f->raw, bytes, len);
    *err = (struct err){0};
    assert_int_equal(header_probe(f->raw, &size, err), -1);
    assert_int_equal(err->cls, ERR_DAMAGED);
}

static void test_what_happened_to_the_first_bytes_is_told_apart(void **state)
{
    struct fixture *f = *state;
    struct err err;
    probe(f, "hello world", 11, &err);
    assert_non_null(strstr(err.text, "not a pmm-seal archive"));
    probe(f,
          "\x89"
          "pmmseal\r\r\n\x1a\r\n",
          14, &err);
    assert_non_null(strstr(err.text, "mangled"));
    assert_non_null(strstr(err.hint, "leave out -t"));
    probe(f,
          "\x89"
          "pmmseal\n\x1a\n",
          11, &err);
    assert_non_null(strstr(err.text, "mangled"));
    assert_non_null(strstr(err.hint, "binary"));
    probe(f,
          "\x89"
          "pmmseal\r\n\x1a\x0b",
          12, &err);
    assert_non_null(strstr(err.text, "header is damaged"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_header_comes_back_with_every_field,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_fields_stand_where_the_spec_says, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_every_reserved_byte_must_be_zero, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(
            test_another_version_suite_or_feature_needs_a_newer_program, set_up,
            tear_down),
        cmocka_unit_test_setup_teardown(test_unknown_compatible_bits_are_ignored,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sizes_out_of_range_are_damage, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(
            test_a_header_size_of_none_or_too_much_is_not_believed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_slot_that_overruns_is_damage, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(
            test_a_malformed_slot_behind_a_good_one_is_damage, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            test_what_happened_to_the_first_bytes_is_told_apart, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
