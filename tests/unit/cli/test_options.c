#include "cli/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define WORDS_MAX 24

struct world {
    char *words[WORDS_MAX];
    struct options o;
    struct err err;
};

/* Parse "pmm-seal" and the words of `line`; "''" is an empty word. */
static int parse(struct world *w, const char *line)
{
    static char copy[1024];
    int n = 0;
    options_free(&w->o);
    memset(w, 0, sizeof *w);
    strcpy(copy, line);
    w->words[n++] = (char *)"pmm-seal";
    for (char *p = strtok(copy, " "); p != NULL; p = strtok(NULL, " "))
        w->words[n++] = strcmp(p, "''") == 0 ? (char *)"" : p;
    assert_true(n < WORDS_MAX);
    return options_parse(&w->o, n, w->words, &w->err);
}

static void good(struct world *w, const char *line)
{
    if (parse(w, line) != 0)
        fail_msg("%s: %s", line, w->err.text);
}

/* Usage, and the text holds `word`. */
static void bad(struct world *w, const char *line, const char *word)
{
    assert_int_equal(parse(w, line), -1);
    assert_int_equal(w->err.cls, ERR_USAGE);
    if (strstr(w->err.text, word) == NULL)
        fail_msg("%s: no \"%s\" in: %s", line, word, w->err.text);
    assert_true(w->err.hint[0] != '\0');
}

static int make(void **state)
{
    static struct world w;
    unsetenv("PMM_SEAL_PASSPHRASE");
    unsetenv("PMM_SEAL_PASSPHRASE_FILE");
    unsetenv("PMM_SEAL_PASSPHRASE_COMMAND");
    *state = &w;
    return 0;
}

static int unmake(void **state)
{
    struct world *w = *state;
    options_free(&w->o);
    memset(w, 0, sizeof *w);
    return 0;
}

static void test_defaults_are_those_of_the_manual(void **state)
{
    struct world *w = *state;
    struct kdf_cost moderate;
    struct kdf_limits limits;
    assert_int_equal(kdf_cost_named("moderate", &moderate), 0);
    kdf_limits_default(&limits);
    good(w, "backup -o x src");
    assert_int_equal(w->o.command, COMMAND_BACKUP);
    assert_string_equal(w->o.output, "x");
    assert_string_equal(w->o.place, "src");
    assert_string_equal(w->o.name, "pmm-data");
    assert_int_equal(w->o.level, 3);
    assert_int_equal(w->o.threads, 0);
    assert_memory_equal(&w->o.cost, &moderate, sizeof moderate);
    assert_memory_equal(&w->o.kdf_limits, &limits, sizeof limits);
    assert_int_equal(w->o.passphrase.fd, -1);
    assert_true(w->o.passphrase.confirm);
    assert_false(w->o.force || w->o.dry_run || w->o.json || w->o.quiet);
    good(w, "restore a t");
    assert_int_equal(w->o.owner, EXTRACT_OWNER_NUMERIC);
    assert_false(w->o.passphrase.confirm);
}

static void test_operands_go_to_their_places(void **state)
{
    struct world *w = *state;
    good(w, "restore --replace a t p1 -q p2");
    assert_string_equal(w->o.archive, "a");
    assert_string_equal(w->o.place, "t");
    assert_int_equal(w->o.npaths, 2);
    assert_string_equal(w->o.paths[0], "p1");
    assert_string_equal(w->o.paths[1], "p2");
    assert_true(w->o.replace && w->o.quiet);
    good(w, "list -l a -- -p");
    assert_int_equal(w->o.npaths, 1);
    assert_string_equal(w->o.paths[0], "-p");
    good(w, "restore --salvage a t");
    assert_true(w->o.salvage);
    good(w, "diff - d");
    assert_true(w->o.passphrase.stdin_is_archive);
    good(w, "diff ./- d");
    assert_false(w->o.passphrase.stdin_is_archive);
}

static void test_a_salvage_is_of_a_whole_file_to_a_new_directory(void **state)
{
    struct world *w = *state;
    bad(w, "restore --salvage - t", "file");
    bad(w, "restore --salvage --replace a t", "--replace");
    bad(w, "restore --salvage -n a t", "--dry-run");
    bad(w, "restore --salvage a t p", "PATH");
    bad(w, "verify --salvage a", "restore");
    good(w, "restore --salvage --owner caller --no-read-back a t");
}

static void test_nothing_is_guessed(void **state)
{
    struct world *w = *state;
    bad(w, "", "command");
    bad(w, "backup -o x", "missing");
    bad(w, "backup -o '' src", "--output");
    bad(w, "backup -o x ''", "empty");
    bad(w, "backup -o x a b", "too many");
    bad(w, "restore a", "missing");
    bad(w, "restore a -", "no directory");
    bad(w, "backup -o x -", "no directory");
    bad(w, "verify a b", "too many");
    good(w, "backup -n src");
}

static void test_each_command_takes_its_own_options_only(void **state)
{
    struct world *w = *state;
    bad(w, "verify --replace a", "--replace is an option of restore");
    bad(w, "backup -l -o x src", "-l");
    bad(w, "list --nonsense a", "--nonsense");
    bad(w, "nonsense a", "nonsense");
    bad(w, "-q backup -o x src", "first");
}

static void test_options_are_not_abbreviated(void **state)
{
    struct world *w = *state;
    bad(w, "backup --forc -o x src", "--force");
    bad(w, "backup --nam=y -o x src", "--name");
    bad(w, "backup --nam y -o x src", "--name");
    good(w, "backup --name=y -o x src");
    assert_string_equal(w->o.name, "y");
}

static void test_bad_values_name_their_option(void **state)
{
    static const char *const lines[][2] = {
        {"backup --level 0 -o x s", "--level"},
        {"backup --level 20 -o x s", "--level"},
        {"backup --level 3x -o x s", "--level"},
        {"backup --level= -o x s", "--level"},
        {"backup --level -1 -o x s", "--level"},
        {"backup --keep-last 100001 -o x/ s", "1 to 100000"},
        {"backup --max-deletes 1000001 -o x/ s", "1 to 1000000"},
        {"backup --threads 0 -o x s", "--threads"},
        {"backup --threads 65 -o x s", "--threads"},
        {"backup --threads 99999999999999999999 -o x s", "--threads"},
        {"backup --kdf strong -o x s", "--kdf"},
        {"backup --name ../x -o x s", "--name"},
        {"backup --progress loud -o x s", "--progress"},
        {"verify --passphrase-fd -1 a", "--passphrase-fd"},
        {"verify --passphrase-fd three a", "--passphrase-fd"},
        {"verify --passphrase-file '' a", "--passphrase-file"},
        {"verify --kdf-limit 1:64 a", "--kdf-limit"},
        {"verify --kdf-limit 2:63 a", "--kdf-limit"},
        {"verify --kdf-limit 2 a", "--kdf-limit"},
        {"verify --kdf-limit 2:64: a", "--kdf-limit"},
        {"verify --accept= a", "--accept"},
        {"restore --owner root a t", "--owner"},
        {"restore --owner 1:4294967295 a t", "--owner"},
        {"backup -o", "--output"},
        {"verify --json=yes a", "--json"},
    };
    struct world *w = *state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        bad(w, lines[i][0], lines[i][1]);
}

static void test_values_arrive(void **state)
{
    struct world *w = *state;
    good(w, "restore --owner 5:6 a t");
    assert_int_equal(w->o.owner, EXTRACT_OWNER_FIXED);
    assert_int_equal(w->o.uid, 5);
    assert_int_equal(w->o.gid, 6);
    good(w, "restore --no-owner a t");
    assert_int_equal(w->o.owner, EXTRACT_OWNER_CALLER);
    good(w, "backup --level auto --threads 64 -o x s");
    assert_int_equal(w->o.level, 3);
    assert_int_equal(w->o.threads, 64);
    good(w, "verify --accept a,b --accept c x");
    assert_int_equal(w->o.naccept, 2);
    assert_string_equal(w->o.accept[1], "c");
}

static void test_excludes_are_gathered(void **state)
{
    struct world *w = *state;
    good(w, "backup --exclude *.log --exclude /a/b -o x s");
    assert_non_null(w->o.excludes);
    assert_true(glob_excludes(w->o.excludes, "x/y.log", false));
    assert_true(glob_excludes(w->o.excludes, "a/b", true));
    assert_false(glob_excludes(w->o.excludes, "c/a/b", true));
}

static void test_a_raised_limit_leaves_room_for_it(void **state)
{
    struct world *w = *state;
    good(w, "verify --kdf-limit 20:4096 a");
    const struct kdf_cost cost = {20, 4096 * 1024};
    assert_int_equal(kdf_check(&cost, &w->o.kdf_limits, &w->err), 0);
    assert_true(w->o.kdf_limits.sum_max >= 20ull * 4096 * 1024);
    good(w, "verify --kdf-limit 4294967295:4194303 a");
    assert_int_equal(w->o.kdf_limits.sum_max, UINT64_MAX);
}

static void test_a_passphrase_as_argument_is_never_repeated(void **state)
{
    struct world *w = *state;
    bad(w, "backup --passphrase=hunter2 -o x s", "--passphrase");
    assert_null(strstr(w->err.text, "hunter2"));
    assert_null(strstr(w->err.hint, "hunter2"));
    assert_non_null(strstr(w->err.hint, "--passphrase-file"));
    bad(w, "backup --password=hunter2 -o x s", "--password");
    assert_null(strstr(w->err.text, "hunter2"));
}

static void test_the_same_source_twice_is_refused(void **state)
{
    struct world *w = *state;
    bad(w, "verify --passphrase-file a --passphrase-file b x", "twice");
    bad(w, "verify --passphrase-fd 3 --passphrase-fd 3 x", "twice");
    bad(w, "rekey --new-passphrase-command a --new-passphrase-command b x", "twice");
    good(w, "rekey --passphrase-file a --new-passphrase-file b x");
    assert_string_equal(w->o.passphrase.file, "a");
    assert_string_equal(w->o.new_source.file, "b");
}

static void test_contradictions_are_usage(void **state)
{
    struct world *w = *state;
    bad(w, "list --json -l a", "--json");
    bad(w, "list --json -0 a", "--json");
    bad(w, "rekey --add --remove a", "only one");
    bad(w, "rekey --remove --new-passphrase-file f a", "--remove");
    bad(w, "rekey --force a", "--output");
    bad(w, "restore --owner 1:2 --no-owner a t", "--owner");
}

static void test_a_source_given_is_known(void **state)
{
    struct world *w = *state;
    good(w, "info a");
    assert_false(w->o.passphrase_given);
    good(w, "info --passphrase-fd 0 a");
    assert_true(w->o.passphrase_given);
    setenv("PMM_SEAL_PASSPHRASE_COMMAND", "true", 1);
    good(w, "info a");
    assert_true(w->o.passphrase_given);
    unsetenv("PMM_SEAL_PASSPHRASE_COMMAND");
}

static void test_standard_output_is_known_as_the_archives(void **state)
{
    struct world *w = *state;
    good(w, "backup s");
    assert_true(options_to_stdout(&w->o));
    good(w, "backup -o - s");
    assert_true(options_to_stdout(&w->o));
    good(w, "backup -n -o - s");
    assert_false(options_to_stdout(&w->o));
    good(w, "rekey -o - a");
    assert_true(options_to_stdout(&w->o));
    good(w, "verify -");
    assert_false(options_to_stdout(&w->o));
}

static void test_help_and_version_need_nothing_else(void **state)
{
    struct world *w = *state;
    good(w, "-h");
    assert_true(w->o.help && w->o.command == COMMAND_NONE);
    good(w, "help");
    assert_true(w->o.help && w->o.command == COMMAND_NONE);
    good(w, "help restore");
    assert_true(w->o.help && w->o.command == COMMAND_RESTORE);
    good(w, "restore -h");
    assert_true(w->o.help && w->o.command == COMMAND_RESTORE);
    good(w, "--version");
    assert_true(w->o.version);
    good(w, "list -V");
    assert_true(w->o.version);
    bad(w, "help nonsense", "nonsense");
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, make, unmake)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_defaults_are_those_of_the_manual),
        TEST(test_operands_go_to_their_places),
        TEST(test_a_salvage_is_of_a_whole_file_to_a_new_directory),
        TEST(test_nothing_is_guessed),
        TEST(test_each_command_takes_its_own_options_only),
        TEST(test_options_are_not_abbreviated),
        TEST(test_bad_values_name_their_option),
        TEST(test_values_arrive),
        TEST(test_excludes_are_gathered),
        TEST(test_a_raised_limit_leaves_room_for_it),
        TEST(test_a_passphrase_as_argument_is_never_repeated),
        TEST(test_the_same_source_twice_is_refused),
        TEST(test_contradictions_are_usage),
        TEST(test_a_source_given_is_known),
        TEST(test_standard_output_is_known_as_the_archives),
        TEST(test_help_and_version_need_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
