/* What goes and what stays, for the layouts that PMM has had. */
#include "excludesworld.h"

/* What no volume may lose. */
static void the_rest_stays(const struct globset *g)
{
    stays(g,
          EACH("pmm-distribution", "pmm-encryption.key", "pmm-encryption_old.key",
               ".postgres_password", "nginx/certificate.key", "nginx/certificate.crt",
               "nginx/dhparam.pem", "prometheus/rules/pmm.rules.yml",
               "prometheus/prometheus.base.yml", "alerting/templates/a.yml",
               "alertmanager/data/nflog", "alertmanager/alertmanager.base.yml",
               "grafana/plugins/mine/module.js", "grafana/grafana.db",
               "grafana/PERCONA_DASHBOARDS_VERSION", "my/logs/a", "my/dump/b",
               "my/lost+found/", "my/pmm-update.json", "my/postgres11/PG_VERSION",
               "nomad/data/x", "pmm-agent/config/pmm-agent.yaml"));
    stays(g, EACH("logs/", "dump/", "backup/", "backups/", "ha/", "pmm-agent/tmp/",
                  "nginx/tmp/", "grafana/png/", "grafana/csv/", "grafana/pdf/",
                  "victoriametrics/data/cache/", "victoriametrics/data/tmp/",
                  "victoriametrics/data/snapshots/",
                  "victoriametrics/data/data/small/snapshots/",
                  "victoriametrics/data/data/indexdb/snapshots/",
                  "victoriametrics/data/indexdb/snapshots/", "clickhouse/tmp/",
                  "clickhouse/shadow/", "clickhouse/preprocessed_configs/"));
    goes(g, EACH("logs/pmm-managed.log", "logs/old/a", "dump/1.tar.gz",
                 "backup/grafana/grafana.db", "backups/1/x", "ha/raft.db",
                 "pmm-agent/tmp/x", "nginx/tmp/body/1", "grafana/png/a.png",
                 "grafana/csv/a.csv", "grafana/pdf/a.pdf", "pmm-update.json",
                 "lost+found/"));
    stays(g, EACH("victoriametrics/data/data/small/2026_11/1_1_20261124_A/values.bin",
                  "victoriametrics/data/data/big/2026_11/parts.json",
                  "victoriametrics/data/data/small/2026_11/tmp/000A/index.bin",
                  "victoriametrics/data/data/small/2026_11/txn/000A",
                  "victoriametrics/data/indexdb/17A4/tmp/000B/index.bin",
                  "victoriametrics/data/indexdb/17A4/txn/000B",
                  "victoriametrics/data/indexdb/17A4/tmp/",
                  "victoriametrics/data/indexdb/17A4/txn/",
                  "victoriametrics/data/data/indexdb/2026_11/17A4/index.bin",
                  "victoriametrics/data/metadata/minTimestampForCompositeIndex",
                  "victoriametrics/data/restore-in-progress"));
    goes(g,
         EACH("victoriametrics/data/cache/curr_hour_metric_ids",
              "victoriametrics/data/tmp/searchResults/1",
              "victoriametrics/data/snapshots/20261124-18/metadata/x",
              "victoriametrics/data/data/small/snapshots/20261124-18/2026_11/x",
              "victoriametrics/data/data/big/snapshots/20261124-18/2026_11/x",
              "victoriametrics/data/data/indexdb/snapshots/20261124-18/x",
              "victoriametrics/data/indexdb/snapshots/20261124-18/x",
              "victoriametrics/data/flock.lock", "victoriametrics/data/data/flock.lock",
              "victoriametrics/data/indexdb/17A4/flock.lock",
              "victoriametrics/data/.vm_app_running"));
    stays(g, EACH("clickhouse/metadata/system.sql", "clickhouse/metadata/system",
                  "clickhouse/metadata/pmm.sql", "clickhouse/metadata/pmm",
                  "clickhouse/data/pmm/metrics", "clickhouse/access/users.list",
                  "clickhouse/user_files/a", "clickhouse/uuid"));
    goes(g, EACH("clickhouse/tmp/x", "clickhouse/shadow/bk_1/store/x",
                 "clickhouse/preprocessed_configs/config.xml", "clickhouse/status",
                 "clickhouse/clickhouse-server.pid"));
}

/* The cluster in use is whole but for what PostgreSQL makes anew. */
static void cluster_in_use(const struct globset *g, const char *pgdir)
{
    static const char *const kept[] = {"PG_VERSION",
                                       "global/pg_control",
                                       "base/16384/1259",
                                       "pg_wal/0000000100000000",
                                       "pg_xact/0000",
                                       "pg_multixact/members/0000",
                                       "pg_twophase/x",
                                       "pg_stat/x",
                                       "pg_logical/mappings/x",
                                       "postgresql.conf",
                                       "pg_hba.conf",
                                       "backup_label",
                                       "pg_commit_ts/0000",
                                       "pg_tblspc/",
                                       "pg_dynshmem/",
                                       "pg_notify/",
                                       "pg_replslot/",
                                       "pg_serial/",
                                       "pg_snapshots/",
                                       "pg_stat_tmp/",
                                       "pg_subtrans/",
                                       "base/pgsql_tmp/",
                                       ""};
    static const char *const volatile_[] = {
        "postmaster.pid",
        "postmaster.opts",
        "pg_dynshmem/mmap.1",
        "pg_notify/0000",
        "pg_replslot/s/state",
        "pg_serial/0000",
        "pg_snapshots/1",
        "pg_stat_tmp/x",
        "pg_subtrans/0000",
        "base/pgsql_tmp/pgsql_tmp1.0",
        "pg_tblspc/16400/PG_14_202107181/pgsql_tmp/x",
        "global/pg_internal.init",
        "base/16384/pg_internal.init"};
    char path[256];
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        snprintf(path, sizeof path, "%s/%s", pgdir, kept[i]);
        stays(g, EACH(path));
    }
    for (size_t i = 0; i < sizeof volatile_ / sizeof *volatile_; i++) {
        snprintf(path, sizeof path, "%s/%s", pgdir, volatile_[i]);
        goes(g, EACH(path));
    }
}

static void test_plain_files_have_no_default_excludes(void **state)
{
    struct world *w = *state;
    put("logs/a", "a");
    cluster("postgres14", "14\n", 14, 100);
    cluster("postgres11", "11\n", 11, 50);
    struct globset *g = patterns(w);
    stays(g, EACH("logs/a", "backup/x", "postgres11/", "postgres14/postmaster.pid"));
    glob_free(g);
}

static void test_pmm_2_29_keeps_its_only_cluster_whatever_its_name(void **state)
{
    struct world *w = *state;
    static const char *const names[] = {"postgres", "postgres11"};
    pmm("2.29.1\n");
    dir("victoriametrics/data");
    for (size_t i = 0; i < 2; i++) {
        cluster(names[i], "11\n", 11, 100);
        struct globset *g = patterns(w);
        the_rest_stays(g);
        cluster_in_use(g, names[i]);
        glob_free(g);
        struct err err = {0};
        assert_int_equal(rmtree_at(w->root, names[i], &err), 0);
    }
}

static void test_pmm_2_41_loses_postgres11_and_the_logs_of_clickhouse(void **state)
{
    struct world *w = *state;
    pmm("2.41.0\n");
    cluster("postgres14", "14\n", 14, 200);
    cluster("postgres11", "11\n", 11, 100);
    dir("victoriametrics/data");
    put("clickhouse/metadata/system.sql",
        "ATTACH DATABASE system\nENGINE = Ordinary\n");
    ordinary_table_at("query_log", "ATTACH TABLE query_log\n(\n)\n");
    ordinary_table_at("part_log_12", "ATTACH TABLE part_log_12\n(\n)\n");
    ordinary_table_at("odd%2Dname_log", "ATTACH TABLE `odd-name_log`\n(\n)\n");
    ordinary_table_at("logs", "ATTACH TABLE logs\n(\n)\n");
    ordinary_table_at("query_log2", "ATTACH TABLE query_log2\n(\n)\n");
    ordinary_table_at("some_log", "ATTACH VIEW some_log AS SELECT 1\n");
    put("clickhouse/metadata/system/no_data_log.sql", "ATTACH TABLE no_data_log\n");
    put("clickhouse/metadata/system/linked_log.sql", "ATTACH TABLE linked_log\n");
    link_to("../pmm/metrics", "clickhouse/data/system/linked_log");
    struct globset *g = patterns(w);
    the_rest_stays(g);
    cluster_in_use(g, "postgres14");
    goes(g, EACH("postgres11/", "postgres11/base/1/1",
                 "clickhouse/metadata/system/query_log.sql",
                 "clickhouse/data/system/query_log/",
                 "clickhouse/metadata/system/part_log_12.sql",
                 "clickhouse/data/system/part_log_12/",
                 "clickhouse/metadata/system/odd%2Dname_log.sql",
                 "clickhouse/data/system/odd%2Dname_log/"));
    stays(g,
          EACH("clickhouse/metadata/system/", "clickhouse/data/system/",
               "clickhouse/metadata/system/logs.sql", "clickhouse/data/system/logs/",
               "clickhouse/metadata/system/query_log2.sql",
               "clickhouse/data/system/query_log2/",
               "clickhouse/metadata/system/some_log.sql",
               "clickhouse/data/system/some_log/",
               "clickhouse/metadata/system/no_data_log.sql",
               "clickhouse/metadata/system/linked_log.sql",
               "clickhouse/data/system/linked_log", "clickhouse/data/pmm/query_log/"));
    glob_free(g);
}

static void test_pmm_3_7_loses_the_logs_of_an_atomic_clickhouse(void **state)
{
    struct world *w = *state;
    pmm("3.7.0\n");
    cluster("postgres14", "14\n", 14, 200);
    dir("victoriametrics/data/data/indexdb");
    atomic();
    struct globset *g = patterns(w);
    the_rest_stays(g);
    cluster_in_use(g, "postgres14");
    goes(g, query_log);
    goes(g, trace_log);
    stays(g, EACH(STORE_SYSTEM, STORE_SYSTEM "user_table.sql",
                  "clickhouse/store/333/" KEPT "/all_1_1_0/data.bin",
                  "clickhouse/data/system/user_table", "clickhouse/store/111/",
                  STORE_PMM "metrics.sql", STORE_PMM "query_log.sql",
                  "clickhouse/store/444/" METRICS "/all_1_1_0/data.bin"));
    glob_free(g);
}

static void test_pmm_3_10_loses_what_its_migration_has_set_aside(void **state)
{
    struct world *w = *state;
    pmm("3.10.0\n");
    cluster("postgres18", "18\n", 18, 300);
    cluster("postgres14.old", "14\n", 14, 400);
    cluster("postgres14.new", "14\n", 14, 100);
    cluster("postgres17.backup", "17\n", 17, 100);
    cluster("mine.old", "14\n", 1, 1);
    dir("postgres18.new");
    dir("postgresql.old");
    cluster("backup/postgres14.old", "14\n", 1, 1);
    atomic();
    struct globset *g = patterns(w);
    the_rest_stays(g);
    cluster_in_use(g, "postgres18");
    goes(g, EACH("postgres14.old/", "postgres14.old/base/16384/1259", "postgres14.new/",
                 "postgres18.new/"));
    stays(g, EACH("postgres17.backup/", "mine.old/", "postgresql.old/",
                  "my/postgres14.old/", "my/postgres18.new/"));
    goes(g, query_log);
    glob_free(g);
}

static void test_a_directory_set_aside_is_kept_unless_it_is_older(void **state)
{
    struct world *w = *state;
    pmm("3.9.0\n");
    cluster("postgres14", "14\n", 14, 300);
    cluster("postgres18.new", "18\n", 18, 400);
    cluster("postgres14.old", "14\n", 15, 100);
    cluster("postgres11.old", "eleven\n", 15, 100);
    cluster("postgres12.old", "12\n", 15, 100);
    assert_int_equal(unlink("postgres12.old/PG_VERSION"), 0);
    fifo("postgres12.old/PG_VERSION");
    struct globset *g = patterns(w);
    stays(g, EACH("postgres18.new/", "postgres14.old/", "postgres11.old/",
                  "postgres12.old/"));
    goes(g, EACH("postgres14.old/postmaster.pid", "postgres18.new/postmaster.opts"));
    glob_free(g);
}

static void test_an_older_cluster_is_kept_unless_it_was_replaced(void **state)
{
    struct world *w = *state;
    struct globset *g;
    cluster("postgres14", "14\n", 14, 200);
    cluster("postgres18", "18\n", 18, 300);
    cluster("postgres", "11\n", 11, 100);
    assert_int_equal(unlink("postgres/PG_VERSION"), 0);

    pmm("3.9.1\n"); /* the migration to 18 has not ended */
    g = patterns(w);
    stays(g, EACH("postgres14/", "postgres18/", "postgres/"));
    glob_free(g);
    pmm("\n");
    g = patterns(w);
    stays(g, EACH("postgres14/", "postgres18/", "postgres/"));
    glob_free(g);
    pmm("4.2.0\n"); /* who knows */
    g = patterns(w);
    stays(g, EACH("postgres14/", "postgres18/", "postgres/"));
    glob_free(g);

    pmm("3.10.0\n");
    g = patterns(w);
    goes(g, EACH("postgres14/"));
    stays(g, EACH("postgres18/", "postgres/"));
    glob_free(g);
    struct volume_facts before = facts(w);
    put_control("postgres14", 14, 1300, 1, 400); /* back with the old one */
    g = patterns(w);
    stays(g, EACH("postgres14/", "postgres18/", "postgres/"));
    glob_free(g);
    g = patterns_of(w, &before);
    stays(g, EACH("postgres14/", "postgres18/", "postgres/"));
    glob_free(g);
    put("postgres14/global/pg_control", "");
    g = patterns(w);
    stays(g, EACH("postgres14/", "postgres18/"));
    glob_free(g);
}

static void test_without_a_whole_cluster_in_use_no_other_goes(void **state)
{
    struct world *w = *state;
    pmm("3.10.0\n");
    cluster("postgres18", "18\n", 18, 300);
    cluster("postgres14.old", "14\n", 14, 100);
    put("postgres18/global/pg_control", "garbage");
    struct globset *g = patterns(w);
    stays(g, EACH("postgres14.old/", "postgres18/"));
    glob_free(g);
    assert_int_equal(unlink("postgres18/PG_VERSION"), 0);
    g = patterns(w);
    stays(g, EACH("postgres14.old/", "postgres18/"));
    glob_free(g);
}

static void test_symlinks_for_clusters_are_not_followed(void **state)
{
    struct world *w = *state;
    pmm("3.10.0\n");
    cluster("elsewhere", "18\n", 18, 300);
    link_to("elsewhere", "postgres18");
    cluster("postgres14", "14\n", 14, 100);
    cluster("old", "11\n", 11, 50);
    link_to("old", "postgres11.old");
    struct globset *g = patterns(w);
    stays(g, EACH("postgres14/", "postgres18", "postgres11.old"));
    cluster_in_use(g, "postgres14");
    glob_free(g);
}

struct told {
    size_t n, stop_at;
    char all[65536];
};

static int note(void *ctx, const char *pattern, const char *why, struct err *err)
{
    struct told *t = ctx;
    assert_true(why[0] != '\0');
    strcat(strcat(t->all, pattern), "\n");
    return ++t->n == t->stop_at ? err_set(err, ERR_FAIL, "enough") : 0;
}

static void test_patterns_come_in_a_fixed_order_and_end_when_told(void **state)
{
    struct world *w = *state;
    static struct told first, second;
    struct err err = {0};
    pmm("3.10.0\n");
    cluster("postgres18", "18\n", 18, 300);
    cluster("postgres14.old", "14\n", 14, 100);
    atomic();
    struct volume_facts v = facts(w);
    assert_int_equal(excludes_each(w->root, &v, note, &first, &err), 0);
    assert_int_equal(excludes_each(w->root, &v, note, &second, &err), 0);
    assert_string_equal(first.all, second.all);
    const char *old = strstr(first.all, "\n/postgres14.old/\n");
    const char *logs = strstr(first.all, "\n" STORE_SYSTEM "query_log.sql\n");
    assert_true(old != NULL && logs > old);
    for (size_t at = 1; at <= first.n; at++) {
        memset(&second, 0, sizeof second);
        memset(&err, 0, sizeof err);
        second.stop_at = at;
        assert_int_equal(excludes_each(w->root, &v, note, &second, &err), -1);
        assert_int_equal(second.n, at);
        assert_string_equal(err.text, "enough");
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_plain_files_have_no_default_excludes),
        T(test_pmm_2_29_keeps_its_only_cluster_whatever_its_name),
        T(test_pmm_2_41_loses_postgres11_and_the_logs_of_clickhouse),
        T(test_pmm_3_7_loses_the_logs_of_an_atomic_clickhouse),
        T(test_pmm_3_10_loses_what_its_migration_has_set_aside),
        T(test_a_directory_set_aside_is_kept_unless_it_is_older),
        T(test_an_older_cluster_is_kept_unless_it_was_replaced),
        T(test_without_a_whole_cluster_in_use_no_other_goes),
        T(test_symlinks_for_clusters_are_not_followed),
        T(test_patterns_come_in_a_fixed_order_and_end_when_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
