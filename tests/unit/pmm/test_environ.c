#include "pmm/environ.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* A directory whose proc/1/environ holds `n` bytes of `bytes`. */
static void world(char root[64], const char *bytes, size_t n)
{
    char path[128];
    strcpy(root, "/tmp/pmm-seal-environ.XXXXXX");
    assert_non_null(mkdtemp(root));
    snprintf(path, sizeof path, "%s/proc", root);
    assert_int_equal(mkdir(path, 0700), 0);
    strcat(path, "/1");
    assert_int_equal(mkdir(path, 0700), 0);
    strcat(path, "/environ");
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static void end(const char *root)
{
    char path[128];
    const char *parts[] = {"/proc/1/environ", "/proc/1", "/proc", ""};
    for (int i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s%s", root, parts[i]);
        assert_int_equal(remove(path), 0);
    }
}

#define ENV                                                                            \
    "PATH=/bin\0PMM_DEBUG=1\0GF_SECURITY_ADMIN_PASSWORD=s3cret\0PMM_SEAL_PASSPHRASE=x" \
    "\0VM_search=5\0XPMM_Y=1\0PMM_CUT"

static void test_names_are_taken_and_no_values(void **state)
{
    (void)state;
    char root[64];
    struct extras x = {0};
    struct err err = {0};
    world(root, ENV, sizeof ENV - 1);
    assert_int_equal(environ_take(root, false, &x, &err), 0);
    assert_int_equal(x.nenv, 3);
    assert_string_equal(x.env[0], "PMM_DEBUG");
    assert_string_equal(x.env[1], "GF_SECURITY_ADMIN_PASSWORD");
    assert_string_equal(x.env[2], "VM_search");
    extras_free(&x);
    end(root);
}

static void test_values_are_taken_when_they_are_asked_for(void **state)
{
    (void)state;
    char root[64];
    struct extras x = {0};
    struct err err = {0};
    world(root, ENV, sizeof ENV - 1);
    assert_int_equal(environ_take(root, true, &x, &err), 0);
    assert_int_equal(x.nenv, 3);
    assert_string_equal(x.env[1], "GF_SECURITY_ADMIN_PASSWORD=s3cret");
    extras_free(&x);
    end(root);
}

static void test_where_there_is_no_process_1_to_read_there_is_nothing(void **state)
{
    (void)state;
    struct extras x = {0};
    struct err err = {0};
    assert_int_equal(environ_take("/nonexistent", true, &x, &err), 0);
    assert_int_equal(x.nenv, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_are_taken_and_no_values),
        cmocka_unit_test(test_values_are_taken_when_they_are_asked_for),
        cmocka_unit_test(test_where_there_is_no_process_1_to_read_there_is_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
