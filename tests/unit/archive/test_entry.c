#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "archive/entry.h"

static void test_attributes_are_sorted_by_name(void **state)
{
    (void)state;
    struct entry e = {0};
    struct err err = {0};
    assert_int_equal(0, entry_add_xattr(&e, "user.m", "1", 1, &err));
    assert_int_equal(0, entry_add_xattr(&e, "user.z", "22", 2, &err));
    assert_int_equal(0, entry_add_xattr(&e, "user.a", "", 0, &err));
    assert_int_equal(0, entry_add_xattr(&e, "user.\xff", "\0\1", 2, &err));
    assert_int_equal(4, e.nxattrs);
    assert_string_equal("user.a", e.xattrs[0].name);
    assert_string_equal("user.m", e.xattrs[1].name);
    assert_string_equal("user.z", e.xattrs[2].name);
    assert_string_equal("user.\xff", e.xattrs[3].name);
    entry_clear(&e);
}

static void test_an_equal_name_is_replaced(void **state)
{
    (void)state;
    struct entry e = {0};
    struct err err = {0};
    assert_int_equal(0, entry_add_xattr(&e, "user.a", "old value", 9, &err));
    assert_int_equal(0, entry_add_xattr(&e, "user.a", "new", 3, &err));
    assert_int_equal(1, e.nxattrs);
    const struct xattr *x = entry_xattr(&e, "user.a");
    assert_non_null(x);
    assert_int_equal(3, x->len);
    assert_memory_equal("new", x->value, 3);
    entry_clear(&e);
}

static void test_an_unknown_attribute_is_null(void **state)
{
    (void)state;
    struct entry e = {0};
    struct err err = {0};
    assert_null(entry_xattr(&e, "user.a"));
    assert_int_equal(0, entry_add_xattr(&e, "user.b", "1", 1, &err));
    assert_null(entry_xattr(&e, "user.a"));
    assert_null(entry_xattr(&e, "user.c"));
    entry_clear(&e);
}

static void test_strings_are_copies_and_may_be_taken_from_themselves(void **state)
{
    (void)state;
    struct entry e = {0};
    struct err err = {0};
    char path[] = "dir/name";
    assert_int_equal(0, entry_set_string(&e.item.path, path, 8, &err));
    path[0] = 'X';
    assert_string_equal("dir/name", e.item.path);
    assert_int_equal(0, entry_set_string(&e.item.path, e.item.path + 4, 4, &err));
    assert_string_equal("name", e.item.path);
    assert_int_equal(0, entry_set_string(&e.item.path, NULL, 0, &err));
    assert_null(e.item.path);
    entry_clear(&e);
}

static void test_a_cleared_entry_is_all_zero(void **state)
{
    (void)state;
    struct entry e = {0};
    static const struct entry zero;
    struct err err = {0};
    assert_int_equal(0, entry_set_string(&e.item.path, "p", 1, &err));
    assert_int_equal(0, entry_set_string(&e.item.user, "u", 1, &err));
    assert_int_equal(0, entry_set_string(&e.item.group, "g", 1, &err));
    assert_int_equal(0, entry_set_string(&e.item.link, "l", 1, &err));
    assert_int_equal(0, entry_add_xattr(&e, "user.a", "1", 1, &err));
    e.item.size = 7;
    entry_clear(&e);
    assert_memory_equal(&zero, &e, sizeof e);
    entry_clear(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_attributes_are_sorted_by_name),
        cmocka_unit_test(test_an_equal_name_is_replaced),
        cmocka_unit_test(test_an_unknown_attribute_is_null),
        cmocka_unit_test(test_strings_are_copies_and_may_be_taken_from_themselves),
        cmocka_unit_test(test_a_cleared_entry_is_all_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
