#include "storeworld.h"

#include "store/input.h"

static struct input *opened(const char *path, bool writable)
{
    struct err err = {0};
    struct input *in;
    if (input_open(&in, path, writable, &err) != 0)
        fail_msg("%s", err.text);
    return in;
}

static void refuses(const char *path, bool writable, enum err_class cls)
{
    struct err err = {0};
    struct input *in;
    assert_int_equal(input_open(&in, path, writable, &err), -1);
    assert_int_equal(err.cls, cls);
}

static void test_a_file_is_read_in_order_and_anywhere(void **state)
{
    (void)state;
    struct err err = {0};
    char b[8];
    put("a", "0123456789");
    struct input *in = opened("a", false);
    assert_int_equal(input_size(in), 10);
    assert_string_equal(input_path(in), "a");
    assert_int_equal(input_read(in, b, 4, &err), 4);
    assert_int_equal(input_pread(in, b, 3, 7, &err), 3);
    assert_memory_equal(b, "789", 3);
    assert_int_equal(input_pread(in, b, 8, 8, &err), 2);
    assert_int_equal(input_pread(in, b, 8, 10, &err), 0);
    assert_int_equal(input_read(in, b, 8, &err), 6);
    assert_memory_equal(b, "456789", 6);
    assert_int_equal(input_read(in, b, 8, &err), 0);
    assert_int_equal(input_pread(in, b, 8, UINT64_MAX - 3, &err), -1);
    assert_int_equal(err.cls, ERR_FAIL);
    input_free(in);
    input_free(NULL);
}

static void test_only_a_writable_one_is_written(void **state)
{
    (void)state;
    struct err err = {0};
    put("a", "0123");
    struct input *in = opened("a", false);
    assert_int_equal(input_pwrite(in, "x", 1, 0, &err), -1);
    input_free(in);
    err = (struct err){0};
    in = opened("a", true);
    assert_int_equal(input_pwrite(in, "xy", 2, 1, &err), 0);
    assert_int_equal(input_sync(in, &err), 0);
    input_free(in);
    is("a", "0xy3");
}

static void test_readers_share_and_a_writer_is_alone(void **state)
{
    (void)state;
    put("a", "x");
    struct input *one = opened("a", false), *two = opened("a", false);
    refuses("a", true, ERR_BUSY);
    input_free(one);
    input_free(two);
    one = opened("a", true);
    refuses("a", false, ERR_BUSY);
    refuses("a", true, ERR_BUSY);
    input_free(one);
}

static void test_what_is_no_archive_is_told_apart(void **state)
{
    (void)state;
    dir("d", 0700);
    assert_int_equal(mkfifo("f", 0600), 0);
    refuses("d", false, ERR_USAGE);
    refuses("d", true, ERR_USAGE);
    refuses("none", false, ERR_FAIL);
    refuses("f", true, ERR_USAGE);
    refuses("-", true, ERR_USAGE);
}

/* Open "-" with `fd` as standard input. */
static struct input *from(int fd)
{
    struct err err = {0};
    struct input *in = NULL;
    int saved = dup(0);
    dup2(fd, 0);
    (void)input_open(&in, "-", false, &err);
    dup2(saved, 0);
    close(saved);
    return in;
}

static void test_standard_input_is_a_file_if_it_is_one_from_its_beginning(void **state)
{
    (void)state;
    struct err err = {0};
    char b[8];
    put("a", "0123");
    int fd = open("a", O_RDONLY);
    struct input *in = from(fd);
    assert_int_equal(input_size(in), 4);
    assert_string_equal(input_path(in), "standard input");
    assert_int_equal(input_pread(in, b, 2, 2, &err), 2);
    assert_memory_equal(b, "23", 2);
    input_free(in);
    assert_int_equal(lseek(fd, 1, SEEK_SET), 1);
    in = from(fd);
    assert_int_equal(input_size(in), -1);
    assert_int_equal(input_read(in, b, 8, &err), 3);
    assert_int_equal(input_pread(in, b, 1, 0, &err), -1);
    input_free(in);
    close(fd);

    int fds[2];
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(write(fds[1], "piped", 5), 5);
    close(fds[1]);
    in = from(fds[0]);
    assert_int_equal(input_size(in), -1);
    assert_int_equal(input_read(in, b, 8, &err), 5);
    input_free(in);
    close(fds[0]);
    int m = posix_openpt(O_RDWR | O_NOCTTY);
    if (m >= 0)
        assert_null(from(m));
    close(m);
}

int main(void)
{
#define WORLD(t) cmocka_unit_test_setup_teardown(t, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        WORLD(test_a_file_is_read_in_order_and_anywhere),
        WORLD(test_only_a_writable_one_is_written),
        WORLD(test_readers_share_and_a_writer_is_alone),
        WORLD(test_what_is_no_archive_is_told_apart),
        WORLD(test_standard_input_is_a_file_if_it_is_one_from_its_beginning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
