#include "cli/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/syntax.h"
#include "store/archives.h"
#include "util/buf.h"
#include "util/io.h"

#define SUFFIX      ".conf"
#define BLANKS      " \t\r"
#define KEY_LETTERS "abcdefghijklmnopqrstuvwxyz0123456789-"
#define KEY_SHOWN   60 /* bytes of an unknown key in a message */

struct setting {
    const char *key, *value;
    unsigned line;
};

struct config {
    enum command command; /* whose keys count */
    char *path;
    struct buf text; /* of the file; keys and values end with a NUL in place */
    struct setting *settings;
    size_t n;
    char *into; /* `directory` with a '/' at its end */
    char *name; /* that of the file, without ".conf" */
};

static bool among(const char *word, const char *const *words)
{
    while (*words != NULL && strcmp(word, *words) != 0)
        words++;
    return *words != NULL;
}

/* ---- the file ---- */

/* It names commands, which root may run: nobody else may have a hand in it. */
static int check_rights(const struct config *c, int fd, struct err *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return err_sys(err, ERR_FAIL, "cannot read the configuration: %s", c->path);
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_FAIL, "the configuration is no regular file: %s",
                       c->path);
    bool writable = (st.st_mode & (S_IWGRP | S_IWOTH)) != 0;
    if (st.st_uid != 0 && st.st_uid != geteuid()) {
        err_set(err, ERR_REFUSED,
                "the configuration belongs to neither root nor the caller: %s",
                c->path);
        return err_hint(err, "chown root %s%s%s", c->path,
                        writable ? " && chmod go-w " : "", writable ? c->path : "");
    }
    if (writable) {
        err_set(err, ERR_REFUSED, "others can change the configuration: %s", c->path);
        return err_hint(err, "chmod go-w %s", c->path);
    }
    return 0;
}

static int read_all(struct config *c, int fd, struct err *err)
{
    if (buf_reserve(&c->text, CONFIG_MAX + 2) != 0)
        return err_nomem(err);
    ssize_t n = io_read(fd, c->text.p, CONFIG_MAX + 1);
    if (n < 0)
        return err_sys(err, ERR_FAIL, "cannot read the configuration: %s", c->path);
    if ((size_t)n > CONFIG_MAX)
        return err_set(err, ERR_USAGE, "the configuration is longer than %u bytes: %s",
                       CONFIG_MAX, c->path);
    c->text.len = (size_t)n;
    return buf_add(&c->text, "", 1) == 0 ? 0 : err_nomem(err);
}

static int load(struct config *c, bool named, struct err *err)
{
    int fd = open(c->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        bool none = errno == ENOENT;
        err_sys(err, ERR_FAIL, "cannot read the configuration: %s", c->path);
        return named && none ? err_hint(err, "a file elsewhere is given as a path, "
                                             "with a '/': ./FILE")
                             : -1;
    }
    int rc = check_rights(c, fd, err);
    if (rc == 0)
        rc = read_all(c, fd, err);
    close(fd);
    return rc;
}

/* ---- lines ---- */

static int bad_line(const struct config *c, unsigned line, const char *why,
                    struct err *err)
{
    return err_set(err, ERR_USAGE, "%s:%u: %s", c->path, line, why);
}

/* Tabs apart; and a CR may stand before the end of the line. */
static bool has_control(const char *s)
{
    for (; *s != '\0'; s++) {
        unsigned char b = (unsigned char)*s;
        if ((b < ' ' && b != '\t' && (b != '\r' || s[1] != '\0')) || b == 0x7f)
            return true;
    }
    return false;
}

static void trim_end(char *s)
{
    size_t n = strlen(s);
    while (n > 0 && strchr(BLANKS, s[n - 1]) != NULL)
        n--;
    s[n] = '\0';
}

/* A setting of one line (`len` bytes and a NUL), if it holds one. */
static int cut_line(struct config *c, char *s, size_t len, unsigned line,
                    struct err *err)
{
    if (strlen(s) != len || has_control(s))
        return bad_line(c, line, "a control byte", err);
    trim_end(s);
    size_t indent = strspn(s, BLANKS);
    if (s[indent] == '\0' || s[indent] == '#' || s[indent] == ';')
        return 0;
    if (indent > 0)
        return bad_line(c, line,
                        "the line is indented: each line is a key of its own, a value "
                        "does not go on in the next",
                        err);
    if (s[0] == '[')
        return bad_line(c, line, "there are no sections: a file is all of one", err);
    char *equals = strchr(s, '=');
    if (equals == NULL)
        return bad_line(c, line, "not of the form KEY = VALUE", err);
    *equals = '\0';
    trim_end(s);
    if (s[0] == '\0' || s[strspn(s, KEY_LETTERS)] != '\0')
        return bad_line(c, line,
                        "not of the form KEY = VALUE: keys are options without the --",
                        err);
    char *value = equals + 1 + strspn(equals + 1, BLANKS);
    if (value[0] != '\0' && value[strlen(value) - 1] == '\\')
        return bad_line(c, line,
                        "a \\ at the end of the line: a value does not go on in the "
                        "next",
                        err);
    c->settings[c->n++] = (struct setting){.key = s, .value = value, .line = line};
    return 0;
}

static int cut(struct config *c, struct err *err)
{
    char *s = (char *)c->text.p;
    char *end = s + c->text.len - 1; /* at the NUL that read_all put there */
    size_t lines = 1;
    for (const char *p = s; p < end; p++)
        lines += *p == '\n';
    c->settings = calloc(lines, sizeof *c->settings);
    if (c->settings == NULL)
        return err_nomem(err);
    for (unsigned line = 1; s < end; line++) {
        char *newline = memchr(s, '\n', (size_t)(end - s));
        if (newline == NULL)
            newline = end;
        *newline = '\0';
        if (cut_line(c, s, (size_t)(newline - s), line, err) != 0)
            return -1;
        s = newline + 1;
    }
    return 0;
}

/* ---- keys ---- */

static int bad_setting(const struct config *c, const struct setting *e, const char *why,
                       struct err *err)
{
    return err_set(err, ERR_USAGE, "%s:%u: %s: %s", c->path, e->line, e->key, why);
}

/* The same for an error that an option has found: where it stands, without dashes. */
static int retell(const struct config *c, const struct setting *e,
                  const struct err *why, struct err *err)
{
    const char *text = why->text;
    text += strncmp(text, "--", 2) == 0 ? 2 : 0;
    err_set(err, why->cls, "%s:%u: %s", c->path, e->line, text);
    err->sys = why->sys;
    return why->hint[0] != '\0' ? err_hint(err, "%s", why->hint) : -1;
}

/* A setting above `e` with that key, or NULL. */
static const struct setting *above(const struct config *c, const struct setting *e,
                                   const char *key)
{
    for (const struct setting *p = c->settings; p < e; p++)
        if (strcmp(p->key, key) == 0)
            return p;
    return NULL;
}

/* The row of the option for `command`, or for any with COMMAND_NONE; or NULL. */
static const struct syntax_option *find_row(const char *key, enum command command)
{
    for (size_t i = 0; i < syntax_options_count; i++) {
        const struct syntax_option *row = &syntax_options[i];
        if (strcmp(row->name, key) == 0 &&
            (command == COMMAND_NONE || (row->commands & 1u << command) != 0))
            return row;
    }
    return NULL;
}

static int unknown(const struct config *c, const struct setting *e, struct err *err)
{
    err_set(err, ERR_USAGE, "%s:%u: no such key: %.*s", c->path, e->line, KEY_SHOWN,
            e->key);
    if (strncmp(e->key, "pass", 4) == 0 || strncmp(e->key, "new-pass", 8) == 0)
        err_hint(err, "a passphrase never stands in this file: use passphrase-file or "
                      "passphrase-command");
    return -1;
}

static bool operand(const struct setting *e)
{
    static const char *const operands[] = {"source", "directory", NULL};
    return among(e->key, operands);
}

/* Whether the key may stand here. */
static int check_key(const struct config *c, const struct setting *e, struct err *err)
{
    /* What one run does, not how runs are done. In a file, show-excludes would be a
     * night without a backup, and new-passphrase the end of a check for good. */
    static const char *const of_one_run[] = {
        "attached", "config",         "dry-run", "heal",          "help",    "json",
        "remove",   "new-passphrase", "salvage", "show-excludes", "version", NULL};
    static const char *const repeatable[] = {"accept",  "add",          "attach",
                                             "exclude", "exclude-from", NULL};
    if (!operand(e) && find_row(e->key, COMMAND_NONE) == NULL)
        return unknown(c, e, err);
    if (among(e->key, of_one_run))
        return bad_setting(c, e, "this belongs on the command line", err);
    if (e->value[0] == '\0')
        return bad_setting(c, e, "the value is empty", err);
    const struct setting *twin = among(e->key, repeatable) ? NULL : above(c, e, e->key);
    if (twin != NULL)
        return err_set(err, ERR_USAGE, "%s:%u: %s: given twice, first in line %u",
                       c->path, e->line, e->key, twin->line);
    const char *rival = strcmp(e->key, "output") == 0      ? "directory"
                        : strcmp(e->key, "directory") == 0 ? "output"
                                                           : "";
    twin = above(c, e, rival);
    if (twin != NULL)
        return err_set(err, ERR_USAGE,
                       "%s:%u: %s: line %u says %s: give one of the two", c->path,
                       e->line, e->key, twin->line, rival);
    return 0;
}

/* ---- values ---- */

/* It names a place for runs that begin anywhere. */
static int check_path(const struct config *c, const struct setting *e, struct err *err)
{
    static const char *const paths[] = {"add",          "attach",
                                        "directory",    "exclude-from",
                                        "metrics-file", "new-passphrase-file",
                                        "output",       "passphrase-file",
                                        "source",       NULL};
    if (e->value[0] == '/' || !among(e->key, paths) ||
        (strcmp(e->key, "output") == 0 && strcmp(e->value, "-") == 0))
        return 0;
    return bad_setting(c, e,
                       e->value[0] == '"' || e->value[0] == '\''
                           ? "not an absolute path: a value has no quotes around it"
                           : "not an absolute path",
                       err);
}

static int take_operand(struct config *c, const struct setting *e, struct options *o,
                        struct err *err)
{
    if (strcmp(e->key, "source") == 0) {
        o->source = e->value;
        return 0;
    }
    o->directory = e->value;
    if (c->command != COMMAND_BACKUP)
        return 0;
    /* The '/' keeps a directory that is missing from becoming a file of its name. */
    bool slash = e->value[strlen(e->value) - 1] == '/';
    if (asprintf(&c->into, "%s%s", e->value, slash ? "" : "/") < 0) {
        c->into = NULL;
        return err_nomem(err);
    }
    o->output = c->into;
    return 0;
}

/* 1, 0 or -1: none of the words. */
static int truth(const char *value)
{
    if (strcmp(value, "yes") == 0 || strcmp(value, "true") == 0)
        return 1;
    return strcmp(value, "no") == 0 || strcmp(value, "false") == 0 ? 0 : -1;
}

static bool two_sources(const struct passphrase_opts *p)
{
    return (p->file != NULL) + (p->fd >= 0) + (p->command != NULL) > 1;
}

static int take(struct config *c, const struct setting *e, struct options *o,
                struct err *err)
{
    static const char *const of_backup[] = {"add", "force", "output", "stop-services",
                                            NULL};
    struct err why = {0};
    if (check_key(c, e, err) != 0 || check_path(c, e, err) != 0)
        return -1;
    if (operand(e))
        return take_operand(c, e, o, err);
    const struct syntax_option *row = find_row(e->key, c->command);
    if (row == NULL || (c->command != COMMAND_BACKUP && among(e->key, of_backup)))
        return 0;
    int on = row->kind == SYNTAX_FLAG ? truth(e->value) : 1;
    if (on < 0)
        return bad_setting(c, e, "the value is neither yes nor no", err);
    if (on > 0 && syntax_apply(o, row, e->value, &why) != 0)
        return retell(c, e, &why, err);
    if (two_sources(&o->passphrase) || two_sources(&o->new_source))
        return bad_setting(c, e, "a second source of one passphrase: give only one",
                           err);
    return 0;
}

static int apply(struct config *c, struct options *o, struct err *err)
{
    for (size_t i = 0; i < c->n; i++)
        if (take(c, &c->settings[i], o, err) != 0)
            return -1;
    return 0;
}

/* The archives have the name of the file. If they cannot, one has to be said: with a
 * common default two files would delete each other's archives. */
static int name_archives(struct config *c, struct options *o, struct err *err)
{
    const char *slash = strrchr(c->path, '/');
    const char *base = slash != NULL ? slash + 1 : c->path;
    size_t n = strlen(base), suffix = strlen(SUFFIX);
    if (n > suffix && strcmp(base + n - suffix, SUFFIX) == 0)
        n -= suffix;
    c->name = strndup(base, n);
    if (c->name == NULL)
        return err_nomem(err);
    o->name = archives_name_ok(c->name) ? c->name : NULL;
    return 0;
}

int config_read(struct config **out, const char *dir, const char *which,
                struct options *o, struct err *err)
{
    struct config *c = *out = calloc(1, sizeof *c);
    if (c == NULL)
        return err_nomem(err);
    c->command = o->command == COMMAND_CHECK_CONFIG ? COMMAND_BACKUP : o->command;
    bool named = strchr(which, '/') == NULL;
    int n = named ? asprintf(&c->path, "%s/%s" SUFFIX, dir, which)
                  : asprintf(&c->path, "%s", which);
    if (n < 0) {
        c->path = NULL;
        return err_nomem(err);
    }
    if (name_archives(c, o, err) != 0 || load(c, named, err) != 0 || cut(c, err) != 0)
        return -1;
    return apply(c, o, err);
}

void config_free(struct config *c)
{
    if (c == NULL)
        return;
    free(c->into);
    free(c->name);
    free(c->settings);
    buf_free(&c->text);
    free(c->path);
    free(c);
}
