/* One writer in a directory: who holds it is told, and nobody holds it for longer than
 * he lives. */
#include "storeworld.h"

#include <signal.h>
#include <sys/prctl.h>
#include <time.h>

#include "store/dirlock.h"
#include "util/clock.h"
#include "util/stop.h"
#include "util/utc.h"

static int take(struct dirlock **l, unsigned wait, struct err *err)
{
    int fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = dirlock_take(l, fd, "/backups", wait, err);
    close(fd); /* it is not needed for holding the lock */
    return r;
}

static struct dirlock *taken(void)
{
    struct dirlock *l = NULL;
    struct err err = {0};
    if (take(&l, 0, &err) != 0)
        fail_msg("%s", err.text);
    return l;
}

static void is_free(void)
{
    dirlock_free(taken());
}

static void is_busy(struct err *err)
{
    struct dirlock *l = NULL;
    *err = (struct err){0};
    assert_int_equal(take(&l, 0, err), -1);
    assert_int_equal(err->cls, ERR_BUSY);
    assert_null(l);
    assert_non_null(strstr(err->text, "/backups"));
}

static void is_refused(const char *why)
{
    struct dirlock *l = NULL;
    struct err err = {0};
    assert_int_equal(take(&l, 0, &err), -1);
    assert_int_equal(err.cls, ERR_FAIL);
    assert_null(l);
    if (strstr(err.text, "/backups/" DIRLOCK_FILE) == NULL ||
        strstr(err.text, why) == NULL)
        fail_msg("%s", err.text);
}

/* Another process, which holds the lock: for `ms`, or until it is killed. What it does
 * once it has it, `and`. */
static pid_t holder(unsigned ms, void (*and)(void))
{
    int ready[2];
    char c;
    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct dirlock *l;
        struct err err = {0};
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        CHECK(take(&l, 0, &err) == 0);
        if (and != NULL)
            and();
        CHECK(write(ready[1], "x", 1) == 1);
        close(ready[0]);
        close(ready[1]);
        if (ms == 0)
            pause();
        usleep(ms * 1000);
        dirlock_free(l);
        _exit(0);
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &c, 1), 1);
    close(ready[0]);
    return pid;
}

static void ended(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void killed(pid_t pid)
{
    int status;
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
}

static void test_the_file_says_who_holds_it_and_stays_empty_when_released(void **state)
{
    (void)state;
    char text[256], host[65] = "", *end;
    int64_t since, now = (int64_t)time(NULL);
    struct dirlock *l = taken();
    assert_int_equal(look(DIRLOCK_FILE).st_mode & 0177777, S_IFREG | 0600);
    int fd = open(DIRLOCK_FILE, O_RDONLY);
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    assert_true(n > 0);
    text[n] = '\0';
    assert_int_equal(strtol(text, &end, 10), getpid());
    assert_int_equal(gethostname(host, sizeof host - 1), 0);
    assert_int_equal(strncmp(end, " ", 1), 0);
    assert_int_equal(strncmp(end + 1, host, strlen(host)), 0);
    end += 1 + strlen(host);
    assert_int_equal(strncmp(end, " since ", 7), 0);
    assert_int_equal(end[27], '\n');
    end[27] = '\0';
    assert_int_equal(utc_parse(end + 7, &since), 0);
    assert_true(since >= now && since <= now + 60);
    dirlock_free(l);
    is(DIRLOCK_FILE, "");
    holds(".", DIRLOCK_FILE " ");
    is_free();
    dirlock_free(NULL);
}

static void test_a_longer_text_of_before_is_gone(void **state)
{
    (void)state;
    char b[300];
    memset(b, 'x', sizeof b - 1);
    b[sizeof b - 1] = '\0';
    put(DIRLOCK_FILE, b);
    struct dirlock *l = taken();
    assert_true(look(DIRLOCK_FILE).st_size < 128);
    dirlock_free(l);
}

static void test_who_comes_second_is_told_by_whom_it_is_held(void **state)
{
    (void)state;
    struct err err;
    char pid_text[40], host[65] = "";
    pid_t pid = holder(0, NULL);
    is_busy(&err);
    snprintf(pid_text, sizeof pid_text, "process %ld on ", (long)pid);
    assert_non_null(strstr(err.text, pid_text));
    assert_int_equal(gethostname(host, sizeof host - 1), 0);
    assert_non_null(strstr(err.text, host));
    assert_non_null(strstr(err.text, " since 2"));
    assert_null(strchr(err.text, '\n'));
    killed(pid);
}

static void test_a_second_lock_in_one_process_is_busy_too(void **state)
{
    (void)state;
    struct err err;
    struct dirlock *l = taken();
    is_busy(&err);
    is_busy(&err); /* the refused one has released nothing */
    dirlock_free(l);
    is_free();
}

static void test_a_killed_holder_leaves_it_free(void **state)
{
    (void)state;
    struct err err;
    pid_t pid = holder(0, NULL);
    is_busy(&err);
    killed(pid);
    is_free();
}

/* Another program, which outlives the one that started it. */
static void start_sleep(void)
{
    int started[2];
    char c;
    CHECK(pipe2(started, O_CLOEXEC) == 0);
    if (fork() == 0) {
        execlp("sleep", "sleep", "4", (char *)NULL);
        _exit(1);
    }
    close(started[1]);
    CHECK(read(started[0], &c, 1) == 0); /* closed by the exec */
    close(started[0]);
}

static void test_a_program_started_meanwhile_does_not_keep_it(void **state)
{
    (void)state;
    struct err err;
    pid_t pid = holder(0, start_sleep);
    is_busy(&err);
    killed(pid);
    is_free();
}

static void start_copy(void)
{
    if (fork() == 0) {
        usleep(4000000);
        _exit(0);
    }
}

static void test_a_release_is_one_also_while_a_forked_copy_lives(void **state)
{
    (void)state;
    pid_t pid = holder(1, start_copy);
    ended(pid);
    is_free();
}

static void test_a_wait_ends_when_the_lock_is_released(void **state)
{
    (void)state;
    struct dirlock *l = NULL;
    struct err err = {0};
    pid_t pid = holder(400, NULL);
    int64_t start = clock_ms();
    assert_int_equal(take(&l, 60, &err), 0);
    assert_true(clock_ms() - start < 30000);
    dirlock_free(l);
    ended(pid);
}

static void test_a_wait_ends_when_its_time_is_up(void **state)
{
    (void)state;
    struct dirlock *l = NULL;
    struct err err = {0};
    pid_t pid = holder(0, NULL);
    int64_t start = clock_ms();
    assert_int_equal(take(&l, 1, &err), -1);
    int64_t took = clock_ms() - start;
    assert_true(took >= 1000 && took < 30000);
    assert_int_equal(err.cls, ERR_BUSY);
    assert_non_null(strstr(err.text, "process "));
    killed(pid);
}

static void test_a_signal_ends_the_wait(void **state)
{
    (void)state;
    pid_t other = holder(0, NULL);
    pid_t pid = fork();
    if (pid == 0) {
        struct dirlock *l = NULL;
        struct err err = {0};
        signal(SIGALRM, stop_set);
        alarm(1);
        CHECK(take(&l, 600, &err) == -1);
        CHECK(err.cls == ERR_SIGNAL && l == NULL);
        _exit(0);
    }
    int64_t start = clock_ms();
    ended(pid);
    assert_true(clock_ms() - start < 60000);
    killed(other);
}

static void test_no_link_is_followed(void **state)
{
    (void)state;
    put("archive", "precious");
    assert_int_equal(symlink("archive", DIRLOCK_FILE), 0);
    is_refused("symbolic link");
    is("archive", "precious");
    assert_int_equal(unlink(DIRLOCK_FILE), 0);
    assert_int_equal(symlink("none", DIRLOCK_FILE), 0);
    is_refused("symbolic link");
    is("none", NULL);
    assert_int_equal(unlink(DIRLOCK_FILE), 0);
    assert_int_equal(link("archive", DIRLOCK_FILE), 0);
    is_refused("hard link");
    is("archive", "precious");
}

static void test_what_is_no_file_is_refused(void **state)
{
    (void)state;
    dir(DIRLOCK_FILE, 0700);
    is_refused("not a regular file");
    assert_int_equal(rmdir(DIRLOCK_FILE), 0);
    assert_int_equal(mkfifo(DIRLOCK_FILE, 0600), 0);
    is_refused("not a regular file");
}

static void in_a_directory_of_others(struct world *w)
{
    (void)w;
    struct dirlock *l = NULL;
    struct err err = {0};
    CHECK(take(&l, 5, &err) == -1);
    CHECK(err.cls == ERR_FAIL && err.sys == EACCES && l == NULL);
    CHECK(strcmp(err.text,
                 "cannot lock: /backups/" DIRLOCK_FILE ": Permission denied") == 0);
    CHECK(err.hint[0] != '\0');
}

static void test_a_directory_that_one_may_not_write_to_is_an_error(void **state)
{
    assert_int_equal(chmod(".", 0555), 0);
    as_user(state, in_a_directory_of_others);
    assert_int_equal(chmod(".", 0700), 0);
    holds(".", "");
}

static void test_a_lock_file_of_others_is_an_error(void **state)
{
    put(DIRLOCK_FILE, "");
    assert_int_equal(chmod(DIRLOCK_FILE, 0600), 0);
    as_user(state, in_a_directory_of_others);
}

static void test_what_the_file_says_decides_nothing(void **state)
{
    (void)state;
    static const char *const texts[] = {"",         "x",     "12",     " 12 host",
                                        "12x host", "\n1 a", "-1 host"};
    put(DIRLOCK_FILE, "1 elsewhere since 2026-11-24T03:07:24Z\n");
    is_free();
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct err err;
        put(DIRLOCK_FILE, texts[i]);
        int fd = open(DIRLOCK_FILE, O_RDWR);
        assert_int_equal(flock(fd, LOCK_EX), 0);
        is_busy(&err);
        assert_string_equal(err.text, "in use by another run: /backups");
        close(fd);
        is_free();
    }
    char longer[4096];
    memset(longer, '7', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    longer[3] = ' ';
    put(DIRLOCK_FILE, longer);
    struct err err;
    int fd = open(DIRLOCK_FILE, O_RDWR);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    is_busy(&err);
    assert_true(strlen(err.text) < 250);
    close(fd);
}

static void test_a_removed_lock_file_does_not_end_the_locking(void **state)
{
    (void)state;
    struct err err;
    struct dirlock *old = taken();
    assert_int_equal(unlink(DIRLOCK_FILE), 0);
    struct dirlock *l = taken(); /* it cannot be known */
    is_busy(&err);
    dirlock_free(old);
    is_busy(&err);
    dirlock_free(l);
    is_free();
}

/* Take it `times`, alone while it is held, in several processes at once. */
static void contend(unsigned times, unsigned wait, bool removing)
{
    enum { PROCESSES = 6 };
    pid_t pids[PROCESSES];
    for (unsigned i = 0; i < PROCESSES; i++) {
        pids[i] = fork();
        if (pids[i] != 0)
            continue;
        for (unsigned k = 0; k < times;) {
            struct dirlock *l;
            struct err err = {0};
            if (take(&l, wait, &err) != 0) {
                CHECK(wait == 0 && err.cls == ERR_BUSY);
                continue;
            }
            int fd = open("alone", O_WRONLY | O_CREAT | O_EXCL, 0600);
            CHECK(fd >= 0);
            close(fd);
            CHECK(unlink("alone") == 0);
            if (removing)
                CHECK(unlink(DIRLOCK_FILE) == 0);
            dirlock_free(l);
            k++;
        }
        _exit(0);
    }
    for (unsigned i = 0; i < PROCESSES; i++)
        ended(pids[i]);
}

static void test_processes_hold_it_one_at_a_time(void **state)
{
    (void)state;
    contend(8, 300, false);
}

/* Whoever locks a file that has just lost its name holds nothing. */
static void test_a_file_removed_before_it_was_locked_is_no_lock(void **state)
{
    (void)state;
    contend(500, 0, true);
}

#define IN_A_WORLD(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_WORLD(test_the_file_says_who_holds_it_and_stays_empty_when_released),
        IN_A_WORLD(test_a_longer_text_of_before_is_gone),
        IN_A_WORLD(test_who_comes_second_is_told_by_whom_it_is_held),
        IN_A_WORLD(test_a_second_lock_in_one_process_is_busy_too),
        IN_A_WORLD(test_a_killed_holder_leaves_it_free),
        IN_A_WORLD(test_a_program_started_meanwhile_does_not_keep_it),
        IN_A_WORLD(test_a_release_is_one_also_while_a_forked_copy_lives),
        IN_A_WORLD(test_a_wait_ends_when_the_lock_is_released),
        IN_A_WORLD(test_a_wait_ends_when_its_time_is_up),
        IN_A_WORLD(test_a_signal_ends_the_wait),
        IN_A_WORLD(test_no_link_is_followed),
        IN_A_WORLD(test_what_is_no_file_is_refused),
        IN_A_WORLD(test_a_directory_that_one_may_not_write_to_is_an_error),
        IN_A_WORLD(test_a_lock_file_of_others_is_an_error),
        IN_A_WORLD(test_what_the_file_says_decides_nothing),
        IN_A_WORLD(test_a_removed_lock_file_does_not_end_the_locking),
        IN_A_WORLD(test_processes_hold_it_one_at_a_time),
        IN_A_WORLD(test_a_file_removed_before_it_was_locked_is_no_lock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
