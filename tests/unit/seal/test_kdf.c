#include "seal/kdf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <ftw.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- a file system of our own, with /proc and /sys in it ---- */

static int set_up(void **state)
{
    const char *tmp = getenv("TMPDIR");
    char *root = NULL;
    if (asprintf(&root, "%s/test-kdf-XXXXXX", tmp != NULL ? tmp : "/tmp") < 0)
        return -1;
    *state = root;
    return mkdtemp(root) != NULL ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int flag,
                      struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

static int tear_down(void **state)
{
    int rc = nftw(*state, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(*state);
    return rc;
}

static void put(const char *root, const char *file, const char *text)
{
    char path[PATH_MAX];
    assert_true(snprintf(path, sizeof path, "%s%s", root, file) < PATH_MAX);
    for (char *p = path + strlen(root) + 1; (p = strchr(p, '/')) != NULL; p++) {
        *p = '\0';
        mkdir(path, 0755);
        *p = '/';
    }
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

#define MEMINFO "/proc/meminfo"
#define SELF    "/proc/self/cgroup"
#define CG      "/sys/fs/cgroup"

static void test_nothing_known_means_no_limit(void **state)
{
    assert_true(kdf_memory_available_kib(*state) == UINT64_MAX);
}

static void test_the_machines_available_memory_counts(void **state)
{
    put(*state, MEMINFO,
        "MemTotal:  999 kB\nMemFree: 1 kB\nMemAvailable:    500000 kB\n");
    assert_true(kdf_memory_available_kib(*state) == 500000);
}

static void test_a_limit_of_version_2_counts(void **state)
{
    put(*state, MEMINFO, "MemAvailable: 500000 kB\n");
    put(*state, SELF, "0::/a/b\n");
    put(*state, CG "/a/b/memory.max", "104857600\n");
    put(*state, CG "/a/b/memory.current", "4857600\n");
    assert_true(kdf_memory_available_kib(*state) == 100000000 / 1024);
}

static void test_the_limit_of_any_group_above_counts(void **state)
{
    put(*state, SELF, "0::/a/b\n");
    put(*state, CG "/a/b/memory.max", "max\n");
    put(*state, CG "/a/b/memory.current", "1\n");
    put(*state, CG "/a/memory.max", "1048576\n");
    put(*state, CG "/a/memory.current", "0\n");
    assert_true(kdf_memory_available_kib(*state) == 1024);
    put(*state, CG "/memory.max", "524288\n");
    put(*state, CG "/memory.current", "0\n");
    assert_true(kdf_memory_available_kib(*state) == 512);
}

static void test_page_cache_that_can_be_dropped_is_available(void **state)
{
    put(*state, SELF, "0::/\n");
    put(*state, CG "/memory.max", "104857600\n");
    put(*state, CG "/memory.current", "104857600\n");
    put(*state, CG "/memory.stat", "anon 5\nactive_file 77\ninactive_file 52428800\n");
    assert_true(kdf_memory_available_kib(*state) == 51200);
}

static void test_a_used_up_group_has_nothing(void **state)
{
    put(*state, SELF, "0::/\n");
    put(*state, CG "/memory.max", "1000\n");
    put(*state, CG "/memory.current", "2000\n");
    assert_true(kdf_memory_available_kib(*state) == 0);
}

static void test_a_limit_of_version_1_counts(void **state)
{
    put(*state, SELF, "9:name=systemd:/x\n4:cpu,memory:/c\n0::/\n");
    put(*state, CG "/memory/c/memory.limit_in_bytes", "209715200\n");
    put(*state, CG "/memory/c/memory.usage_in_bytes", "104857600\n");
    put(*state, CG "/memory/c/memory.stat",
        "inactive_file 1\ntotal_inactive_file 52428800\n");
    assert_true(kdf_memory_available_kib(*state) == 153600);
}

static void test_the_hosts_path_seen_in_a_container_leads_to_the_mount(void **state)
{
    put(*state, SELF, "4:memory:/docker/0123\n0::/docker/0123\n");
    put(*state, CG "/memory/memory.limit_in_bytes", "1048576\n");
    put(*state, CG "/memory/memory.usage_in_bytes", "0\n");
    assert_true(kdf_memory_available_kib(*state) == 1024);
    put(*state, SELF, "0::/../../outside\n");
    put(*state, CG "/memory.max", "2097152\n");
    put(*state, CG "/memory.current", "0\n");
    assert_true(kdf_memory_available_kib(*state) == 2048);
}

static void test_unlimited_and_malformed_files_are_no_limit(void **state)
{
    put(*state, MEMINFO, "MemAvailable: 5000 kB\n");
    put(*state, SELF, "rubbish\n4:memory:/\n0::/\n");
    put(*state, CG "/memory/memory.limit_in_bytes", "9223372036854771712\n");
    put(*state, CG "/memory/memory.usage_in_bytes", "1\n");
    put(*state, CG "/memory.max", "-1\n");
    assert_true(kdf_memory_available_kib(*state) == 5000);
}

static void test_this_machine_has_an_answer(void **state)
{
    (void)state;
    assert_true(kdf_memory_available_kib("") > 0);
}

/* ---- costs ---- */

static void test_levels_are_libsodiums(void **state)
{
    (void)state;
    struct kdf_cost c;
    assert_int_equal(kdf_cost_named("interactive", &c), 0);
    assert_true(c.passes == 2 && c.memory_kib == 65536);
    assert_int_equal(kdf_cost_named("moderate", &c), 0);
    assert_true(c.passes == 3 && c.memory_kib == 262144);
    assert_int_equal(kdf_cost_named("sensitive", &c), 0);
    assert_true(c.passes == 4 && c.memory_kib == 1048576);
    assert_int_equal(kdf_cost_named("weak", &c), -1);
}

static int check(uint32_t passes, uint32_t memory_kib)
{
    struct kdf_limits limits;
    struct err err = {0};
    const struct kdf_cost cost = {passes, memory_kib};
    kdf_limits_default(&limits);
    int rc = kdf_check(&cost, &limits, &err);
    assert_int_equal(err.cls, rc == 0 ? ERR_NONE : ERR_REFUSED);
    return rc;
}

static void test_costs_outside_floor_and_ceiling_are_refused(void **state)
{
    (void)state;
    assert_int_equal(check(2, 65536), 0);
    assert_int_equal(check(1, 65536), -1);
    assert_int_equal(check(2, 65535), -1);
    assert_int_equal(check(0, 0), -1);
    assert_int_equal(check(10, 1048576), 0);
    assert_int_equal(check(11, 1048576), -1);
    assert_int_equal(check(10, 1048577), -1);
    assert_int_equal(check(UINT32_MAX, UINT32_MAX), -1);
}

static void test_a_ceiling_names_its_figures_and_the_way_to_raise_it(void **state)
{
    (void)state;
    struct kdf_limits limits;
    struct err err = {0};
    const struct kdf_cost cost = {4, 2097152};
    kdf_limits_default(&limits);
    assert_int_equal(kdf_check(&cost, &limits, &err), -1);
    assert_non_null(strstr(err.text, "2048 MiB"));
    assert_non_null(strstr(err.text, "1024 MiB"));
    assert_non_null(strstr(err.hint, "--kdf-limit"));
    limits.memory_kib_max = 2097152;
    err = (struct err){0};
    assert_int_equal(kdf_check(&cost, &limits, &err), 0);
}

static void test_derivation_is_argon2id_of_the_library(void **state)
{
    (void)state;
    static const uint8_t salt[KDF_SALT_SIZE] = "0123456789abcde";
    const struct kdf_cost cost = {2, 65536};
    struct err err = {0};
    uint8_t kek[KEK_SIZE], want[KEK_SIZE];
    assert_int_equal(kdf_derive("a\0b", 3, salt, &cost, kek, &err), 0);
    assert_int_equal(crypto_pwhash_argon2id(want, sizeof want, "a\0b", 3, salt, 2,
                                            67108864, crypto_pwhash_ALG_ARGON2ID13),
                     0);
    assert_memory_equal(kek, want, sizeof want);
}

static void test_a_need_beyond_this_machine_is_told_and_not_tried(void **state)
{
    (void)state;
    static const uint8_t salt[KDF_SALT_SIZE];
    const struct kdf_cost cost = {2, UINT32_MAX}; /* 4 TiB */
    struct err err = {0};
    uint8_t kek[KEK_SIZE];
    if (kdf_memory_available_kib("") >= UINT32_MAX) {
        print_message("skipped: this machine has 4 TiB of memory\n");
        skip();
    }
    assert_int_equal(kdf_derive("x", 1, salt, &cost, kek, &err), -1);
    assert_int_equal(err.cls, ERR_FAIL);
    assert_non_null(strstr(err.text, "4194303 MiB"));
    assert_non_null(strstr(err.hint, "--kdf interactive"));
}

#define IN_ROOT(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_ROOT(test_nothing_known_means_no_limit),
        IN_ROOT(test_the_machines_available_memory_counts),
        IN_ROOT(test_a_limit_of_version_2_counts),
        IN_ROOT(test_the_limit_of_any_group_above_counts),
        IN_ROOT(test_page_cache_that_can_be_dropped_is_available),
        IN_ROOT(test_a_used_up_group_has_nothing),
        IN_ROOT(test_a_limit_of_version_1_counts),
        IN_ROOT(test_the_hosts_path_seen_in_a_container_leads_to_the_mount),
        IN_ROOT(test_unlimited_and_malformed_files_are_no_limit),
        cmocka_unit_test(test_this_machine_has_an_answer),
        cmocka_unit_test(test_levels_are_libsodiums),
        cmocka_unit_test(test_costs_outside_floor_and_ceiling_are_refused),
        cmocka_unit_test(test_a_ceiling_names_its_figures_and_the_way_to_raise_it),
        cmocka_unit_test(test_derivation_is_argon2id_of_the_library),
        cmocka_unit_test(test_a_need_beyond_this_machine_is_told_and_not_tried),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
