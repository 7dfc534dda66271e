/* What was stopped comes back, however the one ends that stopped it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "ctlworld.h"
#include "pmm/guardian.h"
#include "util/stop.h"

#define AFTER "echo ran >>\"$CTLWORLD/after\""

static struct ctlworld w;
static const struct services two = {.n = 2, .names = {"postgresql", "pmm-managed"}};

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
    /* Whatever the test did, no process is left. */
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
    return 0;
}

static struct guardian *start(const char *after)
{
    struct guardian *g = NULL;
    struct err err = {0};
    assert_int_equal(guardian_start(&g, NULL, after, &err), 0);
    return g;
}

/* Stop them under a guardian's eyes. */
static void arm_and_stop(struct guardian *g)
{
    struct err err = {0};
    assert_int_equal(guardian_arm(g, &two, &err), 0);
    assert_int_equal(services_stop(&two, 20, &err), 0);
    assert_false(ctl_runs(&w, "postgresql") || ctl_runs(&w, "pmm-managed"));
}

static bool all_run(void)
{
    return ctl_runs(&w, "postgresql") && ctl_runs(&w, "pmm-managed");
}

/* Wait some seconds for it. */
static bool soon(bool (*fn)(void))
{
    for (int i = 0; i < 500 && !fn(); i++)
        usleep(20000);
    return fn();
}

static bool after_ran(void)
{
    return strcmp(ctl_read(&w, "after"), "ran\n") == 0;
}

/* The number that stands behind `key` in /proc/PID/status; -1 without. */
static long status_of(const char *pid, const char *key)
{
    char path[64], text[4096];
    snprintf(path, sizeof path, "/proc/%.20s/status", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = '\0';
    const char *at = strstr(text, key);
    return at != NULL ? strtol(at + strlen(key), NULL, 10) : -1;
}

/* The guardian that is a child of `parent`, or 0. */
static pid_t guardian_of(pid_t parent)
{
    pid_t found = 0;
    DIR *d = opendir("/proc");
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        if (isdigit((unsigned char)e->d_name[0]) &&
            status_of(e->d_name, "\nPPid:") == parent)
            found = (pid_t)strtol(e->d_name, NULL, 10);
    closedir(d);
    return found;
}

static void test_release_brings_all_back_and_then_runs_the_command(void **state)
{
    struct err err = {0};
    (void)state;
    struct guardian *g = start("[ -s \"$CTLWORLD/log\" ] && cp \"$CTLWORLD/log\" "
                               "\"$CTLWORLD/seen\"; " AFTER);
    arm_and_stop(g);
    assert_int_equal(guardian_release(g, &err), 0);
    assert_true(all_run() && after_ran());
    assert_string_equal(ctl_read(&w, "seen"), "stop pmm-managed\nstop postgresql\n"
                                              "start postgresql\nstart pmm-managed\n");
    guardian_free(g);
}

static void test_it_is_done_once_on_every_way_out(void **state)
{
    struct err err = {0};
    (void)state;
    struct guardian *g = start(AFTER);
    arm_and_stop(g);
    assert_int_equal(guardian_release(g, &err), 0);
    assert_int_equal(guardian_release(g, &err), 0);
    guardian_free(g);
    assert_true(after_ran());

    ctl_write(&w, "after", "");
    g = start(AFTER);
    arm_and_stop(g);
    guardian_free(g); /* alone */
    assert_true(all_run() && after_ran());
    guardian_free(NULL);
}

static void test_what_does_not_come_back_is_named(void **state)
{
    struct err err = {0}, again = {0};
    (void)state;
    struct guardian *g = start(AFTER);
    arm_and_stop(g);
    ctl_write(&w, "broken/postgresql", "");
    assert_int_equal(guardian_release(g, &err), -1);
    assert_int_equal(err.cls, ERR_FAIL);
    assert_non_null(strstr(err.text, "postgresql (FATAL Exited too quickly)"));
    assert_null(strstr(err.text, "pmm-managed"));
    assert_true(after_ran() && ctl_runs(&w, "pmm-managed"));
    assert_int_equal(guardian_release(g, &again), -1);
    assert_string_equal(again.text, err.text);
    guardian_free(g);
}

static void test_a_command_that_fails_is_told(void **state)
{
    struct err err = {0};
    (void)state;
    struct guardian *g = start("echo no such luck; exit 3");
    arm_and_stop(g);
    assert_int_equal(guardian_release(g, &err), -1);
    assert_int_equal(err.cls, ERR_FAIL);
    assert_non_null(strstr(err.text, "--after failed with status 3: no such luck"));
    assert_true(all_run());
    guardian_free(g);

    err = (struct err){0};
    g = start("echo no such luck; exit 3");
    arm_and_stop(g);
    ctl_write(&w, "broken/postgresql", "");
    assert_int_equal(guardian_release(g, &err), -1);
    assert_non_null(strstr(err.text, "postgresql (FATAL"));
    assert_non_null(strstr(err.text, "no such luck"));
    guardian_free(g);
}

static void test_unarmed_it_does_nothing(void **state)
{
    struct err err = {0};
    (void)state;
    ctl_write(&w, "p/postgresql", "STOPPED Not started");
    struct guardian *g = start(AFTER);
    assert_int_equal(guardian_release(g, &err), 0);
    guardian_free(g);
    pid_t pid = fork();
    if (pid == 0) {
        (void)guardian_start(&g, NULL, AFTER, &err);
        _exit(0);
    }
    waitpid(pid, NULL, 0);
    usleep(1500000);
    assert_string_equal(ctl_read(&w, "after"), "");
    assert_string_equal(ctl_read(&w, "log"), "");
}

static void test_the_command_alone_can_be_armed(void **state)
{
    struct err err = {0};
    (void)state;
    struct guardian *g = start(AFTER);
    assert_int_equal(guardian_arm(g, NULL, &err), 0);
    assert_int_equal(guardian_release(g, &err), 0);
    guardian_free(g);
    assert_true(after_ran());
    assert_string_equal(ctl_read(&w, "log"), "");
}

static void test_forgotten_services_stay_down_and_the_command_runs(void **state)
{
    struct err err = {0};
    (void)state;
    struct guardian *g = start(AFTER);
    arm_and_stop(g);
    assert_int_equal(guardian_forget_services(g, &err), 0);
    assert_int_equal(guardian_release(g, &err), 0);
    guardian_free(g);
    assert_true(after_ran());
    assert_false(ctl_runs(&w, "postgresql") || ctl_runs(&w, "pmm-managed"));
}

/* A process that does what a backup does, and says when it has got so far. */
static pid_t backup(void (*work)(struct guardian *))
{
    int told[2];
    char byte;
    assert_int_equal(pipe2(told, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct guardian *g = start(AFTER);
        struct err err = {0};
        if (guardian_arm(g, &two, &err) != 0 || write(told[1], "x", 1) != 1)
            _exit(1);
        work(g);
        for (;;)
            pause();
    }
    close(told[1]);
    assert_int_equal(read(told[0], &byte, 1), 1);
    close(told[0]);
    return pid;
}

static void stop_two(struct guardian *g)
{
    struct err err = {0};
    (void)g;
    (void)services_stop(&two, 20, &err);
    ctl_write(&w, "stopped", "");
}

static bool stopped(void)
{
    return access("stopped", F_OK) == 0;
}

static void test_a_killed_backup_leaves_nothing_stopped(void **state)
{
    (void)state;
    assert_int_equal(chdir(w.dir), 0);
    pid_t pid = backup(stop_two);
    assert_true(soon(stopped));
    assert_false(ctl_runs(&w, "postgresql") || ctl_runs(&w, "pmm-managed"));
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    assert_true(soon(all_run));
    assert_true(soon(after_ran));
    usleep(300000);
    assert_true(after_ran());
    assert_int_equal(chdir("/"), 0);
}

static bool stop_began(void)
{
    return strstr(ctl_read(&w, "log"), "stop postgresql") != NULL;
}

/* The supervisorctl that was under way must not stop what has come back. */
static void test_a_backup_killed_while_it_stops_leaves_nothing_stopped(void **state)
{
    (void)state;
    ctl_write(&w, "slow/postgresql", "");
    pid_t pid = backup(stop_two);
    assert_true(soon(stop_began));
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    assert_true(soon(after_ran));
    usleep(3500000);
    assert_true(all_run() && after_ran());
}

static void stop_two_apart(struct guardian *g)
{
    struct err err = {0};
    (void)guardian_stop(g, &two, 20, &err);
}

static void
test_a_restore_killed_while_the_guardian_stops_leaves_nothing_stopped(void **state)
{
    (void)state;
    ctl_write(&w, "slow/postgresql", "");
    pid_t pid = backup(stop_two_apart);
    assert_true(soon(stop_began));
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    assert_true(soon(after_ran));
    usleep(3500000);
    assert_true(all_run() && after_ran());
}

static void test_it_stops_and_starts_for_a_process_that_may_not(void **state)
{
    struct err err = {0};
    (void)state;
    struct guardian *g = start(NULL);
    assert_int_equal(guardian_arm(g, &two, &err), 0);
    assert_int_equal(guardian_stop(g, &two, 20, &err), 0);
    assert_false(ctl_runs(&w, "postgresql") || ctl_runs(&w, "pmm-managed"));
    assert_int_equal(guardian_forget_services(g, &err), 0);
    assert_int_equal(guardian_restart(g, &two, &err), 0);
    assert_true(all_run());

    ctl_write(&w, "stuck/postgresql", "");
    assert_int_equal(guardian_stop(g, &two, 1, &err), -1);
    assert_int_equal(err.cls, ERR_FAIL);
    assert_non_null(strstr(err.text, "postgresql"));
    assert_int_equal(guardian_release(g, &err), 0);
    guardian_free(g);
}

static void on_alarm(int sig)
{
    stop_set(sig);
}

/* Exit status 0: the stop was cut short, and all was brought back. */
static int interrupted(void)
{
    struct err err = {0};
    const struct sigaction act = {.sa_handler = on_alarm};
    const struct itimerval soon_and_again = {{0, 20000}, {1, 0}};
    struct guardian *g = start(AFTER);
    ctl_write(&w, "stuck/postgresql", "");
    sigaction(SIGALRM, &act, NULL);
    if (guardian_arm(g, &two, &err) != 0)
        return 1;
    setitimer(ITIMER_REAL, &soon_and_again, NULL);
    int r = guardian_stop(g, &two, 600, &err);
    setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {0, 0}}, NULL);
    if (r == 0 || err.cls != ERR_SIGNAL)
        return 2;
    err = (struct err){0};
    r = guardian_release(g, &err);
    guardian_free(g);
    return r != 0 ? 3 : 0;
}

static void test_stopping_can_be_interrupted(void **state)
{
    int status;
    (void)state;
    pid_t pid = fork();
    if (pid == 0)
        _exit(interrupted());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_true(all_run() && after_ran());
}

static void test_it_sees_the_servers_of_a_directory_that_it_is_handed(void **state)
{
    static const char *const dirs[] = {"srv", "srv/victoriametrics",
                                       "srv/victoriametrics/data"};
    struct err err = {0};
    struct live live;
    (void)state;
    assert_int_equal(chdir(w.dir), 0);
    for (size_t i = 0; i < sizeof dirs / sizeof dirs[0]; i++)
        assert_int_equal(mkdir(dirs[i], 0700), 0);
    ctl_write(&w, "srv/pmm-distribution", "docker");
    ctl_write(&w, "srv/victoriametrics/data/flock.lock", "");
    struct guardian *g = start(NULL);
    int dir = open("srv", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int lock = open("srv/victoriametrics/data/flock.lock", O_RDONLY | O_CLOEXEC);
    assert_true(dir >= 0 && lock >= 0);
    assert_int_equal(guardian_look(g, dir, &live, &err), 0);
    assert_int_not_equal(live.state, LIVE_RUNNING);
    assert_int_equal(flock(lock, LOCK_EX | LOCK_NB), 0);
    assert_int_equal(guardian_look(g, dir, &live, &err), 0);
    assert_int_equal(live.state, LIVE_RUNNING);
    assert_string_equal(live.who, "VictoriaMetrics");
    /* It has let go of both. */
    close(lock);
    assert_int_equal(guardian_look(g, dir, &live, &err), 0);
    assert_int_not_equal(live.state, LIVE_RUNNING);
    kill(guardian_of(getpid()), SIGKILL);
    assert_int_equal(guardian_look(g, dir, &live, &err), -1);
    assert_int_equal(err.cls, ERR_FAIL);
    close(dir);
    guardian_free(g);
    assert_int_equal(chdir("/"), 0);
}

static void test_it_writes_down_what_was_proved(void **state)
{
    const struct proof proofs[] = {
        {.file = "a.pmmseal", .id = {1}, .bytes = 1000, .when = 1700000000},
        {.file = "b.pmmseal", .id = {2}, .bytes = 2000, .when = PROVEN_BAD}};
    struct err err = {0};
    struct proven *p = NULL;
    (void)state;
    struct guardian *g = start(NULL);
    int dir = open(w.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(dir >= 0);
    assert_int_equal(guardian_keep(g, dir, w.dir, 0, proofs, 2, 1700000000, &err), 0);
    /* Later ones are added. */
    assert_int_equal(guardian_keep(g, dir, w.dir, 0, proofs, 1, 1700000000, &err), 0);
    assert_int_equal(proven_load(&p, dir, 1700000000, &err), 0);
    assert_int_equal(proven_when(p, "a.pmmseal", proofs[0].id, 1000), 1700000000);
    assert_int_equal(proven_when(p, "b.pmmseal", proofs[1].id, 2000), PROVEN_BAD);
    proven_free(p);
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_int_equal(guardian_keep(g, null, "/nowhere", 0, proofs, 2, 1700000000, &err),
                     -1);
    assert_int_equal(err.cls, ERR_FAIL);
    close(null);
    kill(guardian_of(getpid()), SIGKILL);
    assert_int_equal(guardian_keep(g, dir, w.dir, 0, proofs, 2, 1700000000, &err), -1);
    close(dir);
    guardian_free(g);
}

static void nothing(struct guardian *g)
{
    (void)g;
}

#define BEFORE "touch \"$CTLWORLD/begun\"; sleep 2; echo before >>\"$CTLWORLD/after\""

static void test_the_command_before_runs_when_it_is_asked_for(void **state)
{
    struct guardian *g = NULL;
    struct err err = {0};
    (void)state;
    assert_int_equal(guardian_start(&g, BEFORE, AFTER, &err), 0);
    assert_int_equal(guardian_arm(g, NULL, &err), 0);
    assert_string_equal(ctl_read(&w, "after"), "");
    assert_int_equal(guardian_before(g, &err), 0);
    assert_string_equal(ctl_read(&w, "after"), "before\n");
    guardian_free(g);
    assert_string_equal(ctl_read(&w, "after"), "before\nran\n");
}

static void test_a_command_before_that_fails_is_an_error(void **state)
{
    struct guardian *g = NULL;
    struct err err = {0};
    (void)state;
    assert_int_equal(guardian_start(&g, "echo no such server; exit 7", AFTER, &err), 0);
    assert_int_equal(guardian_arm(g, NULL, &err), 0);
    assert_int_equal(guardian_before(g, &err), -1);
    assert_int_equal(err.cls, ERR_FAIL);
    assert_string_equal(err.text,
                        "the command of --before failed with status 7: no such server");
    guardian_free(g);
    assert_true(after_ran());
}

static void test_after_does_not_run_beside_a_before_that_is_still_at_work(void **state)
{
    struct guardian *g = NULL;
    struct err err = {0};
    (void)state;
    assert_int_equal(guardian_start(&g, "kill -KILL $PPID; sleep 1", AFTER, &err), 0);
    assert_int_equal(guardian_arm(g, NULL, &err), 0);
    assert_int_equal(guardian_before(g, &err), -1);
    assert_non_null(strstr(err.text, "--after was not run"));
    guardian_free(g);
    assert_string_equal(ctl_read(&w, "after"), "");
}

static bool begun(void)
{
    return access("begun", F_OK) == 0;
}

static bool both_ran(void)
{
    return strcmp(ctl_read(&w, "after"), "before\nran\n") == 0;
}

static void test_after_waits_for_before_when_the_backup_is_killed(void **state)
{
    (void)state;
    assert_int_equal(chdir(w.dir), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct guardian *g = NULL;
        struct err err = {0};
        if (guardian_start(&g, BEFORE, AFTER, &err) == 0 &&
            guardian_arm(g, NULL, &err) == 0)
            (void)guardian_before(g, &err);
        _exit(1);
    }
    assert_true(soon(begun));
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    assert_true(soon(both_ran));
    assert_int_equal(chdir("/"), 0);
}

static void test_signals_do_not_end_it(void **state)
{
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGPIPE, SIGUSR1};
    (void)state;
    pid_t pid = backup(nothing);
    pid_t guard = guardian_of(pid);
    assert_true(guard > 1);
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
        assert_int_equal(kill(guard, signals[i]), 0);
    usleep(100000);
    assert_int_equal(guardian_of(pid), guard);
    ctl_write(&w, "p/postgresql", "STOPPED Not started");
    kill(pid, SIGTERM);
    waitpid(pid, NULL, 0);
    assert_true(soon(all_run) && soon(after_ran));
}

static void test_should_it_be_gone_the_main_process_does_it(void **state)
{
    struct err err = {0};
    (void)state;
    struct guardian *g = start(AFTER);
    arm_and_stop(g);
    kill(guardian_of(getpid()), SIGKILL);
    assert_int_equal(guardian_release(g, &err), 0);
    assert_true(all_run() && after_ran());
    assert_int_equal(guardian_arm(g, &two, &err), -1);
    assert_int_equal(err.cls, ERR_FAIL);
    guardian_free(g);
    assert_true(after_ran());
}

/* A restore whose guardian is gone before the moves has moved nothing: its services
 * start again. */
static void test_what_could_not_be_forgotten_is_brought_back(void **state)
{
    struct err err = {0}, none = {0};
    (void)state;
    struct guardian *g = start(AFTER);
    arm_and_stop(g);
    kill(guardian_of(getpid()), SIGKILL);
    assert_int_equal(guardian_forget_services(g, &err), -1);
    assert_int_equal(guardian_release(g, &none), 0);
    assert_true(all_run() && after_ran());
    guardian_free(g);
}

static void test_a_command_that_may_have_run_is_not_run_again(void **state)
{
    struct err err = {0};
    (void)state;
    /* The guardian is killed by its own command. */
    struct guardian *g = start(AFTER "; kill -KILL $PPID; sleep 1");
    arm_and_stop(g);
    assert_int_equal(guardian_release(g, &err), -1);
    assert_int_equal(err.cls, ERR_FAIL);
    assert_non_null(strstr(err.text, "--after"));
    assert_true(all_run() && after_ran());
    guardian_free(g);
    assert_true(after_ran());
}

static void test_it_keeps_no_stream_and_no_session(void **state)
{
    int ends[2];
    char byte;
    (void)state;
    assert_int_equal(pipe(ends), 0); /* as stdout would be: not closed by exec */
    struct guardian *g = start(NULL);
    close(ends[1]);
    assert_int_equal(read(ends[0], &byte, 1), 0); /* while the guardian lives */
    close(ends[0]);
    pid_t guard = guardian_of(getpid());
    assert_true(guard > 1);
    for (int i = 0; i < 100 && getsid(guard) != guard; i++)
        usleep(10000);
    assert_int_equal(getsid(guard), guard);
    guardian_free(g);
    assert_int_equal(kill(guard, 0), -1);
}

static void test_it_does_not_know_the_passphrase(void **state)
{
    char path[64], text[65536];
    (void)state;
    if (geteuid() != 0) {
        print_message("skipped: needs root to look at its environment\n");
        skip();
    }
    struct guardian *g = start(AFTER);
    struct err err = {0};
    assert_int_equal(guardian_arm(g, NULL, &err), 0);
    snprintf(path, sizeof path, "/proc/%d/environ", (int)guardian_of(getpid()));
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    ssize_t n = read(fd, text, sizeof text);
    close(fd);
    assert_true(n > 0);
    assert_null(memmem(text, (size_t)n, "correct horse", 13));
    assert_null(memmem(text, (size_t)n, "battery staple", 14));
    assert_non_null(memmem(text, (size_t)n, "PATH=", 5));
    /* The one it was forked from still does. */
    assert_string_equal(getenv("PMM_SEAL_PASSPHRASE"), "correct horse");
    guardian_free(g);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make, clear)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_release_brings_all_back_and_then_runs_the_command),
        TEST(test_it_is_done_once_on_every_way_out),
        TEST(test_what_does_not_come_back_is_named),
        TEST(test_a_command_that_fails_is_told),
        TEST(test_unarmed_it_does_nothing),
        TEST(test_the_command_alone_can_be_armed),
        TEST(test_forgotten_services_stay_down_and_the_command_runs),
        TEST(test_a_killed_backup_leaves_nothing_stopped),
        TEST(test_a_backup_killed_while_it_stops_leaves_nothing_stopped),
        TEST(test_a_restore_killed_while_the_guardian_stops_leaves_nothing_stopped),
        TEST(test_it_stops_and_starts_for_a_process_that_may_not),
        TEST(test_stopping_can_be_interrupted),
        TEST(test_it_sees_the_servers_of_a_directory_that_it_is_handed),
        TEST(test_it_writes_down_what_was_proved),
        TEST(test_the_command_before_runs_when_it_is_asked_for),
        TEST(test_a_command_before_that_fails_is_an_error),
        TEST(test_after_does_not_run_beside_a_before_that_is_still_at_work),
        TEST(test_after_waits_for_before_when_the_backup_is_killed),
        TEST(test_signals_do_not_end_it),
        TEST(test_should_it_be_gone_the_main_process_does_it),
        TEST(test_what_could_not_be_forgotten_is_brought_back),
        TEST(test_a_command_that_may_have_run_is_not_run_again),
        TEST(test_it_keeps_no_stream_and_no_session),
        TEST(test_it_does_not_know_the_passphrase),
    };
    (void)argc;
    /* /proc shows the environment that a program was started with. */
    if (getenv("PMM_SEAL_PASSPHRASE") == NULL) {
        setenv("PMM_SEAL_PASSPHRASE", "correct horse", 1);
        setenv("PMM_SEAL_NEW_PASSPHRASE_COMMAND", "echo battery staple", 1);
        execv("/proc/self/exe", argv);
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
