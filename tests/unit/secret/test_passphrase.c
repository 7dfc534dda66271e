#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "secret/passphrase.h"
#include "secret/secret.h"

static char dir[64], file[128];

static struct passphrase_opts opts(void)
{
    return (struct passphrase_opts){.fd = -1,
                                    .what = "passphrase",
                                    .option_prefix = "passphrase",
                                    .env_prefix = "PMM_SEAL_PASSPHRASE"};
}

static void put(const char *bytes, size_t len, mode_t mode)
{
    int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, len), (ssize_t)len);
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static void unset_all(void)
{
    unsetenv("PMM_SEAL_PASSPHRASE");
    unsetenv("PMM_SEAL_PASSPHRASE_FILE");
    unsetenv("PMM_SEAL_PASSPHRASE_COMMAND");
}

static void gives(const struct passphrase_opts *o, const char *bytes, size_t len)
{
    struct err err = {0};
    struct passphrase p;
    if (passphrase_get(o, &p, &err) != 0)
        fail_msg("%s", err.text);
    assert_int_equal(p.len, len);
    assert_memory_equal(p.bytes, bytes, len);
    passphrase_free(&p);
    assert_null(p.bytes);
}

static void fails(const struct passphrase_opts *o, enum err_class cls, const char *says)
{
    struct err err = {0};
    struct passphrase p;
    assert_int_equal(passphrase_get(o, &p, &err), -1);
    assert_int_equal(err.cls, cls);
    assert_null(p.bytes);
    if (strstr(err.text, says) == NULL)
        fail_msg("'%s' does not say '%s'", err.text, says);
}

static void test_exactly_one_line_end_is_taken_off_a_file(void **state)
{
    (void)state;
    struct passphrase_opts o = opts();
    o.file = file;
    put("secret", 6, 0600);
    gives(&o, "secret", 6);
    put("secret\n", 7, 0640);
    gives(&o, "secret", 6);
    put("secret\r\n", 8, 0600);
    gives(&o, "secret", 6);
    put("secret\n\n", 8, 0600);
    gives(&o, "secret\n", 7);
    put("secret\r", 7, 0600);
    gives(&o, "secret\r", 7);
    put(" a\0b\xff ", 6, 0600);
    gives(&o, " a\0b\xff ", 6);
}

static void test_empty_is_refused_and_1024_bytes_is_the_most(void **state)
{
    (void)state;
    char big[PASSPHRASE_MAX + 100];
    memset(big, 'x', sizeof big);
    struct passphrase_opts o = opts();
    o.file = file;
    put("", 0, 0600);
    fails(&o, ERR_KEY, "empty");
    put("\r\n", 2, 0600);
    fails(&o, ERR_KEY, "empty");
    put(big, PASSPHRASE_MAX, 0600);
    gives(&o, big, PASSPHRASE_MAX);
    put(big, PASSPHRASE_MAX + 1, 0600);
    fails(&o, ERR_KEY, "longer than 1024");
    put(big, sizeof big, 0600);
    fails(&o, ERR_KEY, "longer than 1024");
    memcpy(big + PASSPHRASE_MAX, "\r\n", 2);
    put(big, PASSPHRASE_MAX + 2, 0600);
    gives(&o, big, PASSPHRASE_MAX);
    put(big, PASSPHRASE_MAX + 3, 0600); /* something follows the line end */
    fails(&o, ERR_KEY, "longer than 1024");
}

static void test_a_file_that_others_can_read_is_refused(void **state)
{
    (void)state;
    struct passphrase_opts o = opts();
    struct passphrase p;
    struct err err = {0};
    o.file = file;
    put("secret", 6, 0604);
    assert_int_equal(passphrase_get(&o, &p, &err), -1);
    assert_int_equal(err.cls, ERR_REFUSED);
    assert_non_null(strstr(err.hint, "chmod 600 "));
    assert_non_null(strstr(err.hint, file));
    put("secret", 6, 0602);
    fails(&o, ERR_REFUSED, "others can change");
    o.file_insecure = true;
    gives(&o, "secret", 6);
}

static void test_a_missing_file_is_a_missing_key(void **state)
{
    (void)state;
    struct passphrase_opts o = opts();
    o.file = "/nonexistent/pass";
    fails(&o, ERR_KEY, "/nonexistent/pass");
    o.file = dir;
    fails(&o, ERR_KEY, dir);
}

static void test_a_fifo_and_a_descriptor_are_read(void **state)
{
    (void)state;
    int fds[2];
    char path[64];
    struct passphrase_opts o = opts();
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(write(fds[1], "piped\n", 6), 6);
    close(fds[1]);
    o.fd = fds[0];
    gives(&o, "piped", 5);
    assert_int_equal(fcntl(fds[0], F_GETFD), -1); /* closed: no child may read on */

    assert_int_equal(pipe(fds), 0);
    assert_int_equal(write(fds[1], "named\n", 6), 6);
    close(fds[1]);
    snprintf(path, sizeof path, "/dev/fd/%d", fds[0]);
    o = opts();
    o.file = path;
    gives(&o, "named", 5);
    close(fds[0]);

    o = opts();
    o.fd = 900;
    fails(&o, ERR_KEY, "descriptor 900");
}

static void test_standard_input_is_not_read_when_it_is_the_archive(void **state)
{
    (void)state;
    struct passphrase_opts o = opts();
    o.stdin_is_archive = true;
    o.fd = 0;
    fails(&o, ERR_USAGE, "standard input");
    o = opts();
    o.stdin_is_archive = true;
    o.file = "/dev/stdin";
    int fds[2], saved = dup(0);
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(dup2(fds[0], 0), 0);
    fails(&o, ERR_USAGE, "standard input");
    dup2(saved, 0);
    close(saved);
    close(fds[0]);
    close(fds[1]);
}

static void test_a_command_gives_its_output(void **state)
{
    (void)state;
    struct passphrase_opts o = opts();
    o.command = "printf 'from command\\n'";
    gives(&o, "from command", 12);
    o.command = "cat; echo end"; /* its input is empty, not ours */
    gives(&o, "end", 3);
}

static void test_a_command_that_fails_gives_nothing(void **state)
{
    (void)state;
    struct passphrase_opts o = opts();
    o.command = "echo half-a-secret; exit 9";
    fails(&o, ERR_KEY, "status 9");
    o.command = "echo half-a-secret; kill -9 $$";
    fails(&o, ERR_KEY, "signal 9");
    o.command = "true";
    fails(&o, ERR_KEY, "empty");
    o.command = "yes";
    fails(&o, ERR_KEY, "longer than 1024");
}

static void test_the_command_is_not_repeated_in_messages(void **state)
{
    (void)state;
    struct passphrase_opts o = opts();
    struct passphrase p;
    struct err err = {0};
    o.command = "echo hunter2; false";
    assert_int_equal(passphrase_get(&o, &p, &err), -1);
    assert_null(strstr(err.text, "hunter2"));
    assert_non_null(strstr(err.text, "--passphrase-command"));
}

static void test_two_sources_at_once_are_refused(void **state)
{
    (void)state;
    struct passphrase_opts o = opts();
    put("secret", 6, 0600);
    o.file = file;
    o.command = "echo x";
    fails(&o, ERR_USAGE, "two sources");
    o = opts();
    o.fd = 5;
    o.command = "echo x";
    fails(&o, ERR_USAGE, "--passphrase-fd and --passphrase-command");
    o = opts();
    setenv("PMM_SEAL_PASSPHRASE", "a", 1);
    setenv("PMM_SEAL_PASSPHRASE_FILE", file, 1);
    fails(&o, ERR_USAGE, "PMM_SEAL_PASSPHRASE_FILE and PMM_SEAL_PASSPHRASE");
    unset_all();
}

static void test_an_option_goes_before_a_variable(void **state)
{
    (void)state;
    struct passphrase_opts o = opts();
    setenv("PMM_SEAL_PASSPHRASE", "variable", 1);
    put("option", 6, 0600);
    o.file = file;
    gives(&o, "option", 6);
    unset_all();
}

/* What the kernel shows of our environment, the place where a variable was at exec. */
static bool environ_shows(const char *text)
{
    static char b[1 << 20];
    int fd = open("/proc/self/environ", O_RDONLY);
    assert_true(fd >= 0);
    ssize_t n = read(fd, b, sizeof b);
    close(fd);
    return n > 0 && memmem(b, (size_t)n, text, strlen(text)) != NULL;
}

/* Run by main in a process that got the variable at exec. */
static int child(void)
{
    struct err err = {0};
    struct passphrase p;
    struct passphrase_opts o = opts();
    if (secret_init(&err) != 0 || prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) != 0)
        return 1;
    if (!environ_shows("wipe-me-please"))
        return 2;
    if (passphrase_get(&o, &p, &err) != 0 || p.len != 14 ||
        memcmp(p.bytes, "wipe-me-please", 14) != 0)
        return 3;
    passphrase_free(&p);
    if (getenv("PMM_SEAL_PASSPHRASE") != NULL)
        return 4;
    return environ_shows("wipe-me-please") ? 5 : 0;
}

static void test_a_variable_is_wiped_once_read(void **state)
{
    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        setenv("PMM_SEAL_PASSPHRASE", "wipe-me-please", 1);
        execl("/proc/self/exe", "test", "child", (char *)NULL);
        _exit(99);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_what_is_not_asked_for_is_forgotten(void **state)
{
    (void)state;
    struct passphrase_opts o = opts();
    char value[] = "not-asked-for";
    assert_int_equal(setenv("PMM_SEAL_PASSPHRASE", value, 1), 0);
    assert_int_equal(setenv("PMM_SEAL_PASSPHRASE_COMMAND", "echo made", 1), 0);
    const char *stands = getenv("PMM_SEAL_PASSPHRASE");
    passphrase_forget(&o);
    assert_null(getenv("PMM_SEAL_PASSPHRASE"));
    assert_null(getenv("PMM_SEAL_PASSPHRASE_COMMAND"));
    assert_int_equal(stands[0], 0);
    passphrase_forget(&o);
    fails(&o, ERR_KEY, "no passphrase");
}

static void test_variables_name_files_and_commands(void **state)
{
    (void)state;
    struct passphrase_opts o = opts();
    put("of the file\n", 12, 0600);
    setenv("PMM_SEAL_PASSPHRASE_FILE", file, 1);
    gives(&o, "of the file", 11);
    assert_null(getenv("PMM_SEAL_PASSPHRASE_FILE"));
    setenv("PMM_SEAL_PASSPHRASE_COMMAND", "echo made", 1);
    gives(&o, "made", 4);
    assert_null(getenv("PMM_SEAL_PASSPHRASE_COMMAND"));
    put("x", 1, 0644);
    setenv("PMM_SEAL_PASSPHRASE_FILE", file, 1);
    fails(&o, ERR_REFUSED, "others can read");
    unset_all();
}

struct answers {
    const char *text[2];
    int n;
};

static int answer(void *ctx, const char *text, char *buf, size_t cap)
{
    struct answers *a = ctx;
    assert_non_null(
        strstr(text, a->n == 0 ? "Passphrase: " : "Repeat the passphrase: "));
    const char *s = a->text[a->n++];
    if (s == NULL)
        return -2;
    snprintf(buf, cap, "%s", s);
    return (int)strlen(buf);
}

static void test_a_new_passphrase_is_asked_for_twice(void **state)
{
    (void)state;
    struct passphrase_opts o = opts();
    struct answers a = {{"one", "one"}, 0};
    o.prompt = answer;
    o.prompt_ctx = &a;
    o.confirm = true;
    gives(&o, "one", 3);
    assert_int_equal(a.n, 2);
    a = (struct answers){{"one", "two"}, 0};
    fails(&o, ERR_KEY, "not the same");
    a = (struct answers){{"one", "one "}, 0};
    fails(&o, ERR_KEY, "not the same");
    a = (struct answers){{NULL, NULL}, 0};
    fails(&o, ERR_KEY, "no passphrase was given");
    o.confirm = false;
    a = (struct answers){{"one", NULL}, 0};
    gives(&o, "one", 3);
}

static void test_no_source_names_those_tried(void **state)
{
    (void)state;
    struct passphrase_opts o = opts();
    fails(&o, ERR_KEY, "--passphrase-file");
    fails(&o, ERR_KEY, "PMM_SEAL_PASSPHRASE_COMMAND");
    fails(&o, ERR_KEY, "no terminal");
}

static double bits(const char *bytes, size_t len)
{
    struct passphrase p = {.bytes = (char *)bytes, .len = len};
    return passphrase_bits(&p);
}

static void test_strength_tells_weak_from_strong(void **state)
{
    (void)state;
    char longest[PASSPHRASE_MAX];
    for (size_t i = 0; i < sizeof longest; i++)
        longest[i] = (char)(33 + i * i * 7 % 90);
    assert_true(bits("password", 8) < 10);
    assert_true(bits("correct horse battery staple", 28) > 50);
    assert_true(bits("q8fJ2kLz09PmVw3Tn5Rb", 20) > 80);
    assert_true(bits(longest, sizeof longest) > 50);
    assert_true(bits("\0q8fJ2k\0Lz09PmVw3Tn5Rb", 22) > 80);
    assert_true(bits("\0\0\0\0\0\0\0\0", 8) < 10);
}

static int setup(void **state)
{
    (void)state;
    struct err err = {0};
    const char *tmp = getenv("TMPDIR");
    snprintf(dir, sizeof dir, "%.40s/pp.XXXXXX", tmp ? tmp : "/tmp");
    unset_all();
    if (mkdtemp(dir) == NULL || secret_init(&err) != 0)
        return -1;
    snprintf(file, sizeof file, "%s/pass", dir);
    return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static int teardown(void **state)
{
    (void)state;
    unlink(file);
    return rmdir(dir);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "child") == 0)
        return child();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exactly_one_line_end_is_taken_off_a_file),
        cmocka_unit_test(test_empty_is_refused_and_1024_bytes_is_the_most),
        cmocka_unit_test(test_a_file_that_others_can_read_is_refused),
        cmocka_unit_test(test_a_missing_file_is_a_missing_key),
        cmocka_unit_test(test_a_fifo_and_a_descriptor_are_read),
        cmocka_unit_test(test_standard_input_is_not_read_when_it_is_the_archive),
        cmocka_unit_test(test_a_command_gives_its_output),
        cmocka_unit_test(test_a_command_that_fails_gives_nothing),
        cmocka_unit_test(test_the_command_is_not_repeated_in_messages),
        cmocka_unit_test(test_two_sources_at_once_are_refused),
        cmocka_unit_test(test_an_option_goes_before_a_variable),
        cmocka_unit_test(test_a_variable_is_wiped_once_read),
        cmocka_unit_test(test_what_is_not_asked_for_is_forgotten),
        cmocka_unit_test(test_variables_name_files_and_commands),
        cmocka_unit_test(test_a_new_passphrase_is_asked_for_twice),
        cmocka_unit_test(test_no_source_names_those_tried),
        cmocka_unit_test(test_strength_tells_weak_from_strong),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
