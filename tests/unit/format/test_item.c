#include "format/item.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "format/limits.h"
#include "util/le.h"

static const struct item FILE_ITEM = {
    .type = ITEM_FILE,
    .flags = ITEM_CHANGED | ITEM_SPARSE,
    .mode = 04755,
    .uid = 1000,
    .gid = UINT32_MAX - 1,
    .mtime = -2,
    .mtime_ns = 999999999,
    .size = 5000000000,
    .stored = 4096,
    .tar_offset = 512,
    .tar_length = 6144,
    .path = "nginx/caf\xe9",
    .user = "pmm",
    .group = "root",
};

static const struct item LINK_ITEM = {
    .type = ITEM_HARDLINK,
    .mode = 0644,
    .tar_offset = 9216,
    .tar_length = 512,
    .path = "b",
    .link = "nginx/a",
    .link_offset = 512,
};

static void encode(const struct item *item, struct buf *b)
{
    struct err err = {0};
    *b = (struct buf){0};
    assert_int_equal(item_encode(item, b, &err), 0);
}

/* Decode from memory of exactly that size, so that a read past it is seen. */
static int decode(const uint8_t *p, size_t len, struct err *err)
{
    struct item out;
    size_t used = 0;
    uint8_t *copy = malloc(len ? len : 1);
    assert_non_null(copy);
    memcpy(copy, p, len);
    *err = (struct err){0};
    int rc = item_decode(copy, len, &out, &used, err);
    free(copy);
    assert_int_equal(err->cls, rc == 0 ? ERR_NONE : ERR_DAMAGED);
    return rc;
}

/* What becomes of an item after one number in it was changed. */
static int decode_with(const struct item *item, size_t at, uint8_t value)
{
    struct err err;
    struct buf b;
    encode(item, &b);
    b.p[at] = value;
    int rc = decode(b.p, b.len, &err);
    buf_free(&b);
    return rc;
}

static void test_an_item_comes_back_with_every_field(void **state)
{
    (void)state;
    const struct item *items[] = {&FILE_ITEM, &LINK_ITEM};
    for (size_t i = 0; i < 2; i++) {
        struct err err = {0};
        struct item out;
        struct buf b;
        size_t used = 0;
        encode(items[i], &b);
        size_t len = b.len;
        assert_int_equal(buf_add(&b, "next", 4), 0);
        assert_int_equal(item_decode(b.p, b.len, &out, &used, &err), 0);
        assert_int_equal(used, len);
        assert_true(item_equal(&out, items[i]));
        assert_int_equal(out.flags, items[i]->flags);
        assert_true(out.stored == items[i]->stored);
        assert_true(out.tar_length == items[i]->tar_length);
        assert_true(out.link_offset == items[i]->link_offset);
        assert_true(out.mtime == items[i]->mtime);
        buf_free(&b);
    }
}

static void test_fields_stand_where_the_spec_says(void **state)
{
    (void)state;
    struct buf b;
    encode(&LINK_ITEM, &b);
    assert_int_equal(b.len, 76 + (4 + 2) + (4 + 8) + (4 + 8));
    assert_int_equal(le32_get(b.p), b.len);
    assert_int_equal(b.p[4], ITEM_HARDLINK);
    assert_int_equal(le32_get(b.p + 8), 0644);
    assert_true(le64_get(b.p + 52) == 9216);
    assert_true(le64_get(b.p + 60) == 512);
    assert_memory_equal(b.p + 76,
                        "\x01\x00\x02\x00"
                        "b\x00",
                        6);
    assert_memory_equal(b.p + 82,
                        "\x04\x00\x08\x00"
                        "nginx/a\x00",
                        12);
    assert_memory_equal(b.p + 94, "\x05\x00\x08\x00\x00\x02\x00\x00\x00\x00\x00\x00",
                        12);
    buf_free(&b);
}

static void test_an_item_cut_anywhere_is_refused(void **state)
{
    (void)state;
    struct err err;
    struct buf b;
    encode(&FILE_ITEM, &b);
    for (size_t len = 0; len < b.len; len++) {
        assert_int_equal(decode(b.p, len, &err), -1);
        uint8_t whole[4];
        memcpy(whole, b.p, 4);
        le32_put(b.p, (uint32_t)len); /* the length says so too */
        bool at_field = len == 76 + 15 || len == 76 + 15 + 8;
        assert_int_equal(decode(b.p, len, &err), at_field ? 0 : -1);
        memcpy(b.p, whole, 4);
    }
    buf_free(&b);
}

static void test_fixed_fields_out_of_range_are_refused(void **state)
{
    (void)state;
    assert_int_equal(decode_with(&FILE_ITEM, 4, 0), -1);     /* type */
    assert_int_equal(decode_with(&FILE_ITEM, 4, 8), -1);     /* type */
    assert_int_equal(decode_with(&FILE_ITEM, 5, 1), -1);     /* reserved */
    assert_int_equal(decode_with(&FILE_ITEM, 6, 8), -1);     /* flag */
    assert_int_equal(decode_with(&FILE_ITEM, 7, 0x80), -1);  /* flag */
    assert_int_equal(decode_with(&FILE_ITEM, 9, 0x10), -1);  /* mode */
    assert_int_equal(decode_with(&FILE_ITEM, 16, 0xff), -1); /* gid: chown's "as is" */
    assert_int_equal(decode_with(&FILE_ITEM, 31, 0x40), -1); /* nanoseconds */
    assert_int_equal(decode_with(&FILE_ITEM, 32, 1), -1);    /* reserved */
    assert_int_equal(decode_with(&FILE_ITEM, 51, 0xff), -1); /* stored > size */
    assert_int_equal(decode_with(&FILE_ITEM, 68, 1), -1);    /* a file's device */
    assert_int_equal(decode_with(&LINK_ITEM, 36, 1), -1);    /* a link's size */
    struct item far = FILE_ITEM;
    far.tar_offset = UINT64_MAX - 511;
    assert_int_equal(decode_with(&far, 4, ITEM_FILE), -1);
}

/* A minimal directory item followed by these TLVs. */
static int decode_tlvs(uint8_t type, const void *tlvs, size_t len)
{
    struct err err;
    struct buf b = {0};
    uint8_t fixed[76] = {0};
    fixed[4] = type;
    le64_put(fixed + 52, 1024);
    le32_put(fixed, (uint32_t)(76 + len));
    assert_int_equal(buf_add(&b, fixed, sizeof fixed), 0);
    assert_int_equal(buf_add(&b, tlvs, len), 0);
    int rc = decode(b.p, b.len, &err);
    buf_free(&b);
    return rc;
}

#define TLVS(type, bytes) decode_tlvs(type, bytes, sizeof bytes - 1)
#define PATH_A                                                                         \
    "\x01\x00\x02\x00"                                                                 \
    "a\x00"
#define USER_U                                                                         \
    "\x02\x00\x02\x00"                                                                 \
    "u\x00"
#define LINK_B                                                                         \
    "\x04\x00\x02\x00"                                                                 \
    "b\x00"
#define OFF_0  "\x05\x00\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00"
#define OFF_1K "\x05\x00\x08\x00\x00\x04\x00\x00\x00\x00\x00\x00"

static void test_fields_out_of_order_twice_or_unknown_are_refused(void **state)
{
    (void)state;
    assert_int_equal(TLVS(ITEM_DIR, PATH_A USER_U), 0);
    assert_int_equal(TLVS(ITEM_DIR, USER_U PATH_A), -1);
    assert_int_equal(TLVS(ITEM_DIR, PATH_A PATH_A), -1);
    assert_int_equal(TLVS(ITEM_DIR, USER_U), -1); /* no path */
    assert_int_equal(TLVS(ITEM_DIR, PATH_A "\x06\x00\x00\x00"), -1);
    assert_int_equal(TLVS(ITEM_DIR, PATH_A "\x06\x80\x00\x00"), 0);
    assert_int_equal(TLVS(ITEM_DIR, PATH_A "\x06\x80\x03\x00xyz\x07\x80\x00\x00"), 0);
    assert_int_equal(TLVS(ITEM_DIR, PATH_A "\x06\x80\x00\x00\x06\x80\x00\x00"), -1);
    assert_int_equal(TLVS(ITEM_DIR, "\x00\x00\x00\x00" PATH_A), -1);
}

static void test_a_string_ends_with_its_only_nul(void **state)
{
    (void)state;
    assert_int_equal(TLVS(ITEM_DIR, "\x01\x00\x01\x00"
                                    "a"),
                     -1);
    assert_int_equal(TLVS(ITEM_DIR, "\x01\x00\x03\x00"
                                    "a\x00\x00"),
                     -1);
    assert_int_equal(TLVS(ITEM_DIR, "\x01\x00\x01\x00\x00"), -1);
    assert_int_equal(TLVS(ITEM_DIR, "\x01\x00\x00\x00"), -1);
}

static void test_a_path_that_leaves_the_tree_is_refused(void **state)
{
    (void)state;
    assert_int_equal(TLVS(ITEM_DIR, "\x01\x00\x02\x00"
                                    ".\x00"),
                     0);
    assert_int_equal(TLVS(ITEM_DIR, "\x01\x00\x03\x00"
                                    "..\x00"),
                     -1);
    assert_int_equal(TLVS(ITEM_DIR, "\x01\x00\x03\x00"
                                    "/a\x00"),
                     -1);
    assert_int_equal(TLVS(ITEM_DIR, "\x01\x00\x05\x00"
                                    "a/..\x00"),
                     -1);
    assert_int_equal(TLVS(ITEM_DIR, "\x01\x00\x03\x00"
                                    "a/\x00"),
                     -1);
}

static void test_links_are_complete_and_point_backwards(void **state)
{
    (void)state;
    assert_int_equal(TLVS(ITEM_SYMLINK, PATH_A LINK_B), 0);
    assert_int_equal(TLVS(ITEM_SYMLINK, PATH_A), -1);
    assert_int_equal(TLVS(ITEM_SYMLINK, PATH_A LINK_B OFF_0), -1);
    assert_int_equal(TLVS(ITEM_DIR, PATH_A LINK_B), -1);
    assert_int_equal(TLVS(ITEM_HARDLINK, PATH_A LINK_B OFF_0), 0);
    assert_int_equal(TLVS(ITEM_HARDLINK, PATH_A LINK_B), -1);
    assert_int_equal(TLVS(ITEM_HARDLINK, PATH_A OFF_0), -1);
    assert_int_equal(TLVS(ITEM_HARDLINK, PATH_A LINK_B OFF_1K), -1);
    assert_int_equal(TLVS(ITEM_HARDLINK, PATH_A "\x04\x00\x03\x00"
                                                "..\x00" OFF_0),
                     -1);
    assert_int_equal(TLVS(ITEM_SYMLINK, PATH_A "\x04\x00\x03\x00"
                                               "..\x00"),
                     0);
}

static void test_the_longest_strings_fit_and_longer_ones_fail(void **state)
{
    (void)state;
    char *path = malloc(PATH_BYTES_MAX + 2), *target = malloc(PATH_BYTES_MAX + 2);
    char name[NAME_BYTES_MAX + 2];
    assert_true(path != NULL && target != NULL);
    memset(path, 'p', PATH_BYTES_MAX + 1);
    memset(target, 't', PATH_BYTES_MAX + 1);
    memset(name, 'n', sizeof name);
    path[PATH_BYTES_MAX] = target[PATH_BYTES_MAX] = name[NAME_BYTES_MAX] = '\0';
    struct item item = {.type = ITEM_SYMLINK,
                        .mode = 0777,
                        .path = path,
                        .user = name,
                        .group = name,
                        .link = target};
    struct err err;
    struct buf b;
    encode(&item, &b);
    assert_true(b.len <= ITEM_MAX);
    assert_int_equal(decode(b.p, b.len, &err), 0);

    size_t before = b.len;
    name[NAME_BYTES_MAX] = 'n';
    name[NAME_BYTES_MAX + 1] = '\0';
    err = (struct err){0};
    assert_int_equal(item_encode(&item, &b, &err), -1);
    assert_int_equal(err.cls, ERR_FAIL);
    assert_int_equal(b.len, before); /* and nothing half written stays */
    item.user = item.group = NULL;
    target[PATH_BYTES_MAX] = 't';
    target[PATH_BYTES_MAX + 1] = '\0';
    err = (struct err){0};
    assert_int_equal(item_encode(&item, &b, &err), -1);
    assert_int_equal(err.cls, ERR_FAIL);
    buf_free(&b);
    free(path);
    free(target);
}

static void test_changed_bytes_never_read_out_of_bounds(void **state)
{
    (void)state;
    struct err err;
    struct buf b;
    encode(&LINK_ITEM, &b);
    for (size_t i = 0; i < b.len; i++) {
        uint8_t was = b.p[i];
        for (unsigned v = 0; v < 256; v++) {
            b.p[i] = (uint8_t)v;
            decode(b.p, b.len, &err);
        }
        b.p[i] = was;
    }
    buf_free(&b);
}

static void test_items_are_equal_only_in_what_a_tar_shows(void **state)
{
    (void)state;
    struct item a = FILE_ITEM;
    a.flags = ITEM_SPARSE | ITEM_INCOMPLETE;
    a.tar_length = 1;
    a.link_offset = 1;
    assert_true(item_equal(&a, &FILE_ITEM));

#define DIFFERS(field, value)                                                          \
    do {                                                                               \
        struct item d = FILE_ITEM;                                                     \
        d.field = value;                                                               \
        assert_false(item_equal(&d, &FILE_ITEM));                                      \
    } while (0)
    DIFFERS(type, ITEM_DIR);
    DIFFERS(mode, 0644);
    DIFFERS(uid, 1);
    DIFFERS(gid, 1);
    DIFFERS(mtime, 2);
    DIFFERS(mtime_ns, 0);
    DIFFERS(size, 1);
    DIFFERS(stored, FILE_ITEM.stored - 1);
    DIFFERS(flags, FILE_ITEM.flags ^ ITEM_SPARSE);
    DIFFERS(dev_major, 1);
    DIFFERS(dev_minor, 1);
    DIFFERS(tar_offset, 1024);
    DIFFERS(path, "other");
    DIFFERS(user, NULL);
    DIFFERS(group, "pmm");
    DIFFERS(link, "x");
#undef DIFFERS
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_item_comes_back_with_every_field),
        cmocka_unit_test(test_fields_stand_where_the_spec_says),
        cmocka_unit_test(test_an_item_cut_anywhere_is_refused),
        cmocka_unit_test(test_fixed_fields_out_of_range_are_refused),
        cmocka_unit_test(test_fields_out_of_order_twice_or_unknown_are_refused),
        cmocka_unit_test(test_a_string_ends_with_its_only_nul),
        cmocka_unit_test(test_a_path_that_leaves_the_tree_is_refused),
        cmocka_unit_test(test_links_are_complete_and_point_backwards),
        cmocka_unit_test(test_the_longest_strings_fit_and_longer_ones_fail),
        cmocka_unit_test(test_changed_bytes_never_read_out_of_bounds),
        cmocka_unit_test(test_items_are_equal_only_in_what_a_tar_shows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
