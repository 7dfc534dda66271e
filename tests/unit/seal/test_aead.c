#include "seal/aead.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sodium.h>
#include <string.h>

#include "util/io.h"

#define LEN 100u

struct fixture {
    struct keys keys;
    uint8_t fixed[HEADER_FIXED];
    struct record_head head;
    uint8_t plain[LEN], body[LEN + TAG_SIZE];
};

static struct fixture make(uint8_t type)
{
    struct fixture f = {.head = {.sync = {1, 2, 3, 4},
                                 .type = type,
                                 .body_len = LEN + TAG_SIZE,
                                 .seq = 7,
                                 .pos = 5}};
    memset(f.keys.data, 0xda, sizeof f.keys.data);
    memset(f.keys.meta, 0x3e, sizeof f.keys.meta);
    memset(f.fixed, 0xf1, sizeof f.fixed);
    for (unsigned i = 0; i < LEN; i++)
        f.plain[i] = f.body[i] = (uint8_t)i;
    aead_seal(&f.keys, f.fixed, &f.head, f.body, LEN);
    return f;
}

static const uint8_t TYPES[] = {REC_DATA, REC_ENTRIES, REC_END, REC_ANCILLARY | 9,
                                REC_ANCILLARY | REC_CLEAR_BODY | 9};
#define NTYPES (sizeof TYPES / sizeof TYPES[0])

static void test_what_was_sealed_opens(void **state)
{
    (void)state;
    for (size_t i = 0; i < NTYPES; i++) {
        struct fixture f = make(TYPES[i]);
        assert_int_equal(aead_open(&f.keys, f.fixed, &f.head, f.body), 0);
        assert_memory_equal(f.body, f.plain, LEN);
    }
}

static void test_a_sealed_body_is_not_the_plain_one_and_a_clear_one_is(void **state)
{
    (void)state;
    for (size_t i = 0; i < NTYPES; i++) {
        struct fixture f = make(TYPES[i]);
        if (TYPES[i] & REC_CLEAR_BODY)
            assert_memory_equal(f.body, f.plain, LEN);
        else
            assert_memory_not_equal(f.body, f.plain, LEN);
    }
}

/* It must not open, and what was there must be gone. */
static void must_fail(struct fixture *f)
{
    assert_int_equal(aead_open(&f->keys, f->fixed, &f->head, f->body), -1);
    assert_true(io_is_zero(f->body, f->head.body_len));
}

static void test_any_changed_byte_of_body_or_tag_is_noticed_and_wiped(void **state)
{
    (void)state;
    for (size_t t = 0; t < NTYPES; t++) {
        for (size_t i = 0; i < LEN + TAG_SIZE; i++) {
            struct fixture f = make(TYPES[t]);
            f.body[i] ^= 1;
            must_fail(&f);
        }
    }
}

static void test_any_changed_byte_of_the_header_is_noticed(void **state)
{
    (void)state;
    for (size_t t = 0; t < NTYPES; t++) {
        for (size_t i = 0; i < HEADER_FIXED; i++) {
            struct fixture f = make(TYPES[t]);
            f.fixed[i] ^= 0x80;
            must_fail(&f);
        }
    }
}

static void test_a_record_opens_only_in_its_own_place(void **state)
{
    (void)state;
    for (size_t t = 0; t < NTYPES; t++) {
        struct fixture f = make(TYPES[t]);
        f.head.seq++;
        must_fail(&f);
        f = make(TYPES[t]);
        f.head.pos++;
        must_fail(&f);
        f = make(TYPES[t]);
        f.head.sync[3] ^= 1;
        must_fail(&f);
        f = make(TYPES[t]);
        f.head.body_len--;
        must_fail(&f);
        f = make(TYPES[t]);
        f.head.type ^= REC_ANCILLARY;
        must_fail(&f);
    }
}

static void test_clear_and_sealed_are_not_taken_for_each_other(void **state)
{
    (void)state;
    struct fixture f = make(REC_ANCILLARY | 9);
    f.head.type |= REC_CLEAR_BODY;
    must_fail(&f);
    f = make(REC_ANCILLARY | REC_CLEAR_BODY | 9);
    f.head.type = REC_ANCILLARY | 9;
    must_fail(&f);
}

static void test_data_has_a_key_of_its_own(void **state)
{
    (void)state;
    for (size_t t = 0; t < NTYPES; t++) {
        struct fixture f = make(TYPES[t]);
        uint8_t *other = TYPES[t] == REC_DATA ? f.keys.meta : f.keys.data;
        memset(other, 0, 32);
        assert_int_equal(aead_open(&f.keys, f.fixed, &f.head, f.body), 0);
        f = make(TYPES[t]);
        uint8_t *own = TYPES[t] == REC_DATA ? f.keys.data : f.keys.meta;
        own[31] ^= 1;
        must_fail(&f);
    }
}

static void test_a_body_shorter_than_a_tag_does_not_open(void **state)
{
    (void)state;
    struct fixture f = make(REC_DATA);
    f.head.body_len = TAG_SIZE - 1;
    must_fail(&f);
}

static void test_an_empty_body_is_sealed_too(void **state)
{
    (void)state;
    for (size_t t = 0; t < NTYPES; t++) {
        struct fixture f = make(TYPES[t]);
        f.head.body_len = TAG_SIZE;
        aead_seal(&f.keys, f.fixed, &f.head, f.body, 0);
        assert_int_equal(aead_open(&f.keys, f.fixed, &f.head, f.body), 0);
        f.body[0] ^= 1;
        must_fail(&f);
    }
}

static void test_the_bytes_are_those_of_the_library(void **state)
{
    (void)state;
    for (size_t t = 0; t < NTYPES; t++) {
        struct fixture f = make(TYPES[t]);
        bool clear = (TYPES[t] & REC_CLEAR_BODY) != 0;
        uint8_t aad[HEADER_FIXED + RECORD_HEAD_SIZE + LEN], out[LEN + TAG_SIZE];
        uint8_t nonce[24] = {TYPES[t], [16] = 7};
        unsigned long long n;
        memcpy(aad, f.fixed, HEADER_FIXED);
        record_head_encode(&f.head, aad + HEADER_FIXED);
        memcpy(aad + HEADER_FIXED + RECORD_HEAD_SIZE, f.plain, LEN);
        crypto_aead_xchacha20poly1305_ietf_encrypt(
            out, &n, f.plain, clear ? 0 : LEN, aad, sizeof aad - (clear ? 0 : LEN),
            NULL, nonce, TYPES[t] == REC_DATA ? f.keys.data : f.keys.meta);
        assert_memory_equal(out, clear ? f.body + LEN : f.body, (size_t)n);
    }
}

/* All lengths around Poly1305's block, where a hand-made padding would go wrong. */
static void test_a_clear_tag_is_the_librarys_at_any_length(void **state)
{
    (void)state;
    for (size_t len = 0; len <= 64; len++) {
        struct fixture f = make(REC_ANCILLARY | REC_CLEAR_BODY | 9);
        uint8_t aad[HEADER_FIXED + RECORD_HEAD_SIZE + 64], tag[TAG_SIZE];
        uint8_t nonce[24] = {REC_ANCILLARY | REC_CLEAR_BODY | 9, [16] = 7};
        f.head.body_len = (uint32_t)(len + TAG_SIZE);
        memcpy(f.body, f.plain, len);
        aead_seal(&f.keys, f.fixed, &f.head, f.body, len);
        memcpy(aad, f.fixed, HEADER_FIXED);
        record_head_encode(&f.head, aad + HEADER_FIXED);
        memcpy(aad + HEADER_FIXED + RECORD_HEAD_SIZE, f.plain, len);
        crypto_aead_xchacha20poly1305_ietf_encrypt(
            tag, NULL, NULL, 0, aad, HEADER_FIXED + RECORD_HEAD_SIZE + len, NULL, nonce,
            f.keys.meta);
        assert_memory_equal(f.body + len, tag, TAG_SIZE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_was_sealed_opens),
        cmocka_unit_test(test_a_sealed_body_is_not_the_plain_one_and_a_clear_one_is),
        cmocka_unit_test(test_any_changed_byte_of_body_or_tag_is_noticed_and_wiped),
        cmocka_unit_test(test_any_changed_byte_of_the_header_is_noticed),
        cmocka_unit_test(test_a_record_opens_only_in_its_own_place),
        cmocka_unit_test(test_clear_and_sealed_are_not_taken_for_each_other),
        cmocka_unit_test(test_data_has_a_key_of_its_own),
        cmocka_unit_test(test_a_body_shorter_than_a_tag_does_not_open),
        cmocka_unit_test(test_an_empty_body_is_sealed_too),
        cmocka_unit_test(test_the_bytes_are_those_of_the_library),
        cmocka_unit_test(test_a_clear_tag_is_the_librarys_at_any_length),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
