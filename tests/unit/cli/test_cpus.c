#include "cli/cpus.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* A root of its own for each test, with what the kernel would show in /proc and /sys.
 */
struct world {
    char root[64];
};

static int make(void **state)
{
    static struct world w;
    strcpy(w.root, "/tmp/test_cpus.XXXXXX");
    *state = &w;
    return mkdtemp(w.root) != NULL ? 0 : -1;
}

static int unmake(void **state)
{
    struct world *w = *state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", w->root);
    return system(command);
}

static void put(const struct world *w, const char *path, const char *text)
{
    char full[512];
    snprintf(full, sizeof full, "%s%s", w->root, path);
    for (char *p = full + 1; (p = strchr(p, '/')) != NULL; p++) {
        *p = '\0';
        mkdir(full, 0755);
        *p = '/';
    }
    FILE *f = fopen(full, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

/* What affinity alone gives. */
static unsigned most(void)
{
    return cpus_usable("/nonexistent");
}

static void test_without_control_groups_affinity_decides(void **state)
{
    const struct world *w = *state;
    cpu_set_t before, one;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    assert_in_range(cpus_usable(w->root), 1, CPUS_DEFAULT_MAX);

    CPU_ZERO(&one);
    for (size_t i = 0; i < CPU_SETSIZE; i++) {
        if (CPU_ISSET(i, &before)) {
            CPU_SET(i, &one);
            break;
        }
    }
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    unsigned n = cpus_usable(w->root);
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
    assert_int_equal(n, 1);
}

static void test_a_quota_of_our_group_counts(void **state)
{
    const struct world *w = *state;
    put(w, "/proc/self/cgroup", "0::/a/b\n");
    put(w, "/sys/fs/cgroup/a/b/cpu.max", "100000 100000\n");
    assert_int_equal(cpus_usable(w->root), 1);
}

static void test_a_quota_above_our_group_counts(void **state)
{
    const struct world *w = *state;
    put(w, "/proc/self/cgroup", "0::/a/b\n");
    put(w, "/sys/fs/cgroup/a/b/cpu.max", "6400000 100000\n");
    put(w, "/sys/fs/cgroup/a/cpu.max", "50000 100000\n");
    assert_int_equal(cpus_usable(w->root), 1);
}

static void test_a_part_of_a_cpu_is_rounded_up(void **state)
{
    const struct world *w = *state;
    if (most() < 2) {
        print_message("skipped: one CPU only\n");
        skip();
    }
    put(w, "/proc/self/cgroup", "0::/\n");
    put(w, "/sys/fs/cgroup/cpu.max", "110000 100000\n");
    assert_int_equal(cpus_usable(w->root), 2);
}

static void test_no_quota_is_no_limit(void **state)
{
    const struct world *w = *state;
    put(w, "/proc/self/cgroup", "4:cpu,cpuacct:/x\n0::/a\n");
    put(w, "/sys/fs/cgroup/a/cpu.max", "max 100000\n");
    put(w, "/sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_quota_us", "-1\n");
    put(w, "/sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_period_us", "100000\n");
    assert_int_equal(cpus_usable(w->root), most());
}

static void test_a_version_1_quota_counts_also_at_the_mount(void **state)
{
    const struct world *w = *state;
    /* In a container: the path is the host's, our own group is the mount itself. */
    put(w, "/proc/self/cgroup", "9:cpuset:/z\n4:cpu,cpuacct:/docker/0123\n");
    put(w, "/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "20000\n");
    put(w, "/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    assert_int_equal(cpus_usable(w->root), 1);
}

static void test_nonsense_in_the_files_is_no_limit(void **state)
{
    const struct world *w = *state;
    put(w, "/proc/self/cgroup", "\n:::\n0\n0::/../../etc\n3:cpu\n");
    put(w, "/sys/fs/cgroup/cpu.max", "many\n");
    assert_int_equal(cpus_usable(w->root), most());
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, make, unmake)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_without_control_groups_affinity_decides),
        TEST(test_a_quota_of_our_group_counts),
        TEST(test_a_quota_above_our_group_counts),
        TEST(test_a_part_of_a_cpu_is_rounded_up),
        TEST(test_no_quota_is_no_limit),
        TEST(test_a_version_1_quota_counts_also_at_the_mount),
        TEST(test_nonsense_in_the_files_is_no_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
