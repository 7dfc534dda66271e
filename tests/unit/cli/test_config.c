#include "cli/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define WORDS_MAX 24

struct world {
    char dir[64];
    char file[80]; /* DIR/pmm.conf */
    char *words[WORDS_MAX];
    char line[1024];
    struct options o;
    struct err err;
};

static void write_bytes(struct world *w, const char *bytes, size_t len)
{
    unlink(w->file);
    FILE *f = fopen(w->file, "we");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(w->file, 0600), 0);
}

static void forget(struct world *w)
{
    options_free(&w->o);
    w->o = (struct options){0};
    w->err = (struct err){0};
}

/* Parse "pmm-seal", the words of `line` and "--config FILE", where FILE says `text`. */
static int parse(struct world *w, const char *text, const char *line)
{
    int n = 0;
    forget(w);
    if (text != NULL)
        write_bytes(w, text, strlen(text));
    snprintf(w->line, sizeof w->line, "pmm-seal %s --config %s", line, w->file);
    for (char *p = strtok(w->line, " "); p != NULL; p = strtok(NULL, " "))
        w->words[n++] = p;
    assert_true(n < WORDS_MAX);
    return options_parse(&w->o, n, w->words, &w->err);
}

static void good(struct world *w, const char *text, const char *line)
{
    if (parse(w, text, line) != 0)
        fail_msg("%s: %s: %s", text ? text : "", line, w->err.text);
}

/* Of that class, with `word` in the text. */
static void bad_as(struct world *w, enum err_class cls, const char *text,
                   const char *line, const char *word)
{
    if (parse(w, text, line) == 0)
        fail_msg("taken: %s", text ? text : line);
    assert_int_equal(w->err.cls, cls);
    if (strstr(w->err.text, word) == NULL)
        fail_msg("%s: no \"%s\" in: %s", line, word, w->err.text);
}

/* Usage, named with file and line in front. */
static void bad(struct world *w, const char *text, unsigned line, const char *word)
{
    char place[120];
    bad_as(w, ERR_USAGE, text, "backup -o x /s", word);
    snprintf(place, sizeof place, "%s:%u: ", w->file, line);
    if (strncmp(w->err.text, place, strlen(place)) != 0)
        fail_msg("%s: not at \"%s\": %s", text, place, w->err.text);
    assert_true(w->err.hint[0] != '\0');
}

static int make(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    const char *tmp = getenv("TMPDIR");
    unsetenv("PMM_SEAL_PASSPHRASE");
    unsetenv("PMM_SEAL_PASSPHRASE_FILE");
    unsetenv("PMM_SEAL_PASSPHRASE_COMMAND");
    snprintf(w->dir, sizeof w->dir, "%.40s/config.XXXXXX", tmp ? tmp : "/tmp");
    *state = w;
    if (mkdtemp(w->dir) == NULL)
        return -1;
    snprintf(w->file, sizeof w->file, "%s/pmm.conf", w->dir);
    return 0;
}

static int unmake(void **state)
{
    struct world *w = *state;
    forget(w);
    (void)unlink(w->file);
    int rc = rmdir(w->dir);
    free(w);
    return rc;
}

/* ---- lines ---- */

static void test_keys_are_the_long_options(void **state)
{
    struct world *w = *state;
    good(w,
         "# of the night\n\n"
         "source = /srv\n"
         "level=9\n"
         "threads\t=\t2  \n"
         "name = nightly\r\n"
         "  ; a comment may stand anywhere on a line of its own\n"
         "one-file-system = yes\n"
         "kdf = interactive\n"
         "output = /b/", /* no newline at the end */
         "backup");
    assert_string_equal(w->o.place, "/srv");
    assert_int_equal(w->o.level, 9);
    assert_int_equal(w->o.threads, 2);
    assert_string_equal(w->o.name, "nightly");
    assert_true(w->o.one_file_system);
    assert_true(w->o.cost_given);
    assert_string_equal(w->o.output, "/b/");
}

static void test_an_empty_file_says_nothing(void **state)
{
    struct world *w = *state;
    good(w, "", "backup s");
    good(w, "\n# only this", "backup s");
    assert_string_equal(w->o.place, "s");
    assert_string_equal(w->o.output, "-");
}

static void test_a_command_is_never_cut(void **state)
{
    struct world *w = *state;
    good(w,
         "before = a; b ; c # d\n"
         "after=x=1 : \"y ; z\" 'q' && [ -e f ] \n",
         "backup s");
    assert_string_equal(w->o.before, "a; b ; c # d");
    assert_string_equal(w->o.after, "x=1 : \"y ; z\" 'q' && [ -e f ]");
}

static void test_a_long_line_arrives_whole(void **state)
{
    struct world *w = *state;
    size_t n = 60000;
    char *text = malloc(n + 32);
    int k = sprintf(text, "before = ");
    memset(text + k, 'x', n);
    memcpy(text + k + 30000, " level=9 ", 9); /* no key of its own */
    strcpy(text + k + n, "\nlevel = 5\n");
    good(w, text, "backup s");
    assert_int_equal(strlen(w->o.before), n);
    assert_memory_equal(w->o.before, text + k, n);
    assert_int_equal(w->o.level, 5);
    free(text);
}

static void test_a_file_too_long_is_refused_and_not_cut(void **state)
{
    struct world *w = *state;
    char *text = malloc(CONFIG_MAX + 2);
    memset(text, '#', CONFIG_MAX + 1);
    text[CONFIG_MAX + 1] = '\0';
    bad_as(w, ERR_USAGE, text, "backup s", "longer");
    text[CONFIG_MAX] = '\0';
    good(w, text, "backup s");
    free(text);
}

static void test_a_value_does_not_go_on_in_the_next_line(void **state)
{
    struct world *w = *state;
    bad(w, "before = a &&\n  b\n", 2, "indented");
    bad(w, "before = a\n\tlevel=3\n", 2, "indented");
    bad(w, "before = a \\\nlevel = 3\n", 1, "next");
}

static void test_what_is_no_setting_is_an_error(void **state)
{
    struct world *w = *state;
    bad(w, "[backup]\nlevel = 3\n", 1, "section");
    bad(w, "level = 3\nquiet\n", 2, "KEY = VALUE");
    bad(w, "level: 3\n", 1, "KEY = VALUE");
    bad(w, "level: x=3\n", 1, "KEY = VALUE");
    bad(w, "--level = 3\n", 1, "no such key");
    bad(w, "Level = 3\n", 1, "KEY = VALUE");
    bad(w, "= 3\n", 1, "KEY = VALUE");
    bad(w, "\xef\xbb\xbflevel = 3\n", 1, "KEY = VALUE");
    bad(w, "level =\n", 1, "empty");
    bad(w, "exclude =  \n", 1, "empty");
    bad(w, "before = a\x1b[2J\n", 1, "control");
    bad(w, "before = a\rb\n", 1, "control");
}

static void test_a_zero_byte_is_an_error(void **state)
{
    static const char text[] = "level = 3\nbefore = a\0 && b\n";
    struct world *w = *state;
    write_bytes(w, text, sizeof text - 1);
    bad_as(w, ERR_USAGE, NULL, "backup s", ":2: a control byte");
}

/* ---- keys ---- */

static void test_a_key_no_command_has_is_named(void **state)
{
    struct world *w = *state;
    bad(w, "level = 3\nlevle = secret\n", 2, "no such key: levle");
    assert_null(strstr(w->err.text, "secret"));
    bad(w, "exclud = x\n", 1, "exclud");
}

static void test_a_passphrase_in_clear_is_refused_and_not_repeated(void **state)
{
    static const char *const keys[] = {"passphrase", "password", "new-passphrase-is"};
    struct world *w = *state;
    for (size_t i = 0; i < 3; i++) {
        char text[80];
        snprintf(text, sizeof text, "%s = hunter2\n", keys[i]);
        bad(w, text, 1, keys[i]);
        assert_null(strstr(w->err.text, "hunter2"));
        assert_null(strstr(w->err.hint, "hunter2"));
        assert_non_null(strstr(w->err.hint, "passphrase-file"));
    }
    bad(w, "passphrase hunter2 = x\n", 1, "KEY = VALUE");
    assert_null(strstr(w->err.text, "hunter2"));
}

static void test_one_file_serves_all_commands(void **state)
{
    static const char text[] = "source = /srv\n"
                               "directory = /b\n"
                               "add = /srv/key\n"
                               "force = yes\n"
                               "stop-services = yes\n"
                               "level = 9\n"
                               "exclude = *.log\n"
                               "owner = names\n"
                               "attach = /a\n"
                               "new-passphrase-file = /n\n"
                               "passphrase-file = /p\n";
    static const char *const lines[] = {"backup",      "verify", "list",
                                        "info /a",     "rekey",  "restore /a /t",
                                        "diff /a /srv"};
    struct world *w = *state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        good(w, text, lines[i]);
        assert_string_equal(w->o.passphrase.file, "/p");
        assert_int_equal(w->o.level, w->o.command == COMMAND_BACKUP ? 9 : 3);
    }
}

static void test_words_with_another_sense_elsewhere_are_those_of_backup(void **state)
{
    static const char text[] = "output = /b/\nadd = /srv/key\nforce = yes\n"
                               "stop-services = yes\n";
    struct world *w = *state;
    good(w, text, "rekey /a");
    assert_null(w->o.output);
    assert_false(w->o.add || w->o.force);
    good(w, text, "restore --replace /a /t");
    assert_false(w->o.stop_services);
    good(w, text, "backup /s");
    assert_true(w->o.stop_services && w->o.force);
    assert_int_equal(w->o.nadd, 1);
    good(w, text, "rekey --add /a");
    assert_true(w->o.add);
}

static void test_what_only_one_run_does_is_no_setting(void **state)
{
    static const char *const keys[] = {
        "help",   "version",  "config",        "dry-run",        "json",   "heal",
        "remove", "attached", "show-excludes", "new-passphrase", "salvage"};
    struct world *w = *state;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        char text[80];
        snprintf(text, sizeof text, "level = 3\n%s = no\n", keys[i]);
        bad(w, text, 2, keys[i]);
        assert_non_null(strstr(w->err.text, "command line"));
    }
}

static void test_flags_are_yes_or_no(void **state)
{
    struct world *w = *state;
    good(w, "quiet = yes\nverbose = no\nallow-live = true\nforce = false\n",
         "backup s");
    assert_true(w->o.quiet && w->o.allow_live);
    assert_false(w->o.verbose || w->o.force);
    bad(w, "quiet = 1\n", 1, "quiet");
    bad(w, "quiet = Yes\n", 1, "quiet");
    bad(w, "quiet = yes # always\n", 1, "quiet");
    good(w, "quiet = no\n", "backup -q s");
    assert_true(w->o.quiet);
}

static void test_what_can_be_repeated_may_be(void **state)
{
    struct world *w = *state;
    good(w,
         "exclude = *.log\nexclude = /a/b\naccept = x\naccept = y\n"
         "add = /1\nadd = /2\nattach = /3\nattach = /4\n",
         "backup s");
    assert_true(glob_excludes(w->o.excludes, "x/y.log", false));
    assert_true(glob_excludes(w->o.excludes, "a/b", true));
    assert_int_equal(w->o.naccept, 2);
    assert_int_equal(w->o.nadd, 2);
    assert_string_equal(w->o.attach_files[1], "/4");
}

static void test_nothing_else_may_be_given_twice(void **state)
{
    struct world *w = *state;
    bad(w, "level = 3\n\nlevel = 3\n", 3, "first in line 1");
    bad(w, "quiet = no\nquiet = yes\n", 2, "quiet");
    bad(w, "before = a\nbefore = b\n", 2, "before");
    bad(w, "source = /a\nsource = /b\n", 2, "source");
    bad(w, "owner = names\nowner = names\n", 2, "owner"); /* passed over, but wrong */
}

static void test_bad_values_are_named_with_their_place(void **state)
{
    struct world *w = *state;
    bad(w, "\nlevel = 30\n", 2, "level: \"30\" is not");
    assert_null(strstr(w->err.text, "--"));
    bad(w, "name = ../x\n", 1, "name");
    bad(w, "exclude = [a\n", 1, "[a");
    bad_as(w, ERR_FAIL, "level = 3\nexclude-from = /nonexistent/x\n", "backup s",
           "pmm.conf:2: cannot open the exclude file: /nonexistent/x");
}

/* ---- operands ---- */

static void test_source_and_directory_stand_for_operands(void **state)
{
    static const char text[] = "source = /srv\ndirectory = /b\n";
    struct world *w = *state;
    good(w, text, "backup");
    assert_string_equal(w->o.place, "/srv");
    assert_string_equal(w->o.output, "/b/");
    good(w, text, "verify");
    assert_string_equal(w->o.archive, "/b");
    good(w, text, "list");
    assert_string_equal(w->o.archive, "/b");
    assert_int_equal(w->o.npaths, 0);
    good(w, text, "rekey");
    assert_string_equal(w->o.archive, "/b");
    assert_null(w->o.output);
    good(w, "directory = /b/\n", "backup s");
    assert_string_equal(w->o.output, "/b/");
}

static void test_operands_of_the_command_line_win(void **state)
{
    static const char text[] = "source = /srv\ndirectory = /b\n";
    struct world *w = *state;
    good(w, text, "backup -o - /else");
    assert_string_equal(w->o.place, "/else");
    assert_string_equal(w->o.output, "-");
    good(w, text, "verify -");
    assert_string_equal(w->o.archive, "-");
    assert_true(w->o.passphrase.stdin_is_archive);
    good(w, text, "list a p");
    assert_string_equal(w->o.archive, "a");
    assert_int_equal(w->o.npaths, 1);
}

static void test_nothing_else_is_taken_from_them(void **state)
{
    static const char text[] = "source = /srv\ndirectory = /b\n";
    struct world *w = *state;
    bad_as(w, ERR_USAGE, text, "restore", "missing");
    assert_non_null(strstr(w->err.hint, w->file));
    bad_as(w, ERR_USAGE, text, "restore a", "missing");
    bad_as(w, ERR_USAGE, text, "diff a", "missing");
    bad_as(w, ERR_USAGE, text, "info", "missing");
    bad_as(w, ERR_USAGE, "directory = /b\n", "backup", "missing");
    bad_as(w, ERR_USAGE, "source = /srv\n", "verify", "missing");
}

static void test_places_are_absolute_and_said_once(void **state)
{
    struct world *w = *state;
    bad(w, "source = srv\n", 1, "absolute");
    bad(w, "source = -\n", 1, "absolute");
    bad(w, "directory = ./b\n", 1, "absolute");
    bad(w, "output = /b/x\ndirectory = /b\n", 2, "line 1 says output");
    bad(w, "directory = /b\noutput = /b/x\n", 2, "line 1 says directory");
}

/* ---- the command line has the last word ---- */

static void test_the_command_line_wins(void **state)
{
    struct world *w = *state;
    good(w, "level = 9\nname = of-file\noutput = /f\nstall-timeout = 7\n",
         "backup --level 2 --name of-line -o /l s");
    assert_int_equal(w->o.level, 2);
    assert_string_equal(w->o.name, "of-line");
    assert_string_equal(w->o.output, "/l");
    assert_int_equal(w->o.stall, 7);
}

static void test_what_can_be_repeated_counts_from_both(void **state)
{
    struct world *w = *state;
    good(w, "exclude = *.log\naccept = x\nadd = /1\n",
         "backup --exclude *.tmp --accept y --add /2 s");
    assert_true(glob_excludes(w->o.excludes, "a.log", false));
    assert_true(glob_excludes(w->o.excludes, "a.tmp", false));
    assert_int_equal(w->o.naccept, 2);
    assert_int_equal(w->o.nadd, 2);
}

static void test_a_source_of_the_command_line_replaces_the_files(void **state)
{
    struct world *w = *state;
    good(w, "passphrase-file = /f\n", "verify a");
    assert_true(w->o.passphrase_given);
    good(w, "passphrase-file = /f\n", "verify --passphrase-fd 0 a");
    assert_null(w->o.passphrase.file);
    assert_int_equal(w->o.passphrase.fd, 0);
    good(w, "passphrase-command = c\n", "verify --passphrase-file /l a");
    assert_null(w->o.passphrase.command);
    assert_string_equal(w->o.passphrase.file, "/l");
    good(w, "passphrase-file = /f\n", "verify --passphrase-file /l a");
    assert_string_equal(w->o.passphrase.file, "/l");
    good(w, "passphrase-file = /f\nnew-passphrase-file = /n\n",
         "rekey --new-passphrase-command c a");
    assert_string_equal(w->o.passphrase.file, "/f");
    assert_null(w->o.new_source.file);
    bad_as(w, ERR_USAGE, "passphrase-file = /f\n",
           "verify --passphrase-file /l --passphrase-file /m a", "twice");
}

static void test_consent_goes_with_the_source_it_was_given_for(void **state)
{
    static const char text[] = "passphrase-file = /f\npassphrase-file-insecure = yes\n";
    struct world *w = *state;
    good(w, text, "verify a");
    assert_true(w->o.passphrase.file_insecure);
    good(w, text, "verify --passphrase-file /l a");
    assert_false(w->o.passphrase.file_insecure);
    good(w, text, "verify --passphrase-file /l --passphrase-file-insecure a");
    assert_true(w->o.passphrase.file_insecure);
    good(w, "passphrase-file-insecure = yes\n", "verify --passphrase-file /l a");
    assert_true(w->o.passphrase.file_insecure);
}

static void test_two_sources_in_one_file_are_refused(void **state)
{
    struct world *w = *state;
    bad(w, "passphrase-file = /f\npassphrase-command = c\n", 2, "second source");
    bad(w, "passphrase-fd = 3\npassphrase-file = /f\n", 2, "second source");
}

static void test_a_contradiction_tells_that_there_is_a_file(void **state)
{
    struct world *w = *state;
    bad_as(w, ERR_USAGE, "before = a\n", "backup --stop-services s", "--before");
    assert_non_null(strstr(w->err.hint, w->file));
}

/* ---- the file itself ---- */

static void test_a_name_is_a_file_in_the_directory(void **state)
{
    struct world *w = *state;
    struct config *c;
    write_bytes(w, "level = 9\n", 10);
    w->o = (struct options){.command = COMMAND_BACKUP, .name = "pmm-data"};
    w->o.passphrase.fd = w->o.new_source.fd = -1;
    assert_int_equal(config_read(&c, w->dir, "pmm", &w->o, &w->err), 0);
    assert_int_equal(w->o.level, 9);
    assert_string_equal(w->o.name, "pmm");
    config_free(c);
    write_bytes(w, "name = other\n", 13);
    assert_int_equal(config_read(&c, w->dir, "pmm", &w->o, &w->err), 0);
    assert_string_equal(w->o.name, "other");
    config_free(c);
    w->o.name = NULL;
}

static void test_a_name_that_archives_cannot_have_has_no_default_for_it(void **state)
{
    struct world *w = *state;
    struct config *c;
    char file[80];
    snprintf(file, sizeof file, "%s/a b.conf", w->dir);
    write_bytes(w, "level = 9\n", 10);
    assert_int_equal(rename(w->file, file), 0);
    w->o = (struct options){.command = COMMAND_BACKUP, .name = "pmm-data"};
    w->o.passphrase.fd = w->o.new_source.fd = -1;
    int rc = config_read(&c, w->dir, "a b", &w->o, &w->err);
    unlink(file);
    assert_int_equal(rc, 0);
    assert_null(w->o.name); /* options_parse asks for one */
    config_free(c);
}

static void test_verbose_takes_back_quiet(void **state)
{
    struct world *w = *state;
    good(w, "quiet = yes\n", "backup s");
    assert_true(w->o.quiet);
    good(w, "quiet = yes\n", "backup -v s");
    assert_false(w->o.quiet);
}

static void test_a_path_gives_its_name_too(void **state)
{
    struct world *w = *state;
    good(w, "level = 9\n", "backup s");
    assert_string_equal(w->o.name, "pmm");
}

static void test_a_missing_file_is_an_error(void **state)
{
    struct world *w = *state;
    struct config *c;
    bad_as(w, ERR_FAIL, NULL, "backup s", w->file);
    forget(w);
    w->o.command = COMMAND_BACKUP;
    assert_int_equal(config_read(&c, w->dir, "pmm", &w->o, &w->err), -1);
    config_free(c);
    assert_non_null(strstr(w->err.text, w->file));
    assert_non_null(strstr(w->err.hint, "./"));
}

static void test_a_file_that_others_can_write_is_refused(void **state)
{
    static const mode_t modes[] = {0620, 0602, 0666, 0664};
    struct world *w = *state;
    char want[120];
    snprintf(want, sizeof want, "chmod go-w %s", w->file);
    write_bytes(w, "before = x\n", 11);
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        assert_int_equal(chmod(w->file, modes[i]), 0);
        bad_as(w, ERR_REFUSED, NULL, "backup s", w->file);
        assert_string_equal(w->err.hint, want);
    }
    assert_int_equal(chmod(w->file, 0644), 0);
    good(w, NULL, "backup s");
}

static void test_a_file_of_another_user_is_refused(void **state)
{
    struct world *w = *state;
    if (geteuid() != 0) {
        print_message("needs root to give a file away\n");
        skip();
    }
    write_bytes(w, "before = x\n", 11);
    assert_int_equal(chown(w->file, 12345, 0), 0);
    bad_as(w, ERR_REFUSED, NULL, "backup s", w->file);
    assert_non_null(strstr(w->err.hint, "chown root "));
    assert_null(strstr(w->err.hint, "chmod"));
    assert_int_equal(chmod(w->file, 0666), 0);
    bad_as(w, ERR_REFUSED, NULL, "backup s", w->file);
    assert_non_null(strstr(w->err.hint, "chown root "));
    assert_non_null(strstr(w->err.hint, "chmod go-w "));
}

static void test_the_callers_own_and_roots_are_taken(void **state)
{
    struct world *w = *state;
    if (geteuid() != 0) {
        print_message("needs root to become another user\n");
        skip();
    }
    assert_int_equal(chmod(w->dir, 0755), 0);
    write_bytes(w, "level = 9\n", 10);
    assert_int_equal(chmod(w->file, 0644), 0);
    assert_int_equal(seteuid(12345), 0);
    int of_root = parse(w, NULL, "backup s");
    assert_int_equal(seteuid(0), 0);
    assert_int_equal(chown(w->file, 12345, 0), 0);
    assert_int_equal(seteuid(12345), 0);
    int own = parse(w, NULL, "backup s");
    assert_int_equal(seteuid(0), 0);
    assert_int_equal(of_root, 0);
    assert_int_equal(own, 0);
}

static void test_what_is_no_file_does_not_hang(void **state)
{
    struct world *w = *state;
    assert_int_equal(mkfifo(w->file, 0600), 0);
    bad_as(w, ERR_FAIL, NULL, "backup s", "no regular file");
    unlink(w->file);
    assert_int_equal(mkdir(w->file, 0700), 0);
    bad_as(w, ERR_FAIL, NULL, "backup s", "no regular file");
    assert_int_equal(rmdir(w->file), 0);
}

static void test_help_reads_no_file(void **state)
{
    struct world *w = *state;
    good(w, NULL, "backup -h");
    assert_true(w->o.help);
    good(w, NULL, "verify -V");
    assert_true(w->o.version);
}

static void test_one_file_only(void **state)
{
    struct world *w = *state;
    bad_as(w, ERR_USAGE, "level = 3\n", "backup --config /x s",
           "--config: given twice");
    bad_as(w, ERR_USAGE, "level = 3\n", "backup --config= s",
           "--config: the argument is empty");
}

static void test_the_example_is_a_good_file(void **state)
{
    struct world *w = *state;
    static char text[CONFIG_MAX + 1];
    char path[512];
    const char *top = getenv("srcdir");
    snprintf(path, sizeof path, "%s/contrib/examples/pmm.conf", top ? top : ".");
    FILE *f = fopen(path, "re");
    if (f == NULL && top == NULL) {
        print_message("no %s, and no $srcdir\n", path);
        skip();
    }
    assert_non_null(f);
    text[fread(text, 1, CONFIG_MAX, f)] = '\0';
    fclose(f);
    good(w, text, "backup");
    assert_non_null(w->o.place);
    good(w, text, "verify");
    good(w, text, "rekey");
    good(w, text, "prune");
    /* And so is what it shows in comments: "#key = value", without a blank. */
    for (char *p = text; (p = strstr(p, "\n#")) != NULL; p++)
        if (p[2] >= 'a' && p[2] <= 'z')
            p[1] = '\n';
    good(w, text, "backup");
    good(w, text, "list");
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, make, unmake)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_keys_are_the_long_options),
        TEST(test_an_empty_file_says_nothing),
        TEST(test_a_command_is_never_cut),
        TEST(test_a_long_line_arrives_whole),
        TEST(test_a_file_too_long_is_refused_and_not_cut),
        TEST(test_a_value_does_not_go_on_in_the_next_line),
        TEST(test_what_is_no_setting_is_an_error),
        TEST(test_a_zero_byte_is_an_error),
        TEST(test_a_key_no_command_has_is_named),
        TEST(test_a_passphrase_in_clear_is_refused_and_not_repeated),
        TEST(test_one_file_serves_all_commands),
        TEST(test_words_with_another_sense_elsewhere_are_those_of_backup),
        TEST(test_what_only_one_run_does_is_no_setting),
        TEST(test_flags_are_yes_or_no),
        TEST(test_what_can_be_repeated_may_be),
        TEST(test_nothing_else_may_be_given_twice),
        TEST(test_bad_values_are_named_with_their_place),
        TEST(test_source_and_directory_stand_for_operands),
        TEST(test_operands_of_the_command_line_win),
        TEST(test_nothing_else_is_taken_from_them),
        TEST(test_places_are_absolute_and_said_once),
        TEST(test_the_command_line_wins),
        TEST(test_what_can_be_repeated_counts_from_both),
        TEST(test_a_source_of_the_command_line_replaces_the_files),
        TEST(test_consent_goes_with_the_source_it_was_given_for),
        TEST(test_two_sources_in_one_file_are_refused),
        TEST(test_a_contradiction_tells_that_there_is_a_file),
        TEST(test_a_name_is_a_file_in_the_directory),
        TEST(test_a_name_that_archives_cannot_have_has_no_default_for_it),
        TEST(test_verbose_takes_back_quiet),
        TEST(test_a_path_gives_its_name_too),
        TEST(test_a_missing_file_is_an_error),
        TEST(test_a_file_that_others_can_write_is_refused),
        TEST(test_a_file_of_another_user_is_refused),
        TEST(test_the_callers_own_and_roots_are_taken),
        TEST(test_what_is_no_file_does_not_hang),
        TEST(test_help_reads_no_file),
        TEST(test_one_file_only),
        TEST(test_the_example_is_a_good_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
