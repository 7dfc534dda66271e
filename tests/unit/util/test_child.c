/* A program that is run ends, is heard, and gets nothing that is not for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "util/child.h"
#include "util/stop.h"

static struct child_result result;

static int shell(const char *script, unsigned seconds, struct err *err)
{
    char *argv[] = {(char *)"sh", (char *)"-c", (char *)script, NULL};
    return child_run(argv, seconds, 0, &result, err);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Whether a process ends within some seconds; a zombie has ended. */
static bool ends(long pid)
{
    for (int i = 0; i < 300; i++) {
        char path[64], text[256] = "";
        snprintf(path, sizeof path, "/proc/%ld/stat", pid);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            return true;
        ssize_t n = read(fd, text, sizeof text - 1);
        close(fd);
        if (n <= 0 || strstr(text, ") Z ") != NULL)
            return true;
        usleep(10000);
    }
    return false;
}

static void test_output_and_status_are_those_of_the_child(void **state)
{
    (void)state;
    struct err err = {0};
    assert_int_equal(shell("echo out; echo err >&2; exit 7", 10, &err), 0);
    assert_int_equal(result.status, 7);
    assert_string_equal(result.out, "out\nerr\n");
    assert_int_equal(result.len, 8);
    assert_int_equal(err.cls, ERR_NONE);
}

static void test_a_death_by_a_signal_is_128_and_its_number(void **state)
{
    (void)state;
    struct err err = {0};
    assert_int_equal(shell("kill -TERM $$", 10, &err), 0);
    assert_int_equal(result.status, 128 + SIGTERM);
}

static void test_standard_input_is_empty(void **state)
{
    (void)state;
    struct err err = {0};
    assert_int_equal(shell("cat; echo end", 10, &err), 0);
    assert_string_equal(result.out, "end\n");
}

static void test_of_long_output_the_last_bytes_are_kept(void **state)
{
    (void)state;
    struct err err = {0};
    assert_int_equal(
        shell("i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i + 1)); "
              "done",
              60, &err),
        0);
    assert_int_equal(result.status, 0);
    assert_int_equal(result.len, sizeof result.out - 1);
    assert_int_equal(strlen(result.out), result.len);
    assert_string_equal(result.out + result.len - 11, "line 19999\n");
}

static void test_a_child_that_takes_too_long_is_killed_with_its_group(void **state)
{
    (void)state;
    struct err err = {0};
    double begin = now();
    assert_int_equal(shell("trap '' TERM; sleep 100 & echo $!; wait", 1, &err), 0);
    assert_int_equal(result.status, -1);
    assert_true(now() - begin < 10);
    assert_true(ends(strtol(result.out, NULL, 10)));
}

static void test_a_grandchild_that_holds_the_pipe_is_not_waited_for(void **state)
{
    (void)state;
    struct err err = {0};
    double begin = now();
    assert_int_equal(shell("sleep 100 & echo $!; exit 3", 50, &err), 0);
    assert_true(now() - begin < 10);
    assert_int_equal(result.status, 3);
    long pid = strtol(result.out, NULL, 10);
    assert_true(pid > 1);
    assert_int_equal(kill((pid_t)pid, SIGKILL), 0); /* it lived on */
}

static void test_a_child_that_closes_its_output_is_waited_for(void **state)
{
    (void)state;
    struct err err = {0};
    assert_int_equal(shell("exec >&- 2>&-; sleep 0.3; exit 5", 50, &err), 0);
    assert_int_equal(result.status, 5);
}

static void test_a_missing_program_is_an_error_that_says_so(void **state)
{
    (void)state;
    struct err err = {0};
    char *argv[] = {(char *)"no-such-program-here", NULL};
    assert_int_equal(child_run(argv, 5, 0, &result, &err), -1);
    assert_int_equal(err.cls, ERR_FAIL);
    assert_int_equal(err.sys, ENOENT);
    assert_non_null(strstr(err.text, "cannot run no-such-program-here"));
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no zombie */
    assert_int_equal(errno, ECHILD);
}

/* The word behind `key` in /proc/self/status of the child. */
static unsigned long long mask(const char *key)
{
    struct err err = {0};
    char script[128], *end;
    snprintf(script, sizeof script,
             "exec sed -n 's/^%s:[^0-9a-f]*//p' /proc/self/status", key);
    assert_int_equal(shell(script, 10, &err), 0);
    assert_int_equal(result.status, 0);
    unsigned long long m = strtoull(result.out, &end, 16);
    assert_true(end != result.out);
    return m;
}

static unsigned long long bit(int sig)
{
    return 1ull << (sig - 1);
}

static void handler(int sig)
{
    (void)sig;
}

static void test_signals_are_as_a_shell_expects_them(void **state)
{
    (void)state;
    sigset_t all, before;
    signal(SIGPIPE, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGINT, handler);
    signal(SIGHUP, SIG_DFL);
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    unsigned long long blocked = mask("SigBlk"), ignored = mask("SigIgn");
    sigprocmask(SIG_SETMASK, &before, NULL);
    assert_int_equal(blocked, 0);
    assert_int_equal(
        ignored & (bit(SIGPIPE) | bit(SIGTERM) | bit(SIGINT) | bit(SIGHUP)), 0);

    /* As under nohup. */
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    assert_int_equal(mask("SigIgn") & (bit(SIGINT) | bit(SIGHUP)),
                     bit(SIGINT) | bit(SIGHUP));
    signal(SIGPIPE, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    signal(SIGHUP, SIG_DFL);
}

static void test_it_leads_a_process_group_of_its_own(void **state)
{
    (void)state;
    struct err err = {0};
    assert_int_equal(
        shell("read a b c d pgrp rest </proc/self/stat; echo $pgrp; echo $$", 10, &err),
        0);
    char *second;
    long group = strtol(result.out, &second, 10);
    assert_int_equal(group, strtol(second, NULL, 10));
    assert_int_not_equal(group, getpgrp());
}

static void test_passphrases_are_kept_from_it(void **state)
{
    (void)state;
    struct err err = {0};
    setenv("PMM_SEAL_PASSPHRASE", "one", 1);
    setenv("PMM_SEAL_PASSPHRASE_COMMAND", "two", 1);
    setenv("PMM_SEAL_NEW_PASSPHRASE", "three", 1);
    setenv("PMM_SEAL_OTHER", "four", 1);
    assert_int_equal(shell("env", 10, &err), 0);
    assert_null(strstr(result.out, "PASSPHRASE"));
    assert_non_null(strstr(result.out, "PMM_SEAL_OTHER=four"));
    assert_string_equal(getenv("PMM_SEAL_PASSPHRASE"), "one");
    unsetenv("PMM_SEAL_PASSPHRASE");
    unsetenv("PMM_SEAL_PASSPHRASE_COMMAND");
    unsetenv("PMM_SEAL_NEW_PASSPHRASE");
    unsetenv("PMM_SEAL_OTHER");
}

/* The stop flag cannot be taken back: in a process of its own. Returns what it found.
 */
static int stopped_run(int interruptible, const char *script)
{
    pid_t pid = fork();
    if (pid == 0) {
        struct err err = {0};
        char *argv[] = {(char *)"sh", (char *)"-c", (char *)script, NULL};
        stop_set(SIGINT);
        double begin = now();
        int r = child_run(argv, 60, interruptible, &result, &err);
        bool quick = now() - begin < 20;
        _exit(!quick               ? 99
              : r != 0             ? (err.cls == ERR_SIGNAL ? 1 : 98)
              : result.status == 9 ? 2
                                   : 97);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void test_a_stop_signal_ends_an_interruptible_wait_only(void **state)
{
    (void)state;
    assert_int_equal(stopped_run(1, "sleep 50; exit 9"), 1);
    assert_int_equal(stopped_run(1, "trap 'sleep 0.2; exit 9' TERM; sleep 50 & wait"),
                     1);
    assert_int_equal(stopped_run(0, "sleep 0.3; exit 9"), 2);
}

static void test_it_does_not_outlive_a_killed_caller(void **state)
{
    (void)state;
    int ends_[2];
    assert_int_equal(pipe(ends_), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct err err = {0};
        char script[64];
        close(ends_[0]);
        snprintf(script, sizeof script, "echo $$ >/proc/%d/fd/%d; exec sleep 100",
                 (int)getpid(), ends_[1]);
        (void)shell(script, 90, &err);
        _exit(0);
    }
    char text[32] = "";
    close(ends_[1]);
    assert_true(read(ends_[0], text, sizeof text - 1) > 0);
    close(ends_[0]);
    long child = strtol(text, NULL, 10);
    assert_true(child > 1 && kill((pid_t)child, 0) == 0);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    assert_true(ends(child));
}

static void test_the_last_line_is_fit_for_a_message(void **state)
{
    (void)state;
    struct err err = {0};
    char line[64];
    assert_int_equal(shell("printf 'one\\ntwo \\033[1m\\n \\n\\n'", 10, &err), 0);
    assert_string_equal(child_last_line(&result, line, sizeof line), "two \\033[1m");
    assert_int_equal(shell(":", 10, &err), 0);
    assert_string_equal(child_last_line(&result, line, sizeof line), "no output");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_output_and_status_are_those_of_the_child),
        cmocka_unit_test(test_a_death_by_a_signal_is_128_and_its_number),
        cmocka_unit_test(test_standard_input_is_empty),
        cmocka_unit_test(test_of_long_output_the_last_bytes_are_kept),
        cmocka_unit_test(test_a_child_that_takes_too_long_is_killed_with_its_group),
        cmocka_unit_test(test_a_grandchild_that_holds_the_pipe_is_not_waited_for),
        cmocka_unit_test(test_a_child_that_closes_its_output_is_waited_for),
        cmocka_unit_test(test_a_missing_program_is_an_error_that_says_so),
        cmocka_unit_test(test_signals_are_as_a_shell_expects_them),
        cmocka_unit_test(test_it_leads_a_process_group_of_its_own),
        cmocka_unit_test(test_passphrases_are_kept_from_it),
        cmocka_unit_test(test_a_stop_signal_ends_an_interruptible_wait_only),
        cmocka_unit_test(test_it_does_not_outlive_a_killed_caller),
        cmocka_unit_test(test_the_last_line_is_fit_for_a_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
