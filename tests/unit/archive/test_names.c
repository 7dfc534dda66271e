#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "archive/names.h"

static char dir[4096], passwd[4200], group[4200];

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(0, fclose(f));
}

static int setup(void **state)
{
    (void)state;
    const char *tmp = getenv("TMPDIR");
    snprintf(dir, sizeof dir, "%s/pmm-names-XXXXXX", tmp != NULL ? tmp : "/tmp");
    if (mkdtemp(dir) == NULL)
        return -1;
    snprintf(passwd, sizeof passwd, "%s/passwd", dir);
    snprintf(group, sizeof group, "%s/group", dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(passwd);
    unlink(group);
    return rmdir(dir);
}

static struct names *opened(void)
{
    struct names *n = NULL;
    struct err err = {0};
    assert_int_equal(0, names_open(&n, passwd, group, &err));
    return n;
}

static void test_the_first_name_of_an_id_counts(void **state)
{
    (void)state;
    write_file(passwd, "root:x:0:0::/root:/bin/sh\n"
                       "pmm:x:1000:1000::/:/bin/sh\n"
                       "toor:x:0:0::/root:/bin/sh\n"
                       "aaa:x:1000:1000::/:/bin/sh\n"
                       "big:x:4294967294:0::/:/bin/sh\n");
    write_file(group, "wheel:x:0:root\nroot:x:0:\npmm:x:1000:\n");
    struct names *n = opened();
    assert_string_equal("root", names_user(n, 0));
    assert_string_equal("pmm", names_user(n, 1000));
    assert_string_equal("big", names_user(n, 4294967294u));
    assert_string_equal("wheel", names_group(n, 0));
    assert_null(names_user(n, 1));
    assert_null(names_user(n, UINT32_MAX));
    assert_null(names_group(n, 1));
    names_free(n);
}

static void test_every_name_has_its_id(void **state)
{
    (void)state;
    write_file(passwd, "root:x:0:0::/:/\ntoor:x:0:0::/:/\ntwice:x:5:5::/:/\n"
                       "twice:x:6:6::/:/\n");
    write_file(group, "g:x:7:\n");
    struct names *n = opened();
    uint32_t id = 99;
    assert_true(names_uid(n, "toor", &id));
    assert_int_equal(0, id);
    assert_true(names_uid(n, "twice", &id));
    assert_int_equal(5, id);
    assert_true(names_gid(n, "g", &id));
    assert_int_equal(7, id);
    assert_false(names_gid(n, "root", &id));
    assert_false(names_uid(n, "", &id));
    assert_false(names_uid(n, "zzz", &id));
    assert_int_equal(7, id);
    names_free(n);
}

static void test_what_does_not_parse_is_passed_over(void **state)
{
    (void)state;
    char text[1024], lng[400];
    memset(lng, 'n', sizeof lng);
    lng[sizeof lng - 1] = '\0';
    snprintf(text, sizeof text,
             "nonsense\n\n+::0:0:::\n+nis:x:3:3::/:/\n%s:x:4:4::/:/\n"
             "ok:x:5:5::/:/\nhalf:x:",
             lng);
    write_file(passwd, text);
    write_file(group, "");
    struct names *n = opened();
    assert_null(names_user(n, 0));
    assert_null(names_user(n, 3));
    assert_null(names_user(n, 4)); /* longer than an item can hold */
    assert_string_equal("ok", names_user(n, 5));
    assert_null(names_group(n, 0));
    names_free(n);
}

static void test_a_missing_file_is_an_empty_one(void **state)
{
    (void)state;
    struct names *n = opened();
    uint32_t id;
    assert_null(names_user(n, 0));
    assert_null(names_group(n, 0));
    assert_false(names_uid(n, "root", &id));
    names_free(n);
}

static void test_an_unreadable_file_is_an_error(void **state)
{
    (void)state;
    struct names *n = NULL;
    struct err err = {0};
    assert_int_equal(-1, names_open(&n, dir, group, &err));
    assert_int_equal(ERR_FAIL, err.cls);
    assert_non_null(strstr(err.text, dir));
}

static void test_the_files_of_this_system_are_read(void **state)
{
    (void)state;
    struct names *n = NULL;
    struct err err = {0};
    assert_int_equal(0, names_open(&n, NULL, NULL, &err));
    if (access("/etc/passwd", R_OK) == 0)
        assert_string_equal("root", names_user(n, 0));
    names_free(n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_first_name_of_an_id_counts, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_every_name_has_its_id, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_does_not_parse_is_passed_over, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_missing_file_is_an_empty_one, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_an_unreadable_file_is_an_error, setup,
                                        teardown),
        cmocka_unit_test(test_the_files_of_this_system_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
