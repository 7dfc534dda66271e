#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "secret/secret.h"
#include "util/io.h"

static void test_init_forbids_core_dumps(void **state)
{
    (void)state;
    struct err err = {0};
    struct rlimit limit;
    assert_int_equal(secret_init(&err), 0);
    assert_int_equal(getrlimit(RLIMIT_CORE, &limit), 0);
    assert_int_equal(limit.rlim_cur, 0);
    assert_int_equal(limit.rlim_max, 0);
    assert_int_equal(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), 0);
    /* Let the leak checker look at this process. */
    assert_int_equal(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0), 0);
}

static void test_memory_comes_zeroed(void **state)
{
    (void)state;
    struct err err = {0};
    for (size_t len = 1; len < 10000; len = len * 3 + 1) {
        char *p = secret_alloc(len, &err);
        assert_non_null(p);
        assert_true(io_is_zero(p, len));
        memset(p, 1, len);
        secret_free(p);
    }
    secret_free(NULL);
}

static void test_too_much_is_an_error(void **state)
{
    (void)state;
    struct err err = {0};
    assert_null(secret_alloc(SIZE_MAX / 8 * 7, &err));
    assert_int_equal(err.cls, ERR_FAIL);
}

static void test_memory_is_given_where_none_may_be_locked(void **state)
{
    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        struct err err = {0};
        const struct rlimit none = {0, 0};
        setrlimit(RLIMIT_MEMLOCK, &none);
        if (geteuid() == 0 && setuid(1000) != 0)
            _exit(2);
        char *p = secret_alloc(100000, &err);
        if (p == NULL || !io_is_zero(p, 100000))
            _exit(1);
        memset(p, 7, 100000);
        secret_free(p);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_wipe_leaves_zeros(void **state)
{
    (void)state;
    char b[100];
    memset(b, 'x', sizeof b);
    secret_wipe(b, sizeof b - 1);
    assert_true(io_is_zero(b, sizeof b - 1));
    assert_int_equal(b[sizeof b - 1], 'x');
}

static void test_equal_looks_at_every_byte(void **state)
{
    (void)state;
    char a[100], b[100];
    memset(a, 'x', sizeof a);
    memset(b, 'x', sizeof b);
    assert_true(secret_equal(a, b, sizeof a));
    assert_true(secret_equal(a, b, 0));
    for (size_t i = 0; i < sizeof b; i++) {
        b[i] ^= 1;
        assert_false(secret_equal(a, b, sizeof a));
        assert_true(secret_equal(a, b, i));
        b[i] ^= 1;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_init_forbids_core_dumps),
        cmocka_unit_test(test_memory_comes_zeroed),
        cmocka_unit_test(test_too_much_is_an_error),
        cmocka_unit_test(test_memory_is_given_where_none_may_be_locked),
        cmocka_unit_test(test_wipe_leaves_zeros),
        cmocka_unit_test(test_equal_looks_at_every_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
