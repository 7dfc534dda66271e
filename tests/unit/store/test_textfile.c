/* Small files read whole and written whole, or not at all. */
#include "storeworld.h"

#include <signal.h>
#include <sys/resource.h>

#include "store/stale.h"
#include "store/textfile.h"

static struct buf text_of(const char *text)
{
    struct buf b = {0};
    assert_int_equal(buf_add(&b, text, strlen(text)), 0);
    return b;
}

static void write_text(const char *name, mode_t mode, const char *text)
{
    struct err err = {0};
    struct buf b = text_of(text);
    if (textfile_write(AT_FDCWD, name, mode, &b, &err) != 0)
        fail_msg("%s", err.text);
    buf_free(&b);
}

static void write_fails(const char *name, const char *why)
{
    struct err err = {0};
    struct buf b = text_of("new");
    assert_int_equal(textfile_write(AT_FDCWD, name, 0600, &b, &err), -1);
    assert_int_equal(err.cls, ERR_FAIL);
    if (strstr(err.text, why) == NULL || strstr(err.text, name) == NULL)
        fail_msg("%s", err.text);
    buf_free(&b);
}

static void read_fails(const char *name, size_t max, const char *why)
{
    struct err err = {0};
    struct buf b = text_of("before");
    assert_int_equal(textfile_read(AT_FDCWD, name, max, &b, &err), -1);
    assert_int_equal(err.cls, ERR_FAIL);
    if (strstr(err.text, why) == NULL || strstr(err.text, name) == NULL)
        fail_msg("%s", err.text);
    assert_int_equal(b.len, 6);
    buf_free(&b);
}

static void test_what_was_written_is_read_and_appended(void **state)
{
    (void)state;
    struct err err = {0};
    struct buf b = text_of("before ");
    write_text("a", 0600, "hello\n");
    is("a", "hello\n");
    assert_int_equal(textfile_read(AT_FDCWD, "a", 6, &b, &err), 1);
    assert_int_equal(b.len, 13);
    assert_memory_equal(b.p, "before hello\n", 13);
    buf_free(&b);
    write_text("a", 0600, "");
    is("a", "");
    assert_int_equal(textfile_read(AT_FDCWD, "a", 0, &b, &err), 1);
    assert_int_equal(b.len, 0);
    buf_free(&b);
    holds(".", "a ");
}

static void test_no_file_is_no_error(void **state)
{
    (void)state;
    struct err err = {0};
    struct buf b = {0};
    assert_int_equal(textfile_read(AT_FDCWD, "none", 100, &b, &err), 0);
    assert_int_equal(err.cls, ERR_NONE);
    assert_int_equal(b.len, 0);
}

static void test_more_than_max_is_refused_and_max_is_not(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 4095, 65535, 65536, 65537, 131072, 200000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct err err = {0};
        struct buf b = {0}, out = {0};
        assert_int_equal(buf_reserve(&b, sizes[i]), 0);
        for (; b.len < sizes[i]; b.len++)
            b.p[b.len] = (uint8_t)(b.len * 7 / 5);
        assert_int_equal(textfile_write(AT_FDCWD, "a", 0600, &b, &err), 0);
        assert_int_equal(textfile_read(AT_FDCWD, "a", sizes[i], &out, &err), 1);
        assert_int_equal(out.len, sizes[i]);
        assert_memory_equal(out.p, b.p, sizes[i]);
        out.len = 0;
        assert_int_equal(textfile_read(AT_FDCWD, "a", SIZE_MAX, &out, &err), 1);
        assert_int_equal(out.len, sizes[i]);
        read_fails("a", sizes[i] - 1, "larger than");
        buf_free(&b);
        buf_free(&out);
    }
}

static void test_the_mode_is_as_asked_whatever_the_umask(void **state)
{
    (void)state;
    mode_t before = umask(0777);
    write_text("a", 0644, "x");
    write_text("b", 0600, "x");
    umask(0);
    write_text("c", 0600, "x");
    umask(before);
    assert_int_equal(look("a").st_mode & 07777, 0644);
    assert_int_equal(look("b").st_mode & 07777, 0600);
    assert_int_equal(look("c").st_mode & 07777, 0600);
    put("d", "0644 until now");
    write_text("d", 0600, "x");
    assert_int_equal(look("d").st_mode & 07777, 0600);
}

static void test_only_regular_files_are_read_and_no_link_is_followed(void **state)
{
    (void)state;
    put("a", "secret");
    assert_int_equal(symlink("a", "link"), 0);
    assert_int_equal(mkfifo("fifo", 0600), 0);
    dir("d", 0700);
    read_fails("link", 100, "symbolic link");
    read_fails("fifo", 100, "not a regular file"); /* and does not wait */
    read_fails("d", 100, "not a regular file");
}

static void as_reader(struct world *w)
{
    (void)w;
    struct err err = {0};
    struct buf b = {0};
    CHECK(textfile_read(AT_FDCWD, "a", 100, &b, &err) == -1);
    CHECK(err.cls == ERR_FAIL && err.sys == EACCES);
    buf_free(&b);
}

static void test_an_unreadable_file_is_an_error_and_not_none(void **state)
{
    put("a", "x");
    assert_int_equal(chmod("a", 0), 0);
    as_user(state, as_reader);
}

static void test_writing_replaces_a_link_and_not_what_it_leads_to(void **state)
{
    (void)state;
    put("a", "old");
    assert_int_equal(symlink("a", "link"), 0);
    write_text("link", 0600, "new");
    is("a", "old");
    is("link", "new");
}

static void test_what_is_no_file_is_not_replaced(void **state)
{
    (void)state;
    dir("d", 0700);
    assert_int_equal(mkfifo("fifo", 0600), 0);
    write_fails("d", "not a regular file");
    write_fails("fifo", "not a regular file");
    write_fails("d/.", "not a regular file");
    write_fails("none/a", "No such file");
    write_fails("d/", "No such file");
    assert_true(S_ISFIFO(look("fifo").st_mode));
    holds(".", "d fifo ");
    holds("d", "");
}

static void test_the_name_may_be_in_another_directory(void **state)
{
    struct world *w = *state;
    char name[100];
    dir("d", 0700);
    write_text("d/a", 0600, "one");
    is("d/a", "one");
    snprintf(name, sizeof name, "%s/d/b", w->dir);
    write_text(name, 0600, "two");
    is("d/b", "two");
    holds("d", "a b ");

    struct err err = {0};
    struct buf b = text_of("three");
    int fd = open("d", O_RDONLY | O_DIRECTORY);
    assert_int_equal(textfile_write(fd, "c", 0600, &b, &err), 0);
    b.len = 0;
    assert_int_equal(textfile_read(fd, "c", 5, &b, &err), 1);
    assert_memory_equal(b.p, "three", 5);
    buf_free(&b);
    close(fd);
    holds("d", "a b c ");
}

/* Write in a child in which files can have 4 bytes. Returns its wait status. */
static int write_in_little_room(void (*on_more)(int))
{
    pid_t pid = fork();
    if (pid == 0) {
        const struct rlimit none = {4, 4}, core = {0, 0};
        struct err err = {0};
        struct buf b = {0};
        signal(SIGXFSZ, on_more);
        CHECK(buf_add(&b, "too long", 8) == 0);
        CHECK(setrlimit(RLIMIT_CORE, &core) == 0 &&
              setrlimit(RLIMIT_FSIZE, &none) == 0);
        int r = textfile_write(AT_FDCWD, "a", 0600, &b, &err);
        _exit(r == -1 && err.cls == ERR_FAIL && err.sys == EFBIG ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void test_a_failed_write_leaves_the_old_file_and_nothing_else(void **state)
{
    (void)state;
    put("a", "old");
    assert_int_equal(write_in_little_room(SIG_IGN), 0);
    is("a", "old");
    holds(".", "a ");
}

static void test_what_a_killed_writer_leaves_is_swept(void **state)
{
    (void)state;
    put("a", "old");
    assert_true(WIFSIGNALED(write_in_little_room(SIG_DFL)));
    is("a", "old");
    int fd = open(".", O_RDONLY | O_DIRECTORY);
    char **names;
    size_t n;
    assert_int_equal(dirlist_read(fd, &names, &n), 0);
    assert_int_equal(n, 2);
    dirlist_free(names, n);
    stale_sweep(fd);
    close(fd);
    holds(".", "a ");
}

static void test_the_next_writer_sweeps_it_and_not_what_is_held(void **state)
{
    static const char held[] = ".b.pmmseal.abcdef.tmp";
    (void)state;
    put("a", "old");
    put(held, "somebody's");
    int fd = open(held, O_RDONLY);
    assert_true(fd >= 0 && stale_hold(fd) == 1);
    assert_true(WIFSIGNALED(write_in_little_room(SIG_DFL)));
    write_text("a", 0600, "new");
    is("a", "new");
    is(held, "somebody's");
    close(fd);
    write_text("a", 0600, "newer");
    holds(".", "a ");
}

static void test_a_long_name_can_be_written(void **state)
{
    (void)state;
    char name[256];
    memset(name, 'n', 255);
    name[255] = '\0';
    write_text(name, 0600, "x");
    is(name, "x");
}

#define IN_A_WORLD(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_WORLD(test_what_was_written_is_read_and_appended),
        IN_A_WORLD(test_no_file_is_no_error),
        IN_A_WORLD(test_more_than_max_is_refused_and_max_is_not),
        IN_A_WORLD(test_the_mode_is_as_asked_whatever_the_umask),
        IN_A_WORLD(test_only_regular_files_are_read_and_no_link_is_followed),
        IN_A_WORLD(test_an_unreadable_file_is_an_error_and_not_none),
        IN_A_WORLD(test_writing_replaces_a_link_and_not_what_it_leads_to),
        IN_A_WORLD(test_what_is_no_file_is_not_replaced),
        IN_A_WORLD(test_the_name_may_be_in_another_directory),
        IN_A_WORLD(test_a_failed_write_leaves_the_old_file_and_nothing_else),
        IN_A_WORLD(test_what_a_killed_writer_leaves_is_swept),
        IN_A_WORLD(test_the_next_writer_sweeps_it_and_not_what_is_held),
        IN_A_WORLD(test_a_long_name_can_be_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
