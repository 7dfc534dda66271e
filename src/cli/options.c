#include "cli/options.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "cli/config.h"
#include "cli/syntax.h"
#include "cli/values.h"

#define LONG_BASE 256 /* getopt's value of a long option: this plus its row */

static void set_defaults(struct options *o)
{
    *o = (struct options){
        .command = COMMAND_NONE, .level = 3, .name = "pmm-data", .max_deletes = 10};
    o->owner = EXTRACT_OWNER_NUMERIC;
    o->passphrase = (struct passphrase_opts){.fd = -1,
                                             .what = "passphrase",
                                             .option_prefix = "passphrase",
                                             .env_prefix = "PMM_SEAL_PASSPHRASE"};
    o->new_source = (struct passphrase_opts){.fd = -1,
                                             .what = "new passphrase",
                                             .option_prefix = "new-passphrase",
                                             .env_prefix = "PMM_SEAL_NEW_PASSPHRASE",
                                             .confirm = true};
    kdf_limits_default(&o->kdf_limits);
    kdf_cost_named("moderate", &o->cost);
}

/* ---- getopt's view of the rows of one command ---- */

struct grammar {
    struct option *longs;
    char *letters;
};

static void grammar_free(struct grammar *g)
{
    free(g->longs);
    free(g->letters);
}

static int grammar_make(struct grammar *g, enum command command, struct err *err)
{
    size_t n = 0, k = 0;
    g->longs = calloc(syntax_options_count + 1, sizeof *g->longs);
    g->letters = calloc(2 * syntax_options_count + 2, 1);
    if (g->longs == NULL || g->letters == NULL)
        return err_nomem(err);
    g->letters[k++] = ':';
    for (size_t i = 0; i < syntax_options_count; i++) {
        const struct syntax_option *row = &syntax_options[i];
        if ((row->commands & 1u << command) == 0)
            continue;
        int arg = row->kind == SYNTAX_FLAG ? no_argument : required_argument;
        g->longs[n++] = (struct option){row->name, arg, NULL, LONG_BASE + (int)i};
        if (row->letter != 0)
            g->letters[k++] = row->letter;
        if (row->letter != 0 && arg == required_argument)
            g->letters[k++] = ':';
    }
    return 0;
}

/* The row that getopt's value means for this command, or NULL. */
static const struct syntax_option *find_row(int value, enum command command)
{
    if (value >= LONG_BASE)
        return &syntax_options[value - LONG_BASE];
    for (size_t i = 0; i < syntax_options_count; i++)
        if (value != 0 && syntax_options[i].letter == value &&
            (syntax_options[i].commands & 1u << command) != 0)
            return &syntax_options[i];
    return NULL;
}

/* ---- what can be wrong with one option ---- */

/* The command that takes the option `--name` (of `len` bytes), or COMMAND_NONE. */
static enum command owner_of(const char *name, size_t len)
{
    for (size_t i = 0; i < syntax_options_count; i++) {
        const struct syntax_option *row = &syntax_options[i];
        if (strlen(row->name) != len || memcmp(row->name, name, len) != 0)
            continue;
        for (int c = 0; c < COMMAND_COUNT; c++)
            if ((row->commands & 1u << c) != 0)
                return (enum command)c;
    }
    return COMMAND_NONE;
}

/* Never shows what stands after '=': it may be a secret in the wrong place. */
static int unknown_long(const char *token, struct err *err)
{
    const char *name = token + 2;
    size_t len = strcspn(name, "=");
    int shown = len < 60 ? (int)len : 60;
    enum command owner = owner_of(name, len);
    if (owner != COMMAND_NONE)
        return err_set(err, ERR_USAGE, "--%.*s is an option of %s, not of this command",
                       shown, name, syntax_commands[owner].name);
    err_set(err, ERR_USAGE, "no such option: --%.*s", shown, name);
    if (strncmp(name, "pass", 4) == 0 || strncmp(name, "new-pass", 8) == 0)
        err_hint(err, "a passphrase is never an argument: use --passphrase-file, "
                      "--passphrase-fd, --passphrase-command, or PMM_SEAL_PASSPHRASE "
                      "in the environment");
    return -1;
}

/* getopt returned '?': `token` is the argument it stopped at. */
static int bad_option(const char *token, enum command command, struct err *err)
{
    const struct syntax_option *row = find_row(optopt, command);
    if (row != NULL)
        return err_set(err, ERR_USAGE, "--%s takes no argument", row->name);
    if (optopt != 0)
        return err_set(err, ERR_USAGE, "no such option: -%c", optopt);
    return unknown_long(token, err);
}

/* Abbreviations would break scripts the day another option is added. */
static int abbreviated(const char *token, const struct syntax_option *row,
                       struct err *err)
{
    size_t n = strcspn(token + 2, "=");
    if (n == strlen(row->name))
        return 0;
    return err_set(err, ERR_USAGE, "no such option: --%.*s (is --%s meant?)", (int)n,
                   token + 2, row->name);
}

/* ---- the command line ---- */

struct given {
    const struct syntax_option *row;
    const char *arg;
};

/* Its options, in its order. */
struct line {
    struct given *given;
    size_t n, cap;
};

static int line_add(struct line *l, const struct syntax_option *row, const char *arg,
                    struct err *err)
{
    if (l->n == l->cap) {
        size_t cap = l->cap * 2 + 8;
        struct given *more = reallocarray(l->given, cap, sizeof *more);
        if (more == NULL)
            return err_nomem(err);
        l->given = more;
        l->cap = cap;
    }
    l->given[l->n++] = (struct given){row, arg};
    return 0;
}

/* `argv` begins with the command. Leaves optind at the first operand. */
static int line_read(struct line *l, enum command command, const struct grammar *g,
                     int argc, char **argv, struct err *err)
{
    opterr = 0;
    optind = 0; /* glibc: start anew */
    for (int v; (v = getopt_long(argc, argv, g->letters, g->longs, NULL)) != -1;) {
        if (v == '?')
            return bad_option(argv[optind - 1], command, err);
        const struct syntax_option *row = find_row(v == ':' ? optopt : v, command);
        if (row == NULL)
            return err_set(err, ERR_USAGE, "no such option");
        if (v == ':')
            return err_set(err, ERR_USAGE, "--%s needs an argument: %s", row->name,
                           row->arg);
        const char *token = argv[optind - 1];
        if (optarg == token)
            token = argv[optind - 2];
        if (v >= LONG_BASE && abbreviated(token, row, err) != 0)
            return -1;
        if (line_add(l, row, optarg, err) != 0)
            return -1;
    }
    return 0;
}

static bool line_has(const struct line *l, const char *name)
{
    for (size_t i = 0; i < l->n; i++)
        if (strcmp(l->given[i].row->name, name) == 0)
            return true;
    return false;
}

static int line_apply(const struct line *l, struct options *o, struct err *err)
{
    for (size_t i = 0; i < l->n; i++)
        if (syntax_apply(o, l->given[i].row, l->given[i].arg, err) != 0)
            return -1;
    return 0;
}

/* ---- the file below it ---- */

static bool has_source(const struct passphrase_opts *p)
{
    return p->file != NULL || p->fd >= 0 || p->command != NULL;
}

/* A source of the command line takes the place of the file's, whose consent to
 * --passphrase-file-insecure was for that one. */
static void forget_sources(struct options *o, const struct line *l)
{
    for (size_t i = 0; i < l->n; i++) {
        const struct syntax_option *row = l->given[i].row;
        if (row->set != values_file && row->set != values_fd &&
            row->set != values_command)
            continue;
        struct passphrase_opts *p =
            strncmp(row->name, "new-", 4) == 0 ? &o->new_source : &o->passphrase;
        if (has_source(p))
            p->file_insecure = false;
        p->file = p->command = NULL;
        p->fd = -1;
    }
}

/* The argument of --config, or for check-config the first operand; NULL: no file. */
static int find_file(const struct options *o, const struct line *l, const char *operand,
                     const char **which, struct err *err)
{
    *which = o->command == COMMAND_CHECK_CONFIG ? operand : NULL;
    for (size_t i = 0; i < l->n; i++) {
        if (strcmp(l->given[i].row->name, "config") != 0)
            continue;
        if (o->command == COMMAND_CHECK_CONFIG)
            return err_set(err, ERR_USAGE,
                           "check-config: the file is its argument, without --config");
        if (*which != NULL)
            return err_set(err, ERR_USAGE, "--config: given twice");
        *which = l->given[i].arg;
        if (*which[0] == '\0')
            return err_set(err, ERR_USAGE, "--config: the argument is empty");
    }
    if (*which != NULL && *which[0] == '\0')
        *which = NULL; /* an empty operand: told as such later */
    return 0;
}

/* Before the command line is applied: it has the last word. */
static int apply_file(struct options *o, const struct line *l, const char *operand,
                      struct err *err)
{
    const char *which;
    if (line_has(l, "help") || line_has(l, "version"))
        return 0;
    if (find_file(o, l, operand, &which, err) != 0)
        return -1;
    if (which == NULL)
        return 0;
    if (config_read(&o->config_file, CONFIG_DIR, which, o, err) != 0)
        return -1;
    /* `quiet` is meant for the night, not for who looks at it. */
    if (o->command == COMMAND_CHECK_CONFIG || line_has(l, "verbose"))
        o->quiet = false;
    forget_sources(o, l);
    return 0;
}

/* The operand that the file has for this command, or NULL. */
static const char *file_operand(const struct options *o)
{
    switch (o->command) {
    case COMMAND_BACKUP:
        return o->source;
    case COMMAND_VERIFY:
    case COMMAND_LIST:
    case COMMAND_REKEY:
    case COMMAND_PRUNE:
        return o->directory;
    default:
        return NULL;
    }
}

/* ---- the whole ---- */

static int operands(struct options *o, int n, char **v, struct err *err)
{
    const struct syntax_command *c = &syntax_commands[o->command];
    char *alone = (char *)file_operand(o);
    if (n == 0 && alone != NULL) {
        v = &alone;
        n = 1;
    }
    if (n < c->min)
        return err_set(err, ERR_USAGE, "%s: something is missing: pmm-seal %s %s",
                       c->name, c->name, c->operands);
    if (c->max >= 0 && n > c->max)
        return err_set(err, ERR_USAGE, "%s: one argument too many: %s", c->name,
                       v[c->max]);
    for (int i = 0; i < n; i++) {
        if (v[i][0] != '\0')
            continue;
        err_set(err, ERR_USAGE, "%s: an argument is empty", c->name);
        return err_hint(err, "is a variable of the calling script not set?");
    }

    if (o->command != COMMAND_BACKUP) {
        o->archive = *v++;
        n--;
    }
    if (o->command == COMMAND_BACKUP || o->command == COMMAND_RESTORE ||
        o->command == COMMAND_DIFF) {
        o->place = *v++;
        n--;
        if (strcmp(o->place, "-") == 0)
            return err_set(err, ERR_USAGE, "%s: \"-\" is no directory", c->name);
    }
    if (o->command == COMMAND_CHECK_CONFIG) {
        o->place = o->source;
        if (o->place == NULL)
            return err_set(err, ERR_USAGE, "%s: no line \"source = ...\"", o->archive);
    }
    o->paths = n > 0 ? (const char *const *)v : NULL;
    o->npaths = (size_t)n;
    return 0;
}

/* A salvage makes a directory of files to look through, not a volume. */
static int check_salvage(const struct options *o, struct err *err)
{
    const char *with = o->replace         ? "--replace"
                       : o->dry_run       ? "--dry-run"
                       : o->stop_services ? "--stop-services"
                       : o->npaths > 0    ? "a PATH"
                                          : NULL;
    if (with != NULL) {
        err_set(err, ERR_USAGE, "--salvage does not go with %s", with);
        return err_hint(err, "it saves all it can to a new directory");
    }
    if (strcmp(o->archive, "-") == 0) {
        err_set(err, ERR_USAGE, "--salvage needs the archive as a file");
        return err_hint(err, "it has to be searched: copy it to a disk first");
    }
    return 0;
}

/* Options that make no sense together. */
static int check(const struct options *o, struct err *err)
{
    if (o->json && (o->list_long || o->nul))
        return err_set(err, ERR_USAGE, "--json does not go with --long or --null");
    if (o->no_owner && o->owner_given)
        return err_set(err, ERR_USAGE, "--owner and --no-owner contradict each other");
    if (o->add + o->remove + o->heal > 1)
        return err_set(err, ERR_USAGE, "only one of --add, --remove and --heal");
    if ((o->remove || o->heal) && has_source(&o->new_source))
        return err_set(err, ERR_USAGE, "--%s needs no new passphrase",
                       o->remove ? "remove" : "heal");
    if (o->stop_services && (o->before != NULL || o->after != NULL))
        return err_set(err, ERR_USAGE,
                       "--stop-services does what --before and --after would do");
    if (o->command == COMMAND_RESTORE && o->stop_services && !o->replace)
        return err_set(err, ERR_USAGE,
                       "--stop-services: the volume of a running server has content, "
                       "say --replace as well");
    if (o->salvage && check_salvage(o, err) != 0)
        return -1;
    if (o->json && o->attached != NULL)
        return err_set(err, ERR_USAGE, "--json does not go with --attached");
    if (o->verify && o->no_verify)
        return err_set(err, ERR_USAGE,
                       "--verify and --no-verify contradict each other");
    if (o->command == COMMAND_PRUNE && !keep_rules_given(&o->keep)) {
        err_set(err, ERR_USAGE, "prune: which archives are to stay?");
        return err_hint(err,
                        "say --keep-last, --keep-daily, --keep-within or the like");
    }
    if (o->name == NULL &&
        (o->command == COMMAND_BACKUP || o->command == COMMAND_PRUNE ||
         o->command == COMMAND_VERIFY || o->command == COMMAND_CHECK_CONFIG)) {
        err_set(err, ERR_USAGE, "archives cannot have the name of the configuration");
        return err_hint(err, "say another one in it: name = NAME, of letters, digits, "
                             "\".\", \"_\" and \"-\"");
    }
    if (o->command == COMMAND_REKEY && o->force && o->output == NULL)
        return err_set(err, ERR_USAGE, "rekey: --force goes with --output only");
    return 0;
}

static void finish(struct options *o)
{
    if (o->command == COMMAND_BACKUP && o->output == NULL)
        o->output = "-"; /* as age does; a terminal is refused later */
    if (o->command == COMMAND_CHECK_CONFIG)
        o->dry_run = true;
    if (!o->stall_given && (o->stop_services || o->before || o->after))
        o->stall = 600;
    if (o->command == COMMAND_RESTORE && o->no_owner)
        o->owner = EXTRACT_OWNER_CALLER;
    if (o->progress == PROGRESS_AUTO && (o->quiet || o->json))
        o->progress = PROGRESS_NONE;
    o->passphrase.confirm = o->command == COMMAND_BACKUP;
    o->passphrase.stdin_is_archive = o->archive != NULL && strcmp(o->archive, "-") == 0;
    o->new_source.stdin_is_archive = o->passphrase.stdin_is_archive;
    o->passphrase_given = has_source(&o->passphrase) ||
                          getenv("PMM_SEAL_PASSPHRASE") != NULL ||
                          getenv("PMM_SEAL_PASSPHRASE_FILE") != NULL ||
                          getenv("PMM_SEAL_PASSPHRASE_COMMAND") != NULL;
}

static int parse_command(struct options *o, int argc, char **argv, struct err *err)
{
    struct grammar g = {0};
    struct line l = {0};
    int rc = grammar_make(&g, o->command, err);
    if (rc == 0)
        rc = line_read(&l, o->command, &g, argc, argv, err);
    if (rc == 0)
        rc = apply_file(o, &l, optind < argc ? argv[optind] : NULL, err);
    if (rc == 0)
        rc = line_apply(&l, o, err);
    free(l.given);
    grammar_free(&g);
    if (rc != 0 || o->help || o->version)
        return rc;
    if (operands(o, argc - optind, argv + optind, err) != 0 || check(o, err) != 0)
        return o->config == NULL
                   ? -1
                   : err_hint(err, "options also came from --config %s", o->config);
    finish(o);
    return 0;
}

/* The first argument: a command, or one of the few things that need none. */
static int parse_first(struct options *o, int argc, char **argv, struct err *err)
{
    if (argc < 2)
        return err_set(err, ERR_USAGE, "what is to be done? No command given");
    const char *first = argv[1];
    if (strcmp(first, "-V") == 0 || strcmp(first, "--version") == 0) {
        o->version = true;
        return 0;
    }
    bool help = strcmp(first, "help") == 0;
    if (strcmp(first, "-h") == 0 || strcmp(first, "--help") == 0 ||
        (help && argc == 2)) {
        o->help = true;
        return 0;
    }
    if (help)
        first = argv[2];
    if (first[0] == '-' && !help)
        return err_set(err, ERR_USAGE, "the command comes first, before any option");
    o->command = syntax_find(first);
    if (o->command == COMMAND_NONE)
        return err_set(err, ERR_USAGE, "no such command: %.60s", first);
    o->help = help;
    return help ? 0 : parse_command(o, argc - 1, argv + 1, err);
}

int options_parse(struct options *o, int argc, char **argv, struct err *err)
{
    set_defaults(o);
    if (parse_first(o, argc, argv, err) == 0)
        return 0;
    if (err->cls != ERR_USAGE)
        return -1;
    if (o->command == COMMAND_NONE)
        return err_hint(err, "pmm-seal -h shows the commands");
    return err_hint(err, "pmm-seal %s -h shows its options",
                    syntax_commands[o->command].name);
}

void options_free(struct options *o)
{
    glob_free(o->excludes);
    free(o->accept);
    free(o->add_files);
    free(o->attach_files);
    config_free(o->config_file);
}

bool options_to_stdout(const struct options *o)
{
    return !o->dry_run && !o->show_excludes && o->output != NULL &&
           strcmp(o->output, "-") == 0;
}
