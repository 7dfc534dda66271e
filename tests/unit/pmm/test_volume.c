/* What a PMM volume is, told from its files; what is missing in one is said. */
#include "pmm/volume.h"
#include "pmmworld.h"

static struct volume_facts look(struct world *w)
{
    struct volume_facts v;
    struct err err = {0};
    memset(&v, 0x5a, sizeof v);
    if (volume_look(w->root, &v, &err) != 0)
        fail_msg("%s", err.text);
    return v;
}

static void is_line(const struct volume_facts *v, const char *expected)
{
    char line[VOLUME_LINE];
    assert_string_equal(volume_line(v, line, sizeof line), expected);
}

static void test_plain_files_are_no_pmm_volume(void **state)
{
    struct world *w = *state;
    const struct volume_facts none = {0};
    put("README", "hello\n");
    dir("grafana/plugins");
    put("pmm-encryption.key", "key");
    struct volume_facts v = look(w);
    assert_memory_equal(&v, &none, sizeof v);
    is_line(&v, "plain files, no PMM volume");
}

static void test_a_cluster_alone_or_a_store_alone_is_no_pmm_volume(void **state)
{
    struct world *w = *state;
    cluster("postgres14", "14\n", 5, 10);
    assert_false(look(w).pmm);
    assert_int_equal(rename("postgres14", "pg"), 0);
    dir("victoriametrics/data");
    dir("clickhouse");
    assert_false(look(w).pmm);
    assert_int_equal(rename("pg", "postgres14"), 0);
    assert_true(look(w).pmm);
}

static void test_each_sign_of_a_pmm_volume_suffices(void **state)
{
    struct world *w = *state;
    put("pmm-distribution", "docker\n");
    assert_true(look(w).pmm);
    assert_int_equal(unlink("pmm-distribution"), 0);
    assert_false(look(w).pmm);
    put("grafana/PERCONA_DASHBOARDS_VERSION", "2.10.0\n");
    assert_true(look(w).pmm);
    assert_int_equal(unlink("grafana/PERCONA_DASHBOARDS_VERSION"), 0);
    cluster("postgres", "11\n", 5, 10);
    dir("prometheus/data");
    assert_true(look(w).pmm);
}

static void test_pmm_2_44_is_described(void **state)
{
    struct world *w = *state;
    put("pmm-distribution", "docker");
    put("grafana/PERCONA_DASHBOARDS_VERSION", "2.44.1\n");
    cluster("postgres14", "14\n", 7000000000000000001u, 10);
    dir("victoriametrics/data/data/small");
    dir("clickhouse");
    put("nginx/certificate.key", "key");
    struct volume_facts v = look(w);
    is_line(&v, "PMM 2.44.1 (docker), PostgreSQL 14, VictoriaMetrics, ClickHouse");
    assert_string_equal(v.pgdir, "postgres14");
    assert_true(v.system_id == 7000000000000000001u);
    assert_false(v.vm_partition_index);
    assert_false(v.encryption_key);
    assert_false(v.postgres_password);
    assert_true(v.certificate_key);
    assert_int_equal(volume_major(&v), 2);
}

static void test_pmm_3_10_is_described(void **state)
{
    struct world *w = *state;
    put("pmm-distribution", "ovf\n");
    put("grafana/PERCONA_DASHBOARDS_VERSION", "3.10.0\n");
    cluster("postgres18", "18\n", 18, 20);
    cluster("postgres14.old", "14\n", 14, 10);
    dir("victoriametrics/data/data/indexdb");
    dir("clickhouse");
    put("pmm-encryption.key", "key");
    put(".postgres_password", "secret");
    struct volume_facts v = look(w);
    is_line(&v, "PMM 3.10.0 (ovf), PostgreSQL 18, VictoriaMetrics, ClickHouse");
    assert_string_equal(v.pgdir, "postgres18");
    assert_int_equal(v.system_id, 18);
    assert_true(v.vm_partition_index);
    assert_true(v.encryption_key);
    assert_true(v.postgres_password);
    assert_int_equal(volume_major(&v), 3);
}

static void test_of_several_clusters_the_one_last_in_use_counts(void **state)
{
    struct world *w = *state;
    put("pmm-distribution", "docker\n");
    cluster("postgres14", "14\n", 14, 100);
    cluster("postgres18", "18\n", 18, 200);
    cluster("postgres", "11\n", 11, 50);
    assert_string_equal(look(w).pgdir, "postgres18");
    put_control("postgres14", 14, 1300, 6, 300);
    assert_string_equal(look(w).pgdir, "postgres14");
    put_control("postgres18", 18, 1800, 1, 300);
    assert_string_equal(look(w).pgdir, "postgres18");
}

static void test_half_a_cluster_does_not_count(void **state)
{
    struct world *w = *state;
    put("pmm-distribution", "docker\n");
    cluster("postgres14", "14\n", 14, 100);
    put("postgres18/PG_VERSION", "18\n");
    put_control("postgres19", 19, 1900, 1, 200);
    cluster("postgres20", "twenty\n", 20, 300);
    cluster("postgres18.new", "18\n", 18, 400);
    struct volume_facts v = look(w);
    assert_string_equal(v.pgdir, "postgres14");
    assert_int_equal(v.pg_version, 14);
}

static void test_an_unusable_pg_control_leaves_the_identity_unknown(void **state)
{
    struct world *w = *state;
    put("pmm-distribution", "docker\n");
    put("postgres18/PG_VERSION", "18\n");
    put("postgres18/global/pg_control", "garbage");
    struct volume_facts v = look(w);
    assert_string_equal(v.pgdir, "postgres18");
    assert_int_equal(v.system_id, 0);
    cluster("postgres14", "14\n", 14, 100);
    assert_string_equal(look(w).pgdir, "postgres14");
}

static void test_hostile_things_in_the_place_of_files_leave_fields_unknown(void **state)
{
    struct world *w = *state;
    put("pmm-distribution", "docker\x1b[2J\n");
    put("secret", "3.0.0\n");
    link_to("../secret", "grafana/PERCONA_DASHBOARDS_VERSION");
    cluster("elsewhere", "14\n", 14, 100);
    link_to("elsewhere", "postgres14");
    cluster("postgres15", "15\n", 15, 100);
    assert_int_equal(unlink("postgres15/PG_VERSION"), 0);
    fifo("postgres15/PG_VERSION");
    cluster("postgres16", "16\n", 16, 100);
    assert_int_equal(unlink("postgres16/global/pg_control"), 0);
    fifo("postgres16/global/pg_control");
    link_to("elsewhere", "clickhouse");
    link_to("secret", "pmm-encryption.key");
    fifo(".postgres_password");
    struct volume_facts v = look(w);
    assert_true(v.pmm);
    assert_string_equal(v.distribution, "");
    assert_string_equal(v.version, "");
    assert_string_equal(v.pgdir, "");
    assert_false(v.clickhouse);
    assert_false(v.encryption_key);
    assert_false(v.postgres_password);
    is_line(&v, "PMM of unknown version");
}

static void test_texts_are_trimmed_cut_and_printable(void **state)
{
    struct world *w = *state;
    char longest[400];
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    put("pmm-distribution", longest);
    put("grafana/PERCONA_DASHBOARDS_VERSION", " \t3.2.0-rc \r\nmore\n");
    struct volume_facts v = look(w);
    assert_int_equal(strlen(v.distribution), VOLUME_TEXT - 1);
    assert_string_equal(v.version, "3.2.0-rc");
    put("pmm-distribution", "d\xc3\xb6\n");
    put_bytes("grafana/PERCONA_DASHBOARDS_VERSION", "3.2\0.0\n", 7);
    v = look(w);
    assert_string_equal(v.distribution, "");
    assert_string_equal(v.version, "");
    put("pmm-distribution", "\n");
    put("grafana/PERCONA_DASHBOARDS_VERSION", "latest\n");
    v = look(w);
    assert_true(v.pmm);
    assert_string_equal(v.distribution, "");
    assert_string_equal(v.version, "");
}

static void test_an_empty_key_or_password_is_none(void **state)
{
    struct world *w = *state;
    put("pmm-distribution", "docker\n");
    put("pmm-encryption.key", "");
    put(".postgres_password", "");
    put("nginx/certificate.key", "");
    struct volume_facts v = look(w);
    assert_false(v.encryption_key);
    assert_false(v.postgres_password);
    assert_false(v.certificate_key);
}

static void test_what_may_not_be_read_is_an_error_and_not_an_absence(void **state)
{
    struct world *w = *state;
    struct volume_facts v;
    struct err err = {0};
    if (geteuid() != 0) {
        print_message("skipped: only root can become another user\n");
        skip();
    }
    assert_int_equal(chmod(".", 0755), 0);
    put("pmm-distribution", "docker\n");
    cluster("postgres14", "14\n", 14, 100);
    assert_int_equal(chmod("postgres14", 0700), 0);
    assert_int_equal(seteuid(65534), 0);
    int r = volume_look(w->root, &v, &err);
    assert_int_equal(seteuid(0), 0);
    assert_int_equal(r, -1);
    assert_int_equal(err.cls, ERR_FAIL);
    assert_non_null(strstr(err.text, "postgres14"));
    assert_true(err.hint[0] != '\0');
}

static void test_the_line_is_cut_to_its_room(void **state)
{
    (void)state;
    struct volume_facts v = {.pmm = true, .pg_version = 14, .clickhouse = true};
    char b[16];
    memset(b, 'x', sizeof b);
    assert_string_equal(volume_line(&v, b, 8), "PMM of ");
    assert_int_equal(b[8], 'x');
    assert_ptr_equal(volume_line(&v, b, 0), b);
}

static void test_the_major_version_without_a_version_is_told_by_the_key(void **state)
{
    (void)state;
    struct volume_facts v = {.pmm = true};
    assert_int_equal(volume_major(&v), 0);
    v.encryption_key = true;
    assert_int_equal(volume_major(&v), 3);
    strcpy(v.version, "2.44.1");
    assert_int_equal(volume_major(&v), 2);
}

static void test_versions_compare_by_their_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        int cmp;
    } cases[] = {{"3.9.1", "3.10.0", -1},
                 {"2.44.1", "2.44", 1},
                 {"2.44.0", "2.44", 0},
                 {"3.0.0-rc1", "3.0.0", 0},
                 {"3.1.0-1", "3.0.9", 1},
                 {"2.9", "2.30", -1},
                 {"", "3.0", 0},
                 {"3.0", "", 0},
                 {"unknown", "1", 0},
                 {"99999999999.1", "3", 1},
                 {"3.", "3", 0},
                 {"3.10", "3.7", 1},
                 {"99999999999", "99999999998", 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(volume_version_cmp(cases[i].a, cases[i].b), cases[i].cmp);
        assert_int_equal(volume_version_cmp(cases[i].b, cases[i].a), -cases[i].cmp);
    }
}

static void collect(void *ctx, enum notice_level level, const char *id,
                    const char *path, const char *text)
{
    char *all = ctx;
    (void)path;
    assert_int_equal(level, NOTICE_WARNING);
    assert_true(text[0] != '\0' && text[strlen(text) - 1] != '.');
    strcat(strcat(all, id), " ");
}

static void warns(struct world *w, const struct volume_facts *v, bool key_added,
                  const char *expected)
{
    char all[512] = "";
    struct notice_sink sink = {.fn = collect, .ctx = all};
    struct err err = {0};
    assert_int_equal(volume_complete(w->root, v, key_added, &sink, &err), 0);
    assert_string_equal(all, expected);
}

static void test_a_missing_key_is_told_for_pmm_3_only(void **state)
{
    struct world *w = *state;
    struct volume_facts v = {.pmm = true, .version = "3.1.0", .pgdir = "postgres14"};
    warns(w, &v, false, "key-missing ");
    warns(w, &v, true, "");
    v.encryption_key = true;
    warns(w, &v, false, "");
    v.encryption_key = false;
    strcpy(v.version, "2.44.1");
    warns(w, &v, false, "");
    v.version[0] = '\0';
    warns(w, &v, false, "");
}

static void test_a_missing_password_is_told_from_pmm_3_7_on(void **state)
{
    struct world *w = *state;
    struct volume_facts v = {
        .pmm = true, .version = "3.7.0", .pgdir = "postgres14", .encryption_key = true};
    warns(w, &v, false, "password-missing ");
    strcpy(v.version, "3.10.1");
    warns(w, &v, false, "password-missing ");
    v.postgres_password = true;
    warns(w, &v, false, "");
    v.postgres_password = false;
    strcpy(v.version, "3.6.0");
    warns(w, &v, false, "");
    v.version[0] = '\0';
    warns(w, &v, false, "");
}

static void test_a_pmm_volume_without_a_cluster_is_told(void **state)
{
    struct world *w = *state;
    struct volume_facts v = {.pmm = true, .version = "3.9.0", .encryption_key = true};
    warns(w, &v, false, "database-external ");
    v = (struct volume_facts){.pmm = false};
    warns(w, &v, false, "");
}

static void test_an_unfinished_restore_of_victoriametrics_is_told(void **state)
{
    struct world *w = *state;
    struct volume_facts v = {.pmm = true, .version = "2.41.0", .pgdir = "postgres14"};
    dir("victoriametrics/data");
    warns(w, &v, false, "");
    put("victoriametrics/data/restore-in-progress", "");
    warns(w, &v, false, "vm-restore-unfinished ");
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_plain_files_are_no_pmm_volume),
        T(test_a_cluster_alone_or_a_store_alone_is_no_pmm_volume),
        T(test_each_sign_of_a_pmm_volume_suffices),
        T(test_pmm_2_44_is_described),
        T(test_pmm_3_10_is_described),
        T(test_of_several_clusters_the_one_last_in_use_counts),
        T(test_half_a_cluster_does_not_count),
        T(test_an_unusable_pg_control_leaves_the_identity_unknown),
        T(test_hostile_things_in_the_place_of_files_leave_fields_unknown),
        T(test_texts_are_trimmed_cut_and_printable),
        T(test_an_empty_key_or_password_is_none),
        T(test_what_may_not_be_read_is_an_error_and_not_an_absence),
        T(test_the_line_is_cut_to_its_room),
        T(test_the_major_version_without_a_version_is_told_by_the_key),
        T(test_versions_compare_by_their_numbers),
        T(test_a_missing_key_is_told_for_pmm_3_only),
        T(test_a_missing_password_is_told_from_pmm_3_7_on),
        T(test_a_pmm_volume_without_a_cluster_is_told),
        T(test_an_unfinished_restore_of_victoriametrics_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
