/* What runs is seen from the volume; what was touched between two looks is noticed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pmm/live.h"
#include "util/le.h"

#define CLUSTER "postgres14"
#define CONTROL CLUSTER "/global/pg_control"
#define PIDFILE CLUSTER "/postmaster.pid"
#define VM_LOCK "victoriametrics/data/flock.lock"

static char dir[] = "/tmp/test-live-XXXXXX";
static int root;
static const struct volume_facts volume = {.pmm = true, .pgdir = CLUSTER};

static void write_file(const char *path, const void *bytes, size_t len)
{
    int fd = openat(root, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, len), len);
    close(fd);
}

static void write_text(const char *path, const char *text)
{
    write_file(path, text, strlen(text));
}

static void write_control(uint32_t state)
{
    uint8_t raw[CONTROL_BYTES] = {0};
    le64_put(raw, 7123456789012345678u);
    le32_put(raw + 8, 1300);
    le32_put(raw + 16, state);
    write_file(CONTROL, raw, sizeof raw);
}

static int make_volume(void **state)
{
    static const char *const dirs[] = {"victoriametrics",
                                       "victoriametrics/data",
                                       "victoriametrics/data/data",
                                       "victoriametrics/data/cache",
                                       "victoriametrics/data/tmp",
                                       "clickhouse",
                                       "prometheus",
                                       "prometheus/data",
                                       CLUSTER,
                                       CLUSTER "/global"};
    (void)state;
    strcpy(dir + strlen(dir) - 6, "XXXXXX");
    if (mkdtemp(dir) == NULL)
        return -1;
    root = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; i < sizeof dirs / sizeof dirs[0]; i++)
        if (mkdirat(root, dirs[i], 0700) != 0)
            return -1;
    write_text(VM_LOCK, "");
    write_control(CONTROL_SHUTDOWN);
    return 0;
}

static int remove_volume(void **state)
{
    char command[64];
    (void)state;
    close(root);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command);
}

static struct live look(void)
{
    struct live l;
    struct err err = {0};
    assert_int_equal(live_look(root, &volume, &l, &err), 0);
    return l;
}

static void expect(enum live_state state, const char *who)
{
    struct live l = look();
    assert_int_equal(l.state, state);
    assert_string_equal(l.who, who);
}

/* Hold a server's lock. The caller closes it. */
static int hold(const char *path)
{
    int fd = openat(root, path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
    return fd;
}

/* A process called `name` that works in `where`. The caller ends it. */
static pid_t pretend(const char *name, const char *where)
{
    char path[PATH_MAX];
    int ready[2];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    char *copy[] = {(char *)"cp", (char *)"/bin/sleep", path, NULL};
    pid_t pid = fork();
    if (pid == 0) {
        execv("/bin/cp", copy);
        _exit(1);
    }
    waitpid(pid, NULL, 0);
    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    pid = fork();
    if (pid == 0) {
        char *argv[] = {(char *)name, (char *)"100", NULL};
        if (fchdir(root) == 0 && chdir(where) == 0)
            execv(path, argv);
        _exit(1);
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], path, 1), 0); /* it has become the other one */
    close(ready[0]);
    return pid;
}

static void end(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static void test_a_volume_at_rest_is_stopped(void **state)
{
    (void)state;
    expect(LIVE_STOPPED, "");
    write_control(CONTROL_SHUTDOWN_IN_RECOVERY);
    expect(LIVE_STOPPED, "");
    write_text(PIDFILE, "1\n/srv/postgres14\n"); /* a left-over one, not PostgreSQL's */
    expect(LIVE_STOPPED, "");
}

static void test_a_held_lock_is_a_running_server(void **state)
{
    static const char *const locks[][2] = {
        {VM_LOCK, "VictoriaMetrics"},
        {"victoriametrics/data/data/flock.lock", "VictoriaMetrics"},
        {"clickhouse/status", "ClickHouse"},
        {"prometheus/data/lock", "Prometheus"}};
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        int fd = hold(locks[i][0]);
        expect(LIVE_RUNNING, locks[i][1]);
        close(fd);
        expect(LIVE_STOPPED, "");
    }
    int one = hold(VM_LOCK), two = hold("victoriametrics/data/data/flock.lock"),
        three = hold("clickhouse/status");
    expect(LIVE_RUNNING, "VictoriaMetrics, ClickHouse");
    close(one);
    close(two);
    close(three);
}

static void test_a_look_lets_the_lock_go(void **state)
{
    (void)state;
    (void)look();
    close(hold(VM_LOCK));
}

static void test_a_cluster_that_was_not_shut_down_has_crashed(void **state)
{
    static const uint32_t states[] = {CONTROL_STARTUP,        CONTROL_SHUTTING_DOWN,
                                      CONTROL_CRASH_RECOVERY, CONTROL_ARCHIVE_RECOVERY,
                                      CONTROL_PRODUCTION,     4711};
    (void)state;
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
        write_control(states[i]);
        expect(LIVE_CRASHED, "PostgreSQL");
    }
    assert_int_equal(unlinkat(root, CONTROL, 0), 0);
    expect(LIVE_CRASHED, "PostgreSQL");
}

static void test_it_runs_if_another_server_of_the_volume_does(void **state)
{
    (void)state;
    write_control(CONTROL_PRODUCTION);
    int fd = hold("clickhouse/status");
    expect(LIVE_RUNNING, "ClickHouse, PostgreSQL");
    close(fd);
}

static void test_a_postmaster_in_the_cluster_is_seen(void **state)
{
    (void)state;
    pid_t pid = pretend("postgres", CLUSTER);
    expect(LIVE_RUNNING, "PostgreSQL"); /* already, though pg_control says shut down */
    end(pid);
    expect(LIVE_STOPPED, "");
    pid = pretend("postmaster", CLUSTER);
    expect(LIVE_RUNNING, "PostgreSQL");
    end(pid);
}

static void test_other_processes_are_not_taken_for_it(void **state)
{
    char text[32];
    (void)state;
    pid_t shell = pretend("bash", CLUSTER);
    expect(LIVE_STOPPED, "");
    end(shell);
    /* A PostgreSQL of another cluster, with the number that a left-over file has. */
    pid_t pid = pretend("postgres", "clickhouse");
    snprintf(text, sizeof text, "%d\n", (int)pid);
    write_text(PIDFILE, text);
    expect(LIVE_STOPPED, "");
    end(pid);
}

/* Where its working directory cannot be seen, the cluster's own file tells. */
static void test_its_pid_file_is_believed_where_nothing_else_is_seen(void **state)
{
    char text[32];
    (void)state;
    if (geteuid() != 0) {
        print_message("skipped: needs root\n");
        skip();
    }
    /* Root's process, looked at by somebody else. */
    pid_t server = pretend("postgres", CLUSTER);
    snprintf(text, sizeof text, "%d\n/srv/postgres14\n", (int)server);
    write_text(PIDFILE, text);
    pid_t pid = fork();
    if (pid == 0) {
        struct live l;
        struct err err = {0};
        bool ready = fchown(root, 1000, 1000) == 0;
        char command[128];
        snprintf(command, sizeof command, "chown -R 1000:1000 %s", dir);
        ready = ready && system(command) == 0 && setgid(1000) == 0 && setuid(1000) == 0;
        if (!ready || live_look(root, &volume, &l, &err) != 0)
            _exit(1);
        bool believed = l.state == LIVE_RUNNING && strcmp(l.who, "PostgreSQL") == 0;
        write_text(PIDFILE, "2\n");
        bool other = live_look(root, &volume, &l, &err) == 0 && l.state == LIVE_STOPPED;
        _exit(believed && other ? 0 : 2);
    }
    int status;
    waitpid(pid, &status, 0);
    end(server);
    assert_int_equal(status, 0);
}

static void test_what_is_no_file_cannot_hang_or_lead_away(void **state)
{
    char elsewhere[] = "/tmp/test-live-lock-XXXXXX";
    (void)state;
    assert_int_equal(unlinkat(root, VM_LOCK, 0), 0);
    assert_int_equal(mkfifoat(root, VM_LOCK, 0600), 0);
    assert_int_equal(mkfifoat(root, PIDFILE, 0600), 0);
    int fd = mkstemp(elsewhere);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    assert_int_equal(symlinkat(elsewhere, root, "clickhouse/status"), 0);
    expect(LIVE_STOPPED, "");
    close(fd);
    unlink(elsewhere);
}

static void test_no_pmm_volume_is_not_looked_at(void **state)
{
    struct live l;
    struct err err = {0};
    const struct volume_facts plain = {0};
    (void)state;
    int fd = hold(VM_LOCK);
    assert_int_equal(live_look(root, &plain, &l, &err), 0);
    assert_int_equal(l.state, LIVE_STOPPED);
    assert_false(l.have_control);
    close(fd);
}

static void test_looking_and_reading_change_nothing(void **state)
{
    (void)state;
    struct live before = look();
    char buf[CONTROL_BYTES];
    int fd = openat(root, CONTROL, O_RDONLY | O_CLOEXEC);
    assert_int_equal(read(fd, buf, sizeof buf), sizeof buf);
    close(fd);
    struct live after = look();
    assert_true(before.have_control);
    assert_false(live_changed(&before, &after));
}

static void expect_change(const struct live *before)
{
    struct live after = look();
    assert_int_equal(after.state, before->state);
    assert_true(live_changed(before, &after));
}

static void test_a_server_that_came_and_went_is_noticed(void **state)
{
    (void)state;
    usleep(20000); /* a clock tick of the file system */
    struct live before = look();
    usleep(20000);
    write_text(PIDFILE, "4\n"); /* PostgreSQL, killed or not */
    assert_int_equal(unlinkat(root, PIDFILE, 0), 0);
    expect_change(&before);

    before = look();
    usleep(20000);
    write_control(CONTROL_SHUTDOWN); /* the same bytes */
    expect_change(&before);

    before = look();
    usleep(20000);
    write_text(VM_LOCK, ""); /* made anew at each start */
    expect_change(&before);

    before = look();
    usleep(20000);
    write_text("clickhouse/status", "PID: 4\n");
    assert_int_equal(unlinkat(root, "clickhouse/status", 0), 0);
    expect_change(&before);
}

static void test_a_start_and_a_new_state_are_noticed(void **state)
{
    (void)state;
    struct live before = look();
    int fd = hold("victoriametrics/data/data/flock.lock");
    struct live after = look();
    assert_true(live_changed(&before, &after));
    close(fd);

    struct live one = look(), two = one;
    assert_false(live_changed(&one, &two));
    two.control.raw[CONTROL_BYTES - 1] ^= 1;
    assert_true(live_changed(&one, &two));
    two = one;
    two.have_control = false;
    assert_true(live_changed(&one, &two));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_volume, remove_volume)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_volume_at_rest_is_stopped),
        TEST(test_a_held_lock_is_a_running_server),
        TEST(test_a_look_lets_the_lock_go),
        TEST(test_a_cluster_that_was_not_shut_down_has_crashed),
        TEST(test_it_runs_if_another_server_of_the_volume_does),
        TEST(test_a_postmaster_in_the_cluster_is_seen),
        TEST(test_other_processes_are_not_taken_for_it),
        TEST(test_its_pid_file_is_believed_where_nothing_else_is_seen),
        TEST(test_what_is_no_file_cannot_hang_or_lead_away),
        TEST(test_no_pmm_volume_is_not_looked_at),
        TEST(test_looking_and_reading_change_nothing),
        TEST(test_a_server_that_came_and_went_is_noticed),
        TEST(test_a_start_and_a_new_state_are_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
