/* What a confined process may still do, and that a kernel which cannot confine is told.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/confine.h"

#define CREATE_RULESET 444 /* on every architecture but Alpha */

static char top[] = "/tmp/pmm-seal-confine.XXXXXX";

static int landlock(void)
{
    long v = syscall(CREATE_RULESET, NULL, (size_t)0, 1u);
    return v > 0 ? (int)v : 0;
}

static void make_file(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
}

static int make(void **state)
{
    (void)state;
    snprintf(top, sizeof top, "/tmp/pmm-seal-confine.XXXXXX");
    assert_non_null(mkdtemp(top));
    assert_int_equal(chdir(top), 0);
    static const char *const dirs[] = {"in", "in/a", "in/b", "out"};
    for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++)
        assert_int_equal(mkdir(dirs[i], 0700), 0);
    make_file("in/file");
    make_file("out/file");
    return 0;
}

static int clear(void **state)
{
    char command[64];
    (void)state;
    assert_int_equal(chdir("/"), 0);
    snprintf(command, sizeof command, "rm -rf %s", top);
    return system(command);
}

/* In a process of its own, for there is no way back. Its exit status. */
static int in_child(int (*fn)(void))
{
    int status;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(fn());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

static struct confine *new (void)
{
    struct confine *c = NULL;
    struct err err = {0};
    return confine_new(&c, &err) == 0 ? c : NULL;
}

/* 0, or the errno. */
static int opens(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno;
    close(fd);
    return 0;
}

static int runs(const char *program)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        execl(program, program, (char *)NULL);
        _exit(errno == EACCES ? 113 : 1);
    }
    return waitpid(pid, &status, 0) == pid ? WEXITSTATUS(status) : -1;
}

#define CHECK(what)                                                                    \
    do {                                                                               \
        if (!(what)) {                                                                 \
            fprintf(stderr, "not so: %s (errno %d)\n", #what, errno);                  \
            return 1;                                                                  \
        }                                                                              \
    } while (0)

static int read_only(void)
{
    char why[CONFINE_WHY];
    struct confine *c = new ();
    int before = open("out/file", O_RDWR | O_CLOEXEC);
    confine_allow(c, "in", CONFINE_READ);
    confine_allow(c, "nowhere", CONFINE_READ);
    CHECK(confine_enter(c, why));
    CHECK(confine_enter(c, why) && why[0] == '\0');
    CHECK(opens("in/file", O_RDONLY) == 0);
    CHECK(opens("in", O_RDONLY | O_DIRECTORY) == 0);
    CHECK(opens("in/file", O_WRONLY) == EACCES);
    CHECK(opens("in/new", O_WRONLY | O_CREAT) == EACCES);
    CHECK(opens("out/file", O_RDONLY) == EACCES);
    CHECK(opens("/etc/passwd", O_RDONLY) == EACCES);
    CHECK(symlink("x", "in/link") == -1 && errno == EACCES);
    CHECK(mkdir("in/new", 0700) == -1 && errno == EACCES);
    CHECK(unlink("in/file") == -1 && errno == EACCES);
    CHECK(rename("in/file", "in/new") == -1 && errno == EACCES);
    CHECK(runs("/bin/true") == 113);
    CHECK(write(before, "x", 1) == 1);
    CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
    confine_free(c);
    CHECK(opens("/etc/passwd", O_RDONLY) == EACCES);
    return 0;
}

static int files(void)
{
    char why[CONFINE_WHY];
    struct confine *c = new ();
    confine_allow_parent(c, "in/file", CONFINE_FILES);
    CHECK(confine_enter(c, why));
    CHECK(opens("in/new", O_WRONLY | O_CREAT | O_EXCL) == 0);
    CHECK(rename("in/new", "in/file") == 0);
    CHECK(opens("in/file", O_RDWR | O_TRUNC) == 0);
    CHECK(unlink("in/file") == 0);
    CHECK(symlink("x", "in/link") == -1 && errno == EACCES);
    CHECK(mkdir("in/new", 0700) == -1 && errno == EACCES);
    CHECK(rmdir("in/a") == -1 && errno == EACCES);
    CHECK(opens("out/file", O_WRONLY) == EACCES);
    CHECK(opens("out/new", O_WRONLY | O_CREAT) == EACCES);
    return 0;
}

static int trees(void)
{
    char why[CONFINE_WHY];
    struct confine *c = new ();
    int fd = open("in", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    confine_allow_fd(c, fd, CONFINE_TREES);
    CHECK(rename("in", "moved") == 0); /* it is the directory, not its name */
    CHECK(confine_enter(c, why));
    CHECK(opens("moved/a/file", O_WRONLY | O_CREAT) == 0);
    CHECK(rename("moved/a/file", "moved/b/file") == 0);
    CHECK(link("moved/b/file", "moved/a/link") == 0);
    CHECK(symlink("x", "moved/sym") == 0);
    CHECK(mkfifo("moved/fifo", 0600) == 0);
    CHECK(rename("moved/a", "moved/b/a") == 0);
    CHECK(rename("moved/b/file", "out/file") == -1);
    CHECK(link("out/file", "moved/stolen") == -1);
    CHECK(mkdir("new", 0700) == -1 && errno == EACCES);
    CHECK(runs("/bin/true") == 113);
    return 0;
}

static int everywhere(void)
{
    char why[CONFINE_WHY];
    struct confine *c = new ();
    confine_allow(c, "/", CONFINE_TREES);
    CHECK(!confine_enter(c, why) && why[0] != '\0');
    CHECK(opens("out/new", O_WRONLY | O_CREAT) == 0);
    CHECK(runs("/bin/true") == 113);
    return 0;
}

static int signals(void)
{
    char why[CONFINE_WHY];
    struct confine *c = new ();
    CHECK(kill(getppid(), 0) == 0);
    CHECK(confine_enter(c, why));
    CHECK(kill(getpid(), 0) == 0);
    CHECK(kill(getppid(), 0) == -1 && errno == EPERM);
    return 0;
}

static int signals_allowed(void)
{
    char why[CONFINE_WHY];
    struct confine *c = new ();
    confine_allow_signals(c);
    CHECK(confine_enter(c, why));
    CHECK(kill(getppid(), 0) == 0);
    return 0;
}

static int no_tcp(void)
{
    char why[CONFINE_WHY];
    struct confine *c = new ();
    const struct sockaddr any = {.sa_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(confine_enter(c, why));
    CHECK(fd < 0 || (bind(fd, &any, 16) == -1 && errno == EACCES));
    return 0;
}

/* Answers the calls of Landlock as `data` says; the environment has the errno. */
static int filtered(int e)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, CREATE_RULESET, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)e),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {.len = sizeof code / sizeof *code,
                                       .filter = code};
    char why[CONFINE_WHY];
    struct confine *c = new ();
    CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0);
    CHECK(!confine_enter(c, why) && why[0] != '\0');
    CHECK(!confine_enter(c, why) && why[0] != '\0');
    CHECK(opens("out/new", O_WRONLY | O_CREAT) == 0);
    return 0;
}

static int no_landlock(void)
{
    return filtered(ENOSYS);
}

static int not_permitted(void)
{
    return filtered(EPERM);
}

static int switched_off(void)
{
    return filtered(EOPNOTSUPP);
}

static void needs(int version)
{
    if (landlock() < version) {
        print_message("Landlock %d is needed, this kernel has %d\n", version,
                      landlock());
        skip();
    }
}

static void test_what_may_be_read_cannot_be_written_and_nothing_else_be_opened(void **s)
{
    (void)s;
    needs(1);
    assert_int_equal(in_child(read_only), 0);
}

static void test_files_may_be_replaced_but_nothing_else_be_made(void **s)
{
    (void)s;
    needs(3);
    assert_int_equal(in_child(files), 0);
}

static void test_a_tree_may_be_made_and_moved_within_its_directory_only(void **s)
{
    (void)s;
    needs(2);
    assert_int_equal(in_child(trees), 0);
}

static void test_to_write_in_the_root_is_told_as_not_confined(void **s)
{
    (void)s;
    needs(2);
    assert_int_equal(in_child(everywhere), 0);
}

static void test_no_signal_reaches_another_process_unless_allowed(void **s)
{
    (void)s;
    needs(6);
    assert_int_equal(in_child(signals), 0);
    assert_int_equal(in_child(signals_allowed), 0);
}

static void test_no_port_is_bound(void **s)
{
    (void)s;
    needs(4);
    assert_int_equal(in_child(no_tcp), 0);
}

static void test_a_kernel_that_cannot_confine_is_told_and_all_goes_on(void **s)
{
    (void)s;
    assert_int_equal(in_child(no_landlock), 0);
    assert_int_equal(in_child(not_permitted), 0);
    assert_int_equal(in_child(switched_off), 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, make, clear)
    const struct CMUnitTest tests[] = {
        T(test_what_may_be_read_cannot_be_written_and_nothing_else_be_opened),
        T(test_files_may_be_replaced_but_nothing_else_be_made),
        T(test_a_tree_may_be_made_and_moved_within_its_directory_only),
        T(test_to_write_in_the_root_is_told_as_not_confined),
        T(test_no_signal_reaches_another_process_unless_allowed),
        T(test_no_port_is_bound),
        T(test_a_kernel_that_cannot_confine_is_told_and_all_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
