/* What pg_control says is what pg_controldata says; what is none is not taken for one.
 */
#include <glob.h>
#include <grp.h>
#include <sys/wait.h>
#include <time.h>

#include "pmm/control.h"
#include "pmmworld.h"

static void test_names_of_clusters_are_postgres_and_digits(void **state)
{
    (void)state;
    static const char *const yes[] = {"postgres", "postgres11", "postgres14",
                                      "postgres18"};
    static const char *const no[] = {"",           "Postgres14",  "postgres14.old",
                                     "postgresql", "postgres 14", "postgres-14",
                                     "postgre",    "xpostgres14", "postgres14/"};
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
        assert_true(control_cluster_name(yes[i]));
    for (size_t i = 0; i < sizeof no / sizeof *no; i++)
        assert_false(control_cluster_name(no[i]));
}

static void test_the_major_version_is_the_first_number_of_pg_version(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *text;
        uint32_t major;
    } cases[] = {{"14\n", 14}, {"18", 18},   {"9.6\n", 9},    {"11\r\n", 11},
                 {"", 0},      {"\n", 0},    {"fourteen", 0}, {"14x\n", 0},
                 {"-14\n", 0}, {"99999", 0}, {"0\n", 0},      {"14\n15\n", 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = {0};
        uint32_t major = 77;
        put("postgres/PG_VERSION", cases[i].text);
        assert_int_equal(control_major(w->root, "postgres", &major, &err), 1);
        assert_int_equal(major, cases[i].major);
    }
}

static void test_no_pg_version_is_told_from_an_unusable_one(void **state)
{
    struct world *w = *state;
    struct err err = {0};
    uint32_t major = 77;
    assert_int_equal(control_major(w->root, "postgres", &major, &err), 0);
    dir("postgres");
    assert_int_equal(control_major(w->root, "postgres", &major, &err), 0);
    put("version", "14\n");
    link_to("../version", "postgres/PG_VERSION");
    assert_int_equal(control_major(w->root, "postgres", &major, &err), 1);
    assert_int_equal(major, 0);
    fifo("postgres14/PG_VERSION");
    major = 77;
    assert_int_equal(control_major(w->root, "postgres14", &major, &err), 1);
    assert_int_equal(major, 0);
}

static void test_the_fields_of_pg_control_are_read(void **state)
{
    struct world *w = *state;
    struct err err = {0};
    struct control c;
    put_control("postgres18", 7123456789012345678u, 1800, CONTROL_PRODUCTION,
                1790000000);
    assert_int_equal(control_read(w->root, "postgres18", &c, &err), 1);
    assert_true(c.system_id == 7123456789012345678u);
    assert_int_equal(c.version, 1800);
    assert_int_equal(c.state, CONTROL_PRODUCTION);
    assert_int_equal(c.time, 1790000000);
    uint8_t raw[CONTROL_BYTES];
    int fd = open("postgres18/global/pg_control", O_RDONLY);
    assert_int_equal(read(fd, raw, sizeof raw), sizeof raw);
    close(fd);
    assert_memory_equal(c.raw, raw, sizeof raw);
}

static void test_what_is_no_pg_control_is_not_taken_for_one(void **state)
{
    struct world *w = *state;
    struct err err = {0};
    struct control c;
    assert_int_equal(control_read(w->root, "postgres", &c, &err), 0);
    put("postgres/global/pg_control", "");
    assert_int_equal(control_read(w->root, "postgres", &c, &err), 0);
    put_control("postgres", 1, 1300, 1, 1);
    assert_int_equal(truncate("postgres/global/pg_control", CONTROL_BYTES - 1), 0);
    assert_int_equal(control_read(w->root, "postgres", &c, &err), 0);
    put_control("postgres", 1, 0x14050000, 1, 1); /* 1300 in the other byte order */
    assert_int_equal(control_read(w->root, "postgres", &c, &err), 0);
    put_control("postgres", 1, 0, 1, 1);
    assert_int_equal(control_read(w->root, "postgres", &c, &err), 0);
}

static void test_no_symlink_is_followed_and_no_fifo_waited_for(void **state)
{
    struct world *w = *state;
    struct err err = {0};
    struct control c;
    put_control("elsewhere", 1, 1300, 1, 1);
    assert_int_equal(control_read(w->root, "elsewhere", &c, &err), 1);
    link_to("elsewhere", "postgres");
    assert_int_equal(control_read(w->root, "postgres", &c, &err), 0);
    link_to("../elsewhere/global", "postgres11/global");
    assert_int_equal(control_read(w->root, "postgres11", &c, &err), 0);
    link_to("../../elsewhere/global/pg_control", "postgres14/global/pg_control");
    assert_int_equal(control_read(w->root, "postgres14", &c, &err), 0);
    fifo("postgres18/global/pg_control");
    assert_int_equal(control_read(w->root, "postgres18", &c, &err), 0);
    dir("postgres19/global/pg_control");
    assert_int_equal(control_read(w->root, "postgres19", &c, &err), 0);
}

static void test_a_pg_control_that_may_not_be_read_is_an_error(void **state)
{
    struct world *w = *state;
    struct err err = {0};
    struct control c;
    if (geteuid() != 0) {
        print_message("skipped: only root can become another user\n");
        skip();
    }
    put_control("postgres14", 1, 1300, 1, 1);
    assert_int_equal(chmod("postgres14", 0700), 0);
    assert_int_equal(seteuid(65534), 0);
    int r = control_read(w->root, "postgres14", &c, &err);
    assert_int_equal(seteuid(0), 0);
    assert_int_equal(r, -1);
    assert_int_equal(err.cls, ERR_FAIL);
    assert_int_equal(err.sys, EACCES);
}

/* Run a program of PostgreSQL, not as root, and keep what it prints. Returns its
 * status. */
static int run(const char *program, const char *pgdir, char *out, size_t cap)
{
    int fds[2], status;
    size_t len = 0;
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    if (pid == 0) {
        if (geteuid() == 0 &&
            (setgroups(0, NULL) != 0 || setgid(1000) != 0 || setuid(1000) != 0))
            _exit(78);
        dup2(fds[1], STDOUT_FILENO);
        dup2(fds[1], STDERR_FILENO);
        setenv("LC_ALL", "C", 1);
        setenv("TZ", "UTC", 1);
        if (strstr(program, "initdb") != NULL)
            execl(program, program, "--no-sync", "-A", "trust", "-U", "postgres", "-D",
                  pgdir, (char *)NULL);
        else
            execl(program, program, "-D", pgdir, (char *)NULL);
        _exit(77);
    }
    close(fds[1]);
    for (ssize_t n; (n = read(fds[0], out + len, cap - 1 - len)) > 0;)
        len += (size_t)n;
    out[len] = '\0';
    close(fds[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static const char *value(const char *text, const char *label)
{
    const char *p = strstr(text, label);
    if (p == NULL)
        fail_msg("pg_controldata does not say \"%s\"", label);
    p += strlen(label);
    return p + strspn(p, " ");
}

static void test_a_cluster_of_initdb_reads_as_pg_controldata_says(void **state)
{
    struct world *w = *state;
    static char out[65536];
    char initdb[256], controldata[256];
    glob_t g;
    if (glob("/usr/lib/postgresql/*/bin/initdb", 0, NULL, &g) != 0) {
        print_message("skipped: no initdb here\n");
        skip();
    }
    snprintf(initdb, sizeof initdb, "%s", g.gl_pathv[g.gl_pathc - 1]);
    globfree(&g);
    snprintf(controldata, sizeof controldata, "%.*s/pg_controldata",
             (int)(strrchr(initdb, '/') - initdb), initdb);
    dir("postgres15");
    if (geteuid() == 0) {
        assert_int_equal(chmod(".", 0711), 0);
        assert_int_equal(chown("postgres15", 1000, 1000), 0);
    }
    if (run(initdb, "postgres15", out, sizeof out) != 0 ||
        run(controldata, "postgres15", out, sizeof out) != 0)
        fail_msg("%s", out);

    struct err err = {0};
    struct control c;
    uint32_t major = 0;
    struct tm tm = {0};
    assert_int_equal(control_read(w->root, "postgres15", &c, &err), 1);
    assert_true(c.system_id ==
                strtoull(value(out, "Database system identifier:"), NULL, 10));
    assert_int_equal(c.version,
                     strtoul(value(out, "pg_control version number:"), NULL, 10));
    assert_int_equal(c.state, CONTROL_SHUTDOWN);
    assert_int_equal(strncmp(value(out, "Database cluster state:"), "shut down\n", 10),
                     0);
    assert_non_null(strptime(value(out, "pg_control last modified:"), "%c", &tm));
    assert_int_equal(c.time, timegm(&tm));
    assert_int_equal(control_major(w->root, "postgres15", &major, &err), 1);
    assert_in_range(major, 10, 99);
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_names_of_clusters_are_postgres_and_digits),
        T(test_the_major_version_is_the_first_number_of_pg_version),
        T(test_no_pg_version_is_told_from_an_unusable_one),
        T(test_the_fields_of_pg_control_are_read),
        T(test_what_is_no_pg_control_is_not_taken_for_one),
        T(test_no_symlink_is_followed_and_no_fifo_waited_for),
        T(test_a_pg_control_that_may_not_be_read_is_an_error),
        T(test_a_cluster_of_initdb_reads_as_pg_controldata_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
