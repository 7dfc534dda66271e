#include "seal/keys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "util/io.h"
#include "util/le.h"

#define CREATED INT64_C(1700000000)

static const uint8_t SALT[KDF_SALT_SIZE] = {5, 6, 7};

/* One keyring for all tests: with one salt for every slot, "right" and "wrong" cost one
 * derivation each. */
struct rings {
    struct keyring *right, *wrong;
};

struct fixture {
    struct rings *rings;
    struct header h;
    uint8_t raw[HEADER_UNIT];
    uint8_t file_key[FILE_KEY_SIZE];
};

static struct keyring *ring(const char *passphrase)
{
    struct kdf_limits limits;
    struct err err = {0};
    struct keyring *k;
    kdf_limits_default(&limits);
    assert_int_equal(keyring_new(&k, passphrase, strlen(passphrase), &limits, &err), 0);
    return k;
}

static int group_set_up(void **state)
{
    struct rings *r = calloc(1, sizeof *r);
    if (r == NULL)
        return -1;
    r->right = ring("right");
    r->wrong = ring("wrong");
    *state = r;
    return 0;
}

static int group_tear_down(void **state)
{
    struct rings *r = *state;
    keyring_free(r->right);
    keyring_free(r->wrong);
    free(r);
    return 0;
}

static void add_slot(struct fixture *f, struct keyring *k)
{
    struct slot_passphrase p = {.passes = 2, .memory_kib = 65536};
    const struct kdf_cost cost = {2, 65536};
    struct err err = {0};
    const uint8_t *kek;
    uint8_t slot[SLOT_PASSPHRASE_SIZE];
    memcpy(p.salt, SALT, sizeof p.salt);
    assert_int_equal(keyring_kek(k, SALT, &cost, &kek, &err), 0);
    assert_int_equal(keys_wrap(&p, CREATED, kek, f->raw, f->file_key, &err), 0);
    slot_encode_passphrase(&p, CREATED, slot);
    assert_int_equal(slot_add(&f->h, slot, sizeof slot, &err), 0);
}

/* A slot that names this cost and opens with nothing. */
static void add_dummy(struct fixture *f, uint32_t passes, uint32_t memory_kib)
{
    const struct slot_passphrase p = {.passes = passes, .memory_kib = memory_kib};
    struct err err = {0};
    uint8_t slot[SLOT_PASSPHRASE_SIZE];
    slot_encode_passphrase(&p, CREATED, slot);
    assert_int_equal(slot_add(&f->h, slot, sizeof slot, &err), 0);
}

/* The header's bytes, with sums, from its struct. */
static void finish(struct fixture *f)
{
    struct err err = {0};
    struct keys *k;
    header_encode(&f->h, f->raw);
    assert_int_equal(keys_derive(&k, f->file_key, f->raw, &err), 0);
    memcpy(f->h.key_check, k->check, 32);
    header_encode(&f->h, f->raw);
    keys_header_finish(f->raw, sizeof f->raw, k);
    keys_free(k);
}

/* A header without slots. */
static struct fixture *start(struct rings *rings)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->rings = rings;
    f->h.version = FORMAT_VERSION;
    f->h.suite = FORMAT_SUITE;
    f->h.chunk_log2 = CHUNK_LOG2_DEFAULT;
    f->h.units = 1;
    memset(f->h.id, 0x1d, sizeof f->h.id);
    memset(f->file_key, 0xfe, sizeof f->file_key);
    header_encode(&f->h, f->raw);
    return f;
}

static int unlock(struct fixture *f, struct keyring *k, struct unlocked *u,
                  struct err *err)
{
    struct header *h = malloc(sizeof *h);
    struct keys *keys = NULL;
    assert_non_null(h);
    *err = (struct err){0};
    assert_int_equal(header_parse(f->raw, sizeof f->raw, h, err), 0);
    int rc = keys_unlock(k, h, f->raw, sizeof f->raw, &keys, u, err);
    if (rc == 0)
        assert_memory_equal(keys->file_key, f->file_key, FILE_KEY_SIZE);
    else
        assert_null(keys);
    keys_free(keys);
    free(h);
    return rc;
}

static void must_fail(struct fixture *f, struct keyring *k, enum err_class cls)
{
    struct err err;
    assert_int_equal(unlock(f, k, NULL, &err), -1);
    assert_int_equal(err.cls, cls);
}

static void test_the_right_passphrase_opens_and_says_which_slot(void **state)
{
    struct fixture *f = start(*state);
    struct unlocked u;
    struct err err;
    add_slot(f, f->rings->wrong);
    add_slot(f, f->rings->right);
    finish(f);
    assert_int_equal(unlock(f, f->rings->right, &u, &err), 0);
    assert_int_equal(u.slot_off, SLOT_PASSPHRASE_SIZE);
    assert_memory_equal(u.salt, SALT, sizeof u.salt);
    assert_true(u.cost.passes == 2 && u.cost.memory_kib == 65536);
    assert_true(u.created == CREATED);
    assert_int_equal(unlock(f, f->rings->wrong, &u, &err), 0);
    assert_int_equal(u.slot_off, 0);
    free(f);
}

static void test_a_wrong_passphrase_is_told_from_damage(void **state)
{
    struct fixture *f = start(*state);
    struct err err;
    add_slot(f, f->rings->right);
    finish(f);
    assert_int_equal(unlock(f, f->rings->wrong, NULL, &err), -1);
    assert_int_equal(err.cls, ERR_KEY);
    assert_non_null(strstr(err.text, "wrong passphrase"));
    free(f);
}

static void test_slots_of_other_kinds_are_passed_over(void **state)
{
    struct fixture *f = start(*state);
    struct err err;
    uint8_t other[40] = {2, 0, 40, 0, 0xff};
    assert_int_equal(slot_add(&f->h, other, sizeof other, &err), 0);
    finish(f);
    must_fail(f, f->rings->right, ERR_KEY);
    add_slot(f, f->rings->right);
    finish(f);
    assert_int_equal(unlock(f, f->rings->right, NULL, &err), 0);
    free(f);
}

static void test_a_slot_of_forbidden_cost_does_not_hide_one_that_opens(void **state)
{
    static const uint32_t costs[][2] = {
        {2, 2097152}, {11, 65536}, {1, 8}, {2, UINT32_MAX}};
    for (size_t i = 0; i < sizeof costs / sizeof costs[0]; i++) {
        struct fixture *f = start(*state);
        struct err err;
        add_dummy(f, costs[i][0], costs[i][1]);
        finish(f);
        must_fail(f, f->rings->right, ERR_REFUSED);
        add_slot(f, f->rings->right);
        finish(f);
        assert_int_equal(unlock(f, f->rings->right, NULL, &err), 0);
        /* for another passphrase it stays unknown whether that slot would open */
        must_fail(f, f->rings->wrong, ERR_REFUSED);
        free(f);
    }
}

static void test_a_slot_cannot_be_changed_without_being_noticed(void **state)
{
    for (size_t i = 0; i < SLOT_PASSPHRASE_SIZE; i++) {
        if (i < 8 || (i >= 32 && i < 40))
            continue; /* shape and cost: refused before */
        struct fixture *f = start(*state);
        add_slot(f, f->rings->right);
        f->h.slots[i] ^= 1;
        finish(f);
        if (i >= 16 && i < 32) {
            /* Another salt would be one more derivation for each byte: only the first.
             */
            if (i == 16)
                must_fail(f, f->rings->right, ERR_KEY);
        } else {
            must_fail(f, f->rings->right,
                      i >= SLOT_COMMIT_OFF + 32 ? ERR_DAMAGED : ERR_KEY);
        }
        free(f);
    }
}

static void test_a_slot_of_another_archive_does_not_open(void **state)
{
    struct fixture *f = start(*state);
    add_slot(f, f->rings->right);
    f->h.id[15] ^= 1;
    finish(f);
    must_fail(f, f->rings->right, ERR_KEY);
    free(f);
}

static void test_a_foreign_key_check_is_damage(void **state)
{
    struct fixture *f = start(*state);
    struct err err = {0};
    struct keys *k;
    add_slot(f, f->rings->right);
    finish(f);
    f->raw[HEADER_OFF_KEY_CHECK] ^= 1;
    assert_int_equal(keys_derive(&k, f->file_key, f->raw, &err), 0);
    keys_header_finish(f->raw, sizeof f->raw, k);
    keys_free(k);
    must_fail(f, f->rings->right, ERR_DAMAGED);
    free(f);
}

/* Somebody without the key can make a good checksum, not a good MAC. */
static void test_a_header_changed_without_the_key_is_damage(void **state)
{
    struct fixture *f = start(*state);
    struct err err = {0};
    struct keys *other;
    uint8_t wrong_key[FILE_KEY_SIZE] = {0};
    add_slot(f, f->rings->right);
    finish(f);
    f->h.generation++;
    header_encode(&f->h, f->raw);
    assert_int_equal(keys_derive(&other, wrong_key, f->raw, &err), 0);
    keys_header_finish(f->raw, sizeof f->raw, other);
    assert_true(keys_header_checksum_ok(f->raw, sizeof f->raw));
    must_fail(f, f->rings->right, ERR_DAMAGED);
    keys_free(other);
    free(f);
}

static void test_both_sums_cover_every_byte_before_them(void **state)
{
    struct fixture *f = start(*state);
    struct err err = {0};
    struct keys *k;
    add_slot(f, f->rings->right);
    finish(f);
    assert_int_equal(keys_derive(&k, f->file_key, f->raw, &err), 0);
    assert_true(keys_header_checksum_ok(f->raw, sizeof f->raw));
    assert_true(keys_header_mac_ok(f->raw, sizeof f->raw, k));
    for (size_t i = 0; i < sizeof f->raw; i++) {
        f->raw[i] ^= 1;
        assert_int_equal(keys_header_checksum_ok(f->raw, sizeof f->raw),
                         i >= sizeof f->raw - 32);
        assert_false(keys_header_mac_ok(f->raw, sizeof f->raw, k));
        f->raw[i] ^= 1;
    }
    keys_free(k);
    free(f);
}

static void test_subkeys_differ_and_are_bound_to_the_header(void **state)
{
    struct fixture *f = start(*state);
    struct err err = {0};
    struct keys *a, *b;
    assert_int_equal(keys_derive(&a, f->file_key, f->raw, &err), 0);
    assert_memory_not_equal(a->check, a->mac, 32);
    assert_memory_not_equal(a->mac, a->data, 32);
    assert_memory_not_equal(a->data, a->meta, 32);
    for (size_t i = 0; i < HEADER_BINDING; i++) {
        f->raw[i] ^= 1;
        assert_int_equal(keys_derive(&b, f->file_key, f->raw, &err), 0);
        assert_memory_not_equal(a->data, b->data, 32);
        keys_free(b);
        f->raw[i] ^= 1;
    }
    f->raw[HEADER_BINDING] ^= 1; /* the key check is not part of what it is made from */
    assert_int_equal(keys_derive(&b, f->file_key, f->raw, &err), 0);
    assert_memory_equal(a, b, sizeof *a);
    keys_free(a);
    keys_free(b);
    keys_free(NULL);
    free(f);
}

static void test_a_file_key_depends_on_everything_that_goes_in(void **state)
{
    (void)state;
    uint8_t rnd[32] = {1}, id[16] = {2}, kek[KEK_SIZE] = {3}, base[32], other[32];
    keys_make_file_key(rnd, id, 1000, kek, base);
    keys_make_file_key(rnd, id, 1000, kek, other);
    assert_memory_equal(base, other, 32);
    keys_make_file_key(rnd, id, 1001, kek, other);
    assert_memory_not_equal(base, other, 32);
    keys_make_file_key(rnd, id, 1000, NULL, other);
    assert_memory_not_equal(base, other, 32);
    id[0]++;
    keys_make_file_key(rnd, id, 1000, kek, other);
    assert_memory_not_equal(base, other, 32);
    id[0]--;
    rnd[31]++;
    keys_make_file_key(rnd, id, 1000, kek, other);
    assert_memory_not_equal(base, other, 32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_right_passphrase_opens_and_says_which_slot),
        cmocka_unit_test(test_a_wrong_passphrase_is_told_from_damage),
        cmocka_unit_test(test_slots_of_other_kinds_are_passed_over),
        cmocka_unit_test(test_a_slot_of_forbidden_cost_does_not_hide_one_that_opens),
        cmocka_unit_test(test_a_slot_cannot_be_changed_without_being_noticed),
        cmocka_unit_test(test_a_slot_of_another_archive_does_not_open),
        cmocka_unit_test(test_a_foreign_key_check_is_damage),
        cmocka_unit_test(test_a_header_changed_without_the_key_is_damage),
        cmocka_unit_test(test_both_sums_cover_every_byte_before_them),
        cmocka_unit_test(test_subkeys_differ_and_are_bound_to_the_header),
        cmocka_unit_test(test_a_file_key_depends_on_everything_that_goes_in),
    };
    return sodium_init() < 0
               ? 1
               : cmocka_run_group_tests(tests, group_set_up, group_tear_down);
}
