#include "seal/keyring.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sodium.h>
#include <string.h>

static const struct kdf_cost COST = {2, 65536};
static const uint8_t SALT_A[KDF_SALT_SIZE] = {1}, SALT_B[KDF_SALT_SIZE] = {2};

static struct keyring *open_ring(uint64_t sum_max)
{
    struct kdf_limits limits;
    struct err err = {0};
    struct keyring *k;
    kdf_limits_default(&limits);
    if (sum_max != 0)
        limits.sum_max = sum_max;
    /* an odd length: the ring must be aligned all the same */
    assert_int_equal(keyring_new(&k, "odd", 3, &limits, &err), 0);
    return k;
}

static void test_a_key_is_derived_once_and_remembered(void **state)
{
    (void)state;
    struct keyring *k = open_ring(2 * 65536); /* one derivation, not two */
    struct err err = {0};
    const uint8_t *a, *again;
    uint8_t want[KEK_SIZE];
    assert_int_equal(keyring_kek(k, SALT_A, &COST, &a, &err), 0);
    assert_int_equal(kdf_derive("odd", 3, SALT_A, &COST, want, &err), 0);
    assert_memory_equal(a, want, sizeof want);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(keyring_kek(k, SALT_A, &COST, &again, &err), 0);
        assert_ptr_equal(again, a);
    }
    keyring_free(k);
}

static void test_the_sum_of_all_derivations_is_bounded(void **state)
{
    (void)state;
    struct keyring *k = open_ring(2 * 65536);
    struct err err = {0};
    const uint8_t *kek;
    assert_int_equal(keyring_kek(k, SALT_A, &COST, &kek, &err), 0);
    assert_int_equal(keyring_kek(k, SALT_B, &COST, &kek, &err), -1);
    assert_int_equal(err.cls, ERR_REFUSED);
    assert_non_null(strstr(err.hint, "--kdf-limit"));
    /* Of one archive: a directory may hold any number, each with a salt of its own. */
    err = (struct err){0};
    keyring_archive(k);
    assert_int_equal(keyring_kek(k, SALT_B, &COST, &kek, &err), 0);
    assert_int_equal(keyring_kek(k, SALT_A, &COST, &kek, &err), 0);
    keyring_free(k);
}

static void test_another_salt_or_cost_is_another_key(void **state)
{
    (void)state;
    struct keyring *k = open_ring(0);
    struct err err = {0};
    const struct kdf_cost more = {3, 65536};
    const uint8_t *a, *b, *c, *again;
    assert_int_equal(keyring_kek(k, SALT_A, &COST, &a, &err), 0);
    assert_int_equal(keyring_kek(k, SALT_B, &COST, &b, &err), 0);
    assert_int_equal(keyring_kek(k, SALT_A, &more, &c, &err), 0);
    assert_memory_not_equal(a, b, KEK_SIZE);
    assert_memory_not_equal(a, c, KEK_SIZE);
    assert_int_equal(keyring_kek(k, SALT_A, &COST, &again, &err), 0);
    assert_ptr_equal(again, a); /* earlier keys stay where they are */
    keyring_free(k);
}

static void test_a_cost_outside_the_limits_is_refused_before_any_work(void **state)
{
    (void)state;
    struct keyring *k = open_ring(0);
    const struct kdf_cost costs[] = {{1, 65536}, {2, 1024}, {11, 65536}, {2, 1048577}};
    const uint8_t *kek;
    for (size_t i = 0; i < sizeof costs / sizeof costs[0]; i++) {
        struct err err = {0};
        assert_int_equal(keyring_kek(k, SALT_A, &costs[i], &kek, &err), -1);
        assert_int_equal(err.cls, ERR_REFUSED);
    }
    keyring_free(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_key_is_derived_once_and_remembered),
        cmocka_unit_test(test_the_sum_of_all_derivations_is_bounded),
        cmocka_unit_test(test_another_salt_or_cost_is_another_key),
        cmocka_unit_test(test_a_cost_outside_the_limits_is_refused_before_any_work),
    };
    keyring_free(NULL);
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
