/* The programs of a PMM Server, and only they, are stopped and started in order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "ctlworld.h"
#include "pmm/services.h"
#include "util/stop.h"

static struct ctlworld w;

static int make(void **state)
{
    (void)state;
    ctl_make(&w);
    return 0;
}

static int clear(void **state)
{
    (void)state;
    ctl_remove(&w);
    return 0;
}

/* "a b c" */
static const char *running(bool writers)
{
    static char text[1024];
    struct services s;
    struct err err = {0};
    assert_int_equal(services_running(writers, &s, &err), 0);
    text[0] = '\0';
    for (size_t i = 0; i < s.n; i++) {
        strcat(text, i > 0 ? " " : "");
        strcat(text, s.names[i]);
    }
    return text;
}

static struct services three(void)
{
    return (struct services){.n = 3,
                             .names = {"postgresql", "victoriametrics", "pmm-managed"}};
}

static void test_running_programs_are_listed_in_the_order_of_their_start(void **state)
{
    (void)state;
    ctl_write(&w, "p/group:qan-api2", "RUNNING pid 9");
    ctl_write(&w, "p/aaa", "RUNNING pid 9");
    assert_string_equal(running(false), "postgresql clickhouse nginx victoriametrics "
                                        "group:qan-api2 pmm-managed aaa");
}

static void test_writers_are_all_but_nginx_and_what_is_at_rest(void **state)
{
    (void)state;
    ctl_write(&w, "p/clickhouse", "STOPPED Not started");
    ctl_write(&w, "p/grafana", "FATAL Exited too quickly");
    ctl_write(&w, "p/new-in-pmm-4", "RUNNING pid 9");
    assert_string_equal(running(true),
                        "postgresql victoriametrics pmm-managed new-in-pmm-4");
}

static void test_what_is_about_to_start_counts_as_running(void **state)
{
    (void)state;
    ctl_write(&w, "p/clickhouse", "BACKOFF Exited too quickly");
    ctl_write(&w, "p/grafana", "STARTING");
    assert_string_equal(running(true),
                        "postgresql clickhouse grafana victoriametrics pmm-managed");
}

static void test_a_server_that_is_being_set_up_is_left_alone(void **state)
{
    static const char *const names[] = {"pmm-init", "pmm-update-perform-init",
                                        "pmm-update-perform"};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct services s;
        struct err err = {0};
        char path[64];
        snprintf(path, sizeof path, "p/%s", names[i]);
        ctl_write(&w, path, "RUNNING pid 9");
        assert_int_equal(services_running(true, &s, &err), -1);
        assert_int_equal(err.cls, ERR_REFUSED);
        assert_non_null(strstr(err.text, names[i]));
        assert_string_not_equal(err.hint, "");
        ctl_write(&w, path, "EXITED Nov 24 08:00 AM");
    }
}

static void expect_running_error(enum err_class cls, const char *text)
{
    struct services s;
    struct err err = {0};
    assert_int_equal(services_running(true, &s, &err), -1);
    assert_int_equal(err.cls, cls);
    assert_non_null(strstr(err.text, text));
    if (cls == ERR_REFUSED)
        assert_non_null(strstr(err.hint, "stop the container"));
}

static void test_outside_a_pmm_container_it_is_refused(void **state)
{
    (void)state;
    ctl_write(&w, "answer", "unix:///run/supervisor/supervisor.sock no such file\n");
    expect_running_error(ERR_REFUSED, "supervisor.sock no such file");
    ctl_write(&w, "answer", "unix:///run/supervisor.sock refused connection\n");
    expect_running_error(ERR_REFUSED, "refused connection");
    ctl_write(
        &w, "answer",
        "Error: No config file found at default paths (a, b)\nFor help, use -h\n");
    expect_running_error(ERR_REFUSED, "no configuration");

    char *path = strdup(getenv("PATH"));
    setenv("PATH", "/nonexistent", 1);
    expect_running_error(ERR_REFUSED, "there is no supervisorctl");
    setenv("PATH", path, 1);
    free(path);
}

static void test_a_supervisord_of_others_is_refused(void **state)
{
    (void)state;
    assert_int_equal(system("rm -f \"$CTLWORLD\"/p/*"), 0);
    ctl_write(&w, "p/postgresql", "RUNNING pid 1");
    ctl_write(&w, "p/webshop", "RUNNING pid 2");
    expect_running_error(ERR_REFUSED, "none of them");
}

static void test_an_answer_that_is_not_understood_is_a_failure(void **state)
{
    (void)state;
    ctl_write(&w, "answer", "error: [Errno 13] Permission denied: file: x line: 9\n");
    expect_running_error(ERR_FAIL, "Permission denied");
    ctl_write(&w, "answer", "victoriametrics   RUNNING   pid 1\n");
    expect_running_error(ERR_FAIL, "status failed"); /* its status is 4 */
    ctl_write(&w, "answer", "");
    expect_running_error(ERR_FAIL, "no output");
}

/* As a program that supervisorctl lists, and in a list from elsewhere. */
static void expect_unusable(const char *name)
{
    char path[128];
    struct err err = {0};
    struct services s = three();
    size_t len = strlen(name);
    snprintf(path, sizeof path, "p/%s", name);
    ctl_write(&w, path, "RUNNING pid 9");
    expect_running_error(ERR_FAIL, "unusable name");
    snprintf(path, sizeof path, "%s/p/%s", w.dir, name);
    assert_int_equal(unlink(path), 0);

    memcpy(s.names[1], name, len < SERVICE_NAME ? len + 1 : SERVICE_NAME);
    assert_int_equal(services_stop(&s, 1, &err), -1);
    assert_int_equal(err.cls, ERR_FAIL);
    err = (struct err){0};
    assert_int_equal(services_start(&s, &err), -1);
    assert_int_equal(err.cls, ERR_FAIL);
}

static void test_a_name_that_is_none_is_never_used(void **state)
{
    static const char *const bad[] = {"a;b", "-x", "a$b", "a\033b"};
    char too_long[SERVICE_NAME + 1] = "";
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        expect_unusable(bad[i]);
    memset(too_long, 'a', SERVICE_NAME);
    expect_unusable(too_long);
    assert_string_equal(ctl_read(&w, "log"), "");
}

static void test_the_last_started_is_stopped_first(void **state)
{
    const struct services s = three();
    struct err err = {0};
    (void)state;
    assert_int_equal(services_stop(&s, 20, &err), 0);
    assert_string_equal(ctl_read(&w, "log"),
                        "stop pmm-managed\nstop victoriametrics\nstop postgresql\n");
    assert_string_equal(running(true), "clickhouse");
}

static void test_a_stop_waits_for_the_end(void **state)
{
    const struct services s = three();
    struct err err = {0};
    (void)state;
    ctl_write(&w, "stuck/postgresql", "");
    ctl_write(&w, "p/postgresql", "STOPPING");
    ctl_write(&w, "next/postgresql", "STOPPED Nov 24 08:00 AM");
    assert_int_equal(services_stop(&s, 20, &err), 0);
    assert_string_equal(ctl_read(&w, "p/postgresql"), "STOPPED Nov 24 08:00 AM");
}

static void test_one_that_came_back_is_stopped_again(void **state)
{
    const struct services s = three();
    struct err err = {0};
    (void)state;
    /* It ended by itself, so it could not be stopped, and is started again. */
    ctl_write(&w, "stuck/victoriametrics", "");
    ctl_write(&w, "p/victoriametrics", "EXITED Nov 24 08:00 AM");
    ctl_write(&w, "next/victoriametrics", "RUNNING pid 99");
    pid_t pid = fork();
    if (pid == 0) { /* by then it can be stopped */
        char path[64];
        usleep(700000);
        snprintf(path, sizeof path, "%s/stuck/victoriametrics", w.dir);
        _exit(unlink(path));
    }
    assert_int_equal(services_stop(&s, 20, &err), 0);
    assert_string_equal(ctl_read(&w, "p/victoriametrics"), "STOPPED\n");
}

static void test_what_does_not_stop_is_named(void **state)
{
    const struct services s = three();
    struct err err = {0};
    (void)state;
    ctl_write(&w, "stuck/postgresql", "");
    assert_int_equal(services_stop(&s, 1, &err), -1);
    assert_int_equal(err.cls, ERR_FAIL);
    assert_non_null(strstr(err.text, "postgresql (RUNNING pid 1"));
    assert_null(strstr(err.text, "victoriametrics"));
}

static void test_a_start_goes_in_order_and_leaves_what_runs(void **state)
{
    const struct services s = three();
    struct err err = {0};
    (void)state;
    ctl_write(&w, "p/postgresql", "STOPPED Not started");
    ctl_write(&w, "p/pmm-managed", "EXITED Nov 24 08:00 AM");
    assert_int_equal(services_start(&s, &err), 0);
    assert_string_equal(ctl_read(&w, "log"), "start postgresql\nstart pmm-managed\n");
    assert_string_equal(running(true),
                        "postgresql clickhouse victoriametrics pmm-managed");
}

static void test_what_does_not_start_is_named_and_keeps_no_other(void **state)
{
    struct services s = three();
    struct err err = {0};
    (void)state;
    services_stop(&s, 20, &err);
    ctl_write(&w, "broken/victoriametrics", "");
    strcpy(s.names[s.n++], "gone");
    ctl_write(&w, "broken/gone", "");
    assert_int_equal(services_start(&s, &err), -1);
    assert_int_equal(err.cls, ERR_FAIL);
    assert_non_null(
        strstr(err.text, "victoriametrics (FATAL Exited too quickly), gone ("));
    assert_null(strstr(err.text, "postgresql"));
    assert_non_null(strstr(err.hint, "supervisorctl start"));
    assert_true(ctl_runs(&w, "postgresql") && ctl_runs(&w, "pmm-managed"));
}

static void test_one_on_its_way_up_is_waited_for(void **state)
{
    const struct services s = three();
    struct err err = {0};
    (void)state;
    ctl_write(&w, "p/postgresql", "BACKOFF Exited too quickly");
    ctl_write(&w, "next/postgresql", "STARTING");
    ctl_write(&w, "p/victoriametrics", "STARTING");
    ctl_write(&w, "next/victoriametrics", "RUNNING pid 9");
    pid_t pid = fork();
    if (pid == 0) {
        usleep(800000);
        ctl_write(&w, "p/postgresql", "RUNNING pid 10");
        _exit(0);
    }
    assert_int_equal(services_start(&s, &err), 0);
    assert_true(ctl_runs(&w, "postgresql"));
    assert_string_equal(ctl_read(&w, "log"), "");
}

static void test_one_that_is_being_stopped_is_started_when_it_is_down(void **state)
{
    const struct services s = three();
    struct err err = {0};
    (void)state;
    ctl_write(&w, "p/pmm-managed", "STOPPED Not started");
    ctl_write(&w, "p/postgresql", "STOPPING");
    ctl_write(&w, "next/postgresql", "STOPPED Nov 24 08:00 AM");
    assert_int_equal(services_start(&s, &err), 0);
    assert_string_equal(ctl_read(&w, "log"), "start postgresql\nstart pmm-managed\n");
}

static void test_no_supervisord_at_the_start_is_a_failure(void **state)
{
    const struct services s = three();
    struct err err = {0};
    (void)state;
    ctl_write(&w, "answer", "unix:///run/supervisor.sock refused connection\n");
    assert_int_equal(services_start(&s, &err), -1);
    assert_int_equal(err.cls, ERR_FAIL);
    assert_non_null(strstr(err.text, "refused connection"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make, clear)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_running_programs_are_listed_in_the_order_of_their_start),
        TEST(test_writers_are_all_but_nginx_and_what_is_at_rest),
        TEST(test_what_is_about_to_start_counts_as_running),
        TEST(test_a_server_that_is_being_set_up_is_left_alone),
        TEST(test_outside_a_pmm_container_it_is_refused),
        TEST(test_a_supervisord_of_others_is_refused),
        TEST(test_an_answer_that_is_not_understood_is_a_failure),
        TEST(test_a_name_that_is_none_is_never_used),
        TEST(test_the_last_started_is_stopped_first),
        TEST(test_a_stop_waits_for_the_end),
        TEST(test_one_that_came_back_is_stopped_again),
        TEST(test_what_does_not_stop_is_named),
        TEST(test_a_start_goes_in_order_and_leaves_what_runs),
        TEST(test_what_does_not_start_is_named_and_keeps_no_other),
        TEST(test_one_on_its_way_up_is_waited_for),
        TEST(test_one_that_is_being_stopped_is_started_when_it_is_down),
        TEST(test_no_supervisord_at_the_start_is_a_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
