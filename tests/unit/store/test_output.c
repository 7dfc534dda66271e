#include "storeworld.h"

#include <sys/sysmacros.h>

#include "store/output.h"
#include "util/stop.h"

static struct output *opened(const char *target, bool force)
{
    struct err err = {0};
    struct output *o;
    if (output_open(&o, target, "auto-1.pmmseal", force, &err) != 0)
        fail_msg("%s", err.text);
    return o;
}

static void refuses(const char *target, bool force, enum err_class cls,
                    const char *says)
{
    struct err err = {0};
    struct output *o;
    assert_int_equal(output_open(&o, target, "auto-1.pmmseal", force, &err), -1);
    assert_int_equal(err.cls, cls);
    if (strstr(err.text, says) == NULL)
        fail_msg("'%s' does not say '%s'", err.text, says);
}

static void fill(struct output *o, const char *text)
{
    struct err err = {0};
    assert_int_equal(output_write(o, text, strlen(text), &err), 0);
}

static int commit(struct output *o, enum err_class cls)
{
    struct err err = {0};
    int r = output_commit(o, &err);
    assert_int_equal(err.cls, cls);
    return r;
}

static void test_the_name_appears_only_at_commit(void **state)
{
    (void)state;
    struct output *o = opened("a.pmmseal", false);
    fill(o, "one");
    fill(o, "two");
    is("a.pmmseal", NULL);
    assert_string_equal(output_path(o), "a.pmmseal");
    dev_t dev;
    ino_t ino;
    output_identity(o, &dev, &ino);
    assert_int_equal(commit(o, ERR_NONE), 0);
    is("a.pmmseal", "onetwo");
    assert_int_equal(look("a.pmmseal").st_ino, ino);
    assert_int_equal(look("a.pmmseal").st_mode & 07777, 0600);
    output_free(o);
    holds(".", "a.pmmseal ");
}

static void test_an_uncommitted_file_leaves_nothing(void **state)
{
    (void)state;
    struct output *o = opened("a.pmmseal", false);
    fill(o, "half");
    output_free(o);
    output_free(NULL);
    holds(".", "");
}

static void test_the_mode_is_0600_whatever_the_umask(void **state)
{
    (void)state;
    mode_t old = umask(0777);
    struct output *o = opened("a", false);
    umask(old);
    assert_int_equal(commit(o, ERR_NONE), 0);
    output_free(o);
    assert_int_equal(look("a").st_mode & 07777, 0600);
}

static void test_an_existing_file_needs_force_and_stays_until_commit(void **state)
{
    (void)state;
    put("a", "old");
    refuses("a", false, ERR_REFUSED, "already there");
    struct output *o = opened("a", true);
    fill(o, "new");
    is("a", "old");
    output_free(o);
    is("a", "old");
    o = opened("a", true);
    fill(o, "new");
    assert_int_equal(commit(o, ERR_NONE), 0);
    output_free(o);
    is("a", "new");
    holds(".", "a ");
}

static void test_a_file_that_appears_meanwhile_is_not_overwritten(void **state)
{
    (void)state;
    struct output *o = opened("a", false);
    fill(o, "mine");
    put("a", "theirs");
    assert_int_equal(commit(o, ERR_REFUSED), -1);
    output_free(o);
    is("a", "theirs");
    holds(".", "a ");
}

static void test_a_directory_gets_the_archive_under_its_own_name(void **state)
{
    (void)state;
    dir("d", 0700);
    struct output *o = opened("d/", false), *p = opened("d", true);
    assert_string_equal(output_path(o), "d/auto-1.pmmseal");
    fill(o, "1");
    fill(p, "2");
    assert_int_equal(commit(o, ERR_NONE), 0);
    assert_int_equal(commit(p, ERR_NONE),
                     0); /* same second: the next number, also with force */
    assert_string_equal(output_path(p), "d/auto-1-2.pmmseal");
    output_free(o);
    output_free(p);
    is("d/auto-1.pmmseal", "1");
    is("d/auto-1-2.pmmseal", "2");
    refuses("none/", false, ERR_FAIL, "none");
    refuses("none/a", false, ERR_FAIL, "none");
}

static void test_a_link_stays_and_its_file_is_written(void **state)
{
    (void)state;
    dir("d", 0700);
    dir("e", 0700);
    assert_int_equal(symlink("../e/real", "d/link"), 0);
    assert_int_equal(symlink("d/link", "first"), 0);
    struct output *o = opened("first", false);
    fill(o, "x");
    assert_int_equal(commit(o, ERR_NONE), 0);
    output_free(o);
    is("e/real", "x");
    assert_true(S_ISLNK(look("first").st_mode));
    assert_true(S_ISLNK(look("d/link").st_mode));
    assert_int_equal(symlink("loop", "loop"), 0);
    refuses("loop", true, ERR_FAIL, "loop");
}

static void test_a_long_name_still_has_a_temporary_one(void **state)
{
    (void)state;
    char name[256];
    memset(name, 'n', 255);
    name[255] = '\0';
    struct output *o = opened(name, false);
    fill(o, "x");
    assert_int_equal(commit(o, ERR_NONE), 0);
    output_free(o);
    is(name, "x");
}

static void test_a_fifo_is_written_to_directly(void **state)
{
    (void)state;
    char b[8];
    assert_int_equal(mkfifo("f", 0600), 0);
    int fd = open("f", O_RDONLY | O_NONBLOCK);
    struct output *o = opened("f", false);
    assert_true(output_is_stream(o));
    fill(o, "piped");
    assert_int_equal(commit(o, ERR_NONE), 0);
    output_free(o);
    assert_int_equal(read(fd, b, sizeof b), 5);
    close(fd);
    assert_true(S_ISFIFO(look("f").st_mode));
}

static void test_other_things_are_refused(void **state)
{
    (void)state;
    refuses("", false, ERR_USAGE, "empty");
    if (geteuid() == 0 && mknod("blk", S_IFBLK | 0600, makedev(7, 200)) == 0)
        refuses("blk", true, ERR_REFUSED, "blk");
    int m = posix_openpt(O_RDWR | O_NOCTTY);
    if (m >= 0 && grantpt(m) == 0 && unlockpt(m) == 0)
        refuses(ptsname(m), true, ERR_REFUSED, "terminal");
    close(m);
}

/* With `fd` as standard output. */
static int open_as_stdout(int fd, struct output **o, struct err *err)
{
    fflush(stdout);
    int saved = dup(1);
    if (fd >= 0)
        dup2(fd, 1);
    else
        close(1);
    int r = output_open(o, "-", "x", false, err);
    dup2(saved, 1);
    close(saved);
    return r;
}

static void test_standard_output_is_a_stream(void **state)
{
    (void)state;
    struct err err = {0};
    struct output *o;
    dev_t dev;
    ino_t ino;
    int fd = open("out", O_WRONLY | O_CREAT, 0644);
    assert_int_equal(write(fd, "before ", 7), 7);
    assert_int_equal(open_as_stdout(fd, &o, &err), 0);
    assert_string_equal(output_path(o), "-");
    output_identity(o, &dev, &ino);
    assert_int_equal(ino, look("out").st_ino);
    fill(o, "sealed");
    assert_int_equal(commit(o, ERR_NONE), 0);
    output_free(o);
    close(fd);
    is("out", "before sealed");

    assert_int_equal(open_as_stdout(-1, &o, &err), -1);
    assert_int_equal(err.cls, ERR_FAIL);
    err = (struct err){0};
    fd = open("out", O_RDONLY);
    assert_int_equal(open_as_stdout(fd, &o, &err), -1);
    assert_int_equal(err.cls, ERR_FAIL);
    close(fd);
    int m = posix_openpt(O_RDWR | O_NOCTTY);
    if (m >= 0) {
        err = (struct err){0};
        assert_int_equal(open_as_stdout(m, &o, &err), -1);
        assert_int_equal(err.cls, ERR_REFUSED);
        assert_non_null(strstr(err.hint, "leave out -t"));
        close(m);
    }
}

static void test_a_full_disk_is_told_and_leaves_nothing(void **state)
{
    (void)state;
    struct err err = {0};
    struct output *o = opened("/dev/full", false);
    assert_int_equal(output_write(o, "x", 1, &err), -1);
    assert_int_equal(err.cls, ERR_FAIL);
    assert_int_equal(err.sys, ENOSPC);
    assert_non_null(strstr(err.hint, "room"));
    output_free(o);
}

static void unwritable(struct world *w)
{
    (void)w;
    struct err err = {0};
    struct output *o;
    CHECK(mkdir("d", 0555) == 0);
    CHECK(output_open(&o, "d/a", "x", false, &err) == -1);
    CHECK(err.cls == ERR_FAIL && strstr(err.text, "directory: d:") != NULL);
}

static void test_a_directory_without_the_right_is_named(void **state)
{
    as_user(state, unwritable);
}

static void stopped(struct world *w)
{
    (void)w;
    struct err err = {0};
    struct output *o;
    CHECK(output_open(&o, "a", "x", false, &err) == 0);
    stop_set(15);
    CHECK(output_commit(o, &err) == -1);
    CHECK(err.cls == ERR_SIGNAL);
    output_free(o);
    CHECK(access("a", F_OK) != 0);
}

static void test_a_stopped_run_commits_nothing(void **state)
{
    pid_t pid = fork(); /* the stop flag cannot be taken back */
    if (pid == 0) {
        stopped(*state);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    holds(".", "");
}

int main(void)
{
#define WORLD(t) cmocka_unit_test_setup_teardown(t, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        WORLD(test_the_name_appears_only_at_commit),
        WORLD(test_an_uncommitted_file_leaves_nothing),
        WORLD(test_the_mode_is_0600_whatever_the_umask),
        WORLD(test_an_existing_file_needs_force_and_stays_until_commit),
        WORLD(test_a_file_that_appears_meanwhile_is_not_overwritten),
        WORLD(test_a_directory_gets_the_archive_under_its_own_name),
        WORLD(test_a_link_stays_and_its_file_is_written),
        WORLD(test_a_long_name_still_has_a_temporary_one),
        WORLD(test_a_fifo_is_written_to_directly),
        WORLD(test_other_things_are_refused),
        WORLD(test_standard_output_is_a_stream),
        WORLD(test_a_full_disk_is_told_and_leaves_nothing),
        WORLD(test_a_directory_without_the_right_is_named),
        WORLD(test_a_stopped_run_commits_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
