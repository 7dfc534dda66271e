/* Of ClickHouse's own logs all goes or all stays, and nothing else goes with them. */
#include "excludesworld.h"

static void test_an_old_clickhouse_needs_no_system_sql(void **state)
{
    struct world *w = *state;
    pmm("2.5.0\n");
    ordinary_table_at("query_log", "ATTACH TABLE query_log (a Date)\n");
    struct globset *g = patterns(w);
    goes(g, EACH("clickhouse/metadata/system/query_log.sql",
                 "clickhouse/data/system/query_log/"));
    glob_free(g);
}

static void test_data_that_another_table_claims_is_kept(void **state)
{
    struct world *w = *state;
    pmm("3.7.0\n");
    atomic();
    sql(STORE_SYSTEM "query_log.sql", "TABLE", METRICS);  /* pmm.metrics' */
    sql(STORE_SYSTEM "trace_log_0.sql", "TABLE", KEPT);   /* system.user_table's */
    sql(STORE_SYSTEM "text_log.sql", "TABLE", DB_PMM);    /* the database pmm */
    sql(STORE_SYSTEM "part_log.sql", "TABLE", DB_SYSTEM); /* its own database */
    struct globset *g = patterns(w);
    stays(g, query_log);
    stays(g, trace_log);
    stays(g, EACH("clickhouse/store/444/" METRICS "/", STORE_SYSTEM,
                  "clickhouse/store/333/" KEPT "/", STORE_PMM, STORE_PMM "metrics.sql",
                  STORE_SYSTEM "text_log.sql", STORE_SYSTEM "part_log.sql"));
    glob_free(g);
}

static void test_a_claim_in_upper_case_or_in_an_ordinary_database_counts(void **state)
{
    struct world *w = *state;
    pmm("3.7.0\n");
    atomic();
    char upper[] = "ABCDEF11-0F5E-4D0B-9C5E-3B3A0F5E4D0B";
    table("system", DB_SYSTEM, "text_log", "abcdef11-0f5e-4d0b-9c5e-3b3a0f5e4d0b");
    sql(STORE_PMM "other.sql", "MATERIALIZED VIEW", upper);
    put("clickhouse/metadata/legacy.sql",
        "ATTACH DATABASE legacy\nENGINE = Ordinary\n");
    sql("clickhouse/metadata/legacy/t.sql", "TABLE", TRACE_0);
    struct globset *g = patterns(w);
    goes(g, query_log);
    stays(g, trace_log);
    stays(g, EACH(STORE_SYSTEM "text_log.sql",
                  "clickhouse/store/abc/abcdef11-0f5e-4d0b-9c5e-3b3a0f5e4d0b/"));
    glob_free(g);
}

static void test_a_table_that_cannot_be_told_is_kept_whole(void **state)
{
    struct world *w = *state;
    static const char *const bad[] = {
        "../../../../pmm-encryption.key000000",
        "11111111-0f5e-4d0b-9c5e-3b3a0f5e4d0",
        "11111111-0f5e-4d0b-9c5e-3b3a0f5e4d0bb",
        "../11111-0f5e-4d0b-9c5e-3b3a0f5e4d0b",
        "11111111/0f5e-4d0b-9c5e-3b3a0f5e4d0b",
        "*1111111-0f5e-4d0b-9c5e-3b3a0f5e4d0b",
        "zzzzzzzz-0f5e-4d0b-9c5e-3b3a0f5e4d0b",
        "111111110f5e04d0b09c5e03b3a0f5e4d0b0",
        "00000000-0000-0000-0000-000000000000", /* is no directory */
        "",
        "'"};
    pmm("3.7.0\n");
    atomic();
    dir("clickhouse/store/*11/*1111111-0f5e-4d0b-9c5e-3b3a0f5e4d0b");
    dir("clickhouse/store/zzz/zzzzzzzz-0f5e-4d0b-9c5e-3b3a0f5e4d0b");
    dir("clickhouse/store/111/111111110f5e04d0b09c5e03b3a0f5e4d0b0");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        sql(STORE_SYSTEM "query_log.sql", "TABLE", bad[i]);
        struct globset *g = patterns(w);
        stays(g, query_log);
        goes(g, trace_log);
        glob_free(g);
    }
    sql(STORE_SYSTEM "query_log.sql", "MATERIALIZED VIEW", QUERY_LOG);
    struct globset *g = patterns(w);
    stays(g, query_log);
    goes(g, trace_log);
    glob_free(g);
}

static void test_a_huge_sql_keeps_its_table_and_its_claim(void **state)
{
    struct world *w = *state;
    pmm("3.7.0\n");
    atomic();
    assert_int_equal(truncate(STORE_SYSTEM "query_log.sql", 1 << 20), 0);
    sql(STORE_PMM "big.sql", "TABLE", TRACE_0);
    assert_int_equal(truncate(STORE_PMM "big.sql", (off_t)1 << 33), 0);
    struct globset *g = patterns(w);
    stays(g, query_log);
    stays(g, trace_log);
    glob_free(g);
    assert_int_equal(truncate(STORE_SYSTEM "query_log.sql", (1 << 20) - 1), 0);
    assert_int_equal(unlink(STORE_PMM "big.sql"), 0);
    g = patterns(w);
    goes(g, query_log);
    goes(g, trace_log);
    glob_free(g);
}

static void test_links_and_fifos_in_clickhouse_neither_hang_nor_lead_away(void **state)
{
    struct world *w = *state;
    pmm("3.7.0\n");
    atomic();
    assert_int_equal(unlink(STORE_SYSTEM "query_log.sql"), 0);
    fifo(STORE_SYSTEM "query_log.sql");
    fifo(STORE_PMM "odd.sql");
    fifo("clickhouse/metadata/odd.sql");
    assert_int_equal(rename("clickhouse/store/222", "away"), 0);
    link_to("../../away", "clickhouse/store/222");
    struct globset *g = patterns(w);
    stays(g, query_log);
    stays(g, trace_log);
    glob_free(g);
    assert_int_equal(unlink("clickhouse/store/222"), 0);
    assert_int_equal(rename("away", "clickhouse/store/222"), 0);
    g = patterns(w);
    goes(g, trace_log);
    glob_free(g);
    assert_int_equal(rename("clickhouse", "ch"), 0);
    link_to("ch", "clickhouse");
    g = patterns(w);
    stays(g, trace_log);
    glob_free(g);
}

static void test_a_database_is_found_by_its_uuid_alone(void **state)
{
    struct world *w = *state;
    struct globset *g;
    pmm("3.7.0\n");
    atomic();
    table("pmm", DB_PMM, "own_log", "55555555-0f5e-4d0b-9c5e-3b3a0f5e4d0b");
    assert_int_equal(unlink("clickhouse/metadata/system"), 0);
    link_to("../store/aa0/" DB_PMM "/", "clickhouse/metadata/system");
    g = patterns(w);
    goes(g, query_log);
    stays(g, EACH(STORE_PMM "own_log.sql"));
    glob_free(g);

    database("other", "bb0e3b3a-0f5e-4d0b-9c5e-3b3a0f5e4d0b");
    sql("clickhouse/metadata/system.sql", "DATABASE", DB_PMM); /* pmm's */
    g = patterns(w);
    stays(g, query_log);
    stays(g, EACH(STORE_PMM "own_log.sql"));
    glob_free(g);
    put("clickhouse/metadata/system.sql",
        "ATTACH DATABASE _ UUID '" DB_PMM "'\nENGINE = Atomic\n");
    g = patterns(w);
    stays(g, EACH(STORE_PMM "own_log.sql",
                  "clickhouse/store/555/55555555-0f5e-4d0b-9c5e-3b3a0f5e4d0b/"));
    glob_free(g);
}

static void test_without_a_usable_system_sql_all_tables_are_kept(void **state)
{
    struct world *w = *state;
    static const char *const bad[] = {
        "", "garbage", "ATTACH DATABASE _ UUID '" DB_SYSTEM "'\nENGINE = Memory\n",
        "ATTACH DATABASE system\nENGINE = Lazy\n",
        "ATTACH DATABASE _ UUID '../../../x'\nENGINE = Atomic\n"};
    pmm("3.7.0\n");
    atomic();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        put("clickhouse/metadata/system.sql", bad[i]);
        struct globset *g = patterns(w);
        stays(g, query_log);
        stays(g, trace_log);
        glob_free(g);
    }
    assert_int_equal(unlink("clickhouse/metadata/system.sql"), 0);
    struct globset *g = patterns(w);
    stays(g, query_log);
    glob_free(g);
}

static void test_data_in_the_place_of_the_symlink_keeps_the_table(void **state)
{
    struct world *w = *state;
    pmm("3.7.0\n");
    atomic();
    assert_int_equal(unlink("clickhouse/data/system/query_log"), 0);
    put("clickhouse/data/system/query_log/data.bin", "data");
    assert_int_equal(unlink("clickhouse/data/system/trace_log_0"), 0);
    struct globset *g = patterns(w);
    stays(g, query_log);
    goes(g, EACH(STORE_SYSTEM "trace_log_0.sql", "clickhouse/store/222/" TRACE_0 "/"));
    glob_free(g);
}

static void test_names_that_clickhouse_would_not_write_are_kept(void **state)
{
    struct world *w = *state;
    static const char *const odd[] = {
        "*_log",     "?uery_log", "[a-z]_log",  "a b_log", "a%5Flog",
        "a%2dx_log", "a%_log",    "a%00_log",   "a\n_log", "a\\_log",
        "_log_",     "log",       "query_log_x"};
    char path[256], uuid[64];
    pmm("3.7.0\n");
    atomic();
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        snprintf(uuid, sizeof uuid, "666666%02zu-0f5e-4d0b-9c5e-3b3a0f5e4d0b", i);
        table("system", DB_SYSTEM, odd[i], uuid);
    }
    struct globset *g = patterns(w);
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        snprintf(path, sizeof path, STORE_SYSTEM "%s.sql", odd[i]);
        stays(g, EACH(path));
        snprintf(path, sizeof path,
                 "clickhouse/store/666/666666%02zu-0f5e-4d0b-9c5e-3b3a0f5e4d0b/", i);
        stays(g, EACH(path));
    }
    goes(g, query_log);
    stays(g, EACH(STORE_SYSTEM "user_table.sql"));
    glob_free(g);
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_an_old_clickhouse_needs_no_system_sql),
        T(test_data_that_another_table_claims_is_kept),
        T(test_a_claim_in_upper_case_or_in_an_ordinary_database_counts),
        T(test_a_table_that_cannot_be_told_is_kept_whole),
        T(test_a_huge_sql_keeps_its_table_and_its_claim),
        T(test_links_and_fifos_in_clickhouse_neither_hang_nor_lead_away),
        T(test_a_database_is_found_by_its_uuid_alone),
        T(test_without_a_usable_system_sql_all_tables_are_kept),
        T(test_data_in_the_place_of_the_symlink_keeps_the_table),
        T(test_names_that_clickhouse_would_not_write_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
