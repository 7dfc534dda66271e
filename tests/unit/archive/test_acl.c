#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

#include "archive/acl.h"

/* u::rw-, u:1000:r--, g::r--, m::rw-, o::--- */
static const uint8_t sample[] = {
    2,    0, 0, 0,                         /* version */
    1,    0, 6, 0, 0xff, 0xff, 0xff, 0xff, /* user_obj */
    2,    0, 4, 0, 0xe8, 0x03, 0,    0,    /* user 1000 */
    4,    0, 4, 0, 0xff, 0xff, 0xff, 0xff, /* group_obj */
    0x10, 0, 6, 0, 0xff, 0xff, 0xff, 0xff, /* mask */
    0x20, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, /* other */
};

static int refused(const uint8_t *value, size_t len)
{
    struct acl_row *rows = NULL;
    size_t n = 0;
    if (acl_decode(value, len, &rows, &n) == 0) {
        free(rows);
        return 0;
    }
    return 1;
}

static void test_a_value_becomes_rows_and_the_same_value_again(void **state)
{
    (void)state;
    struct acl_row *rows;
    size_t n, len;
    uint8_t *value;
    struct err err = {0};
    assert_int_equal(0, acl_decode(sample, sizeof sample, &rows, &n));
    assert_int_equal(5, n);
    assert_int_equal(2, rows[1].tag);
    assert_int_equal(4, rows[1].perm);
    assert_int_equal(1000, rows[1].id);
    assert_true(rows[4].id == UINT32_MAX);
    assert_int_equal(0, acl_encode(rows, n, &value, &len, &err));
    assert_int_equal(sizeof sample, len);
    assert_memory_equal(sample, value, len);
    free(rows);
    free(value);
}

static void test_rows_are_sorted_as_the_kernel_wants_them(void **state)
{
    (void)state;
    struct acl_row rows[] = {
        {32, 0, UINT32_MAX}, {2, 7, 3000000000u}, {16, 6, UINT32_MAX},
        {2, 4, 1000},        {4, 4, UINT32_MAX},  {1, 6, UINT32_MAX},
    };
    static const uint16_t tags[] = {1, 2, 2, 4, 16, 32};
    uint8_t *value;
    size_t len;
    struct err err = {0};
    assert_int_equal(0, acl_encode(rows, 6, &value, &len, &err));
    assert_int_equal(4 + 6 * 8, len);
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(tags[i], value[4 + 8 * i]);
    assert_int_equal(1000, rows[1].id);
    assert_true(rows[2].id == 3000000000u);
    free(value);
}

static void test_what_is_no_version_2_acl_is_refused(void **state)
{
    (void)state;
    uint8_t v[sizeof sample];
    for (size_t cut = 0; cut < sizeof sample; cut++) {
        if (cut % 8 != 4)
            assert_true(refused(sample, cut));
    }
    static const struct {
        size_t at;
        uint8_t value;
    } changes[] = {
        {0, 1},     /* version */
        {3, 1},     /* version, last byte */
        {4, 3},     /* two tags in one */
        {4, 0},     /* no tag */
        {5, 1},     /* unknown tag */
        {6, 8},     /* a bit that is no permission */
        {8, 0},     /* an id where there is none */
        {12, 1},    /* user_obj twice */
        {20, 0x20}, /* out of order */
    };
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        memcpy(v, sample, sizeof v);
        v[changes[i].at] = changes[i].value;
        assert_true(refused(v, sizeof v));
    }
    memcpy(v, sample, sizeof v);
    memset(v + 16, 0xff, 4); /* a named user without an id */
    assert_true(refused(v, sizeof v));
}

static void test_the_kernel_takes_and_gives_the_same_bytes(void **state)
{
    (void)state;
    const char *dir = getenv("TMPDIR");
    char name[4096];
    snprintf(name, sizeof name, "%s/pmm-acl-XXXXXX", dir != NULL ? dir : "/tmp");
    int fd = mkstemp(name);
    assert_true(fd >= 0);
    int rc = fsetxattr(fd, ACL_XATTR_ACCESS, sample, sizeof sample, 0);
    uint8_t got[256];
    ssize_t n = fgetxattr(fd, ACL_XATTR_ACCESS, got, sizeof got);
    close(fd);
    unlink(name);
    if (rc != 0) {
        print_message("skipped: no ACLs in %s\n", name);
        skip();
    }
    assert_int_equal(sizeof sample, n);
    assert_memory_equal(sample, got, sizeof sample);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_value_becomes_rows_and_the_same_value_again),
        cmocka_unit_test(test_rows_are_sorted_as_the_kernel_wants_them),
        cmocka_unit_test(test_what_is_no_version_2_acl_is_refused),
        cmocka_unit_test(test_the_kernel_takes_and_gives_the_same_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
