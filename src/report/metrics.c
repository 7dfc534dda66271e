#include "report/metrics.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORD     "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
#define NAME_LEN 100u /* of --name */
#define COMM_LEN 15u
#define LINE_LEN 255u /* no line of ours is longer */

/* The texts of HELP are as stable as the names: of two texts for one metric, in files
 * of two versions of this program, a collector takes one and drops the samples that
 * came with the other. */
struct family {
    const char *metric;
    bool command; /* has this label too */
    const char *help;
};
static const struct family families[METRIC_COUNT] = {
    [METRIC_LAST_ATTEMPT] = {"pmm_seal_last_attempt_timestamp_seconds", true,
                             "When the last run began, whatever came of it"},
    [METRIC_LAST_SUCCESS] = {"pmm_seal_last_success_timestamp_seconds", true,
                             "When the last run ended that exited with 0 or 3"},
    [METRIC_LAST_DURATION] = {"pmm_seal_last_duration_seconds", true,
                              "How long the last run took"},
    [METRIC_LAST_EXIT] = {"pmm_seal_last_exit_code", true,
                          "Exit status of the last run; 0 and 3 are good"},
    [METRIC_LAST_WARNINGS] = {"pmm_seal_last_warnings", true,
                              "Warnings of the last run that exited with 0 or 3"},
    [METRIC_DOWNTIME] = {"pmm_seal_last_downtime_seconds", false,
                         "How long services stood still for the last backup"},
    [METRIC_READ_BYTES] = {"pmm_seal_last_read_bytes", false,
                           "Content in the archive of the last good backup"},
    [METRIC_WRITTEN_BYTES] = {"pmm_seal_last_written_bytes", false,
                              "Size of the archive of the last good backup"},
    [METRIC_ENTRIES] = {"pmm_seal_last_entries", false,
                        "Entries in the archive of the last good backup"},
    [METRIC_ARCHIVES] = {"pmm_seal_archives", false,
                         "Archives of this name in the directory"},
    [METRIC_OLDEST] = {"pmm_seal_oldest_archive_timestamp_seconds", false,
                       "When the oldest archive was made"},
    [METRIC_NEWEST] = {"pmm_seal_newest_archive_timestamp_seconds", false,
                       "When the newest archive was made"},
    [METRIC_VERIFIED] = {"pmm_seal_last_verified_timestamp_seconds", false,
                         "When an archive was last proved whole"},
    [METRIC_OLDEST_PROOF] = {"pmm_seal_oldest_verification_timestamp_seconds", false,
                             "When the archive was proved whole whose proof is the "
                             "oldest; if it never was, when it was made"},
    [METRIC_SLOT_CREATED] = {"pmm_seal_passphrase_created_timestamp_seconds", false,
                             "When the passphrase in use was set"},
};

struct sample {
    enum metric id;
    double value;
    char name[NAME_LEN + 1];
    char command[COMM_LEN + 1]; /* empty where the metric has no such label */
};

/* In the order in which they came: of two with the same labels the later one counts. */
struct metrics {
    struct sample *samples;
    size_t n, room;
};

int metrics_new(struct metrics **m, struct err *err)
{
    *m = calloc(1, sizeof **m);
    return *m != NULL ? 0 : err_nomem(err);
}

void metrics_free(struct metrics *m)
{
    if (m == NULL)
        return;
    free(m->samples);
    free(m);
}

static int add(struct metrics *m, const struct sample *s, struct err *err)
{
    if (m->n == m->room) {
        size_t room = m->room != 0 ? 2 * m->room : 32;
        struct sample *samples = reallocarray(m->samples, room, sizeof *samples);
        if (samples == NULL)
            return err_nomem(err);
        m->samples = samples;
        m->room = room;
    }
    m->samples[m->n++] = *s;
    return 0;
}

static bool is_word(const char *s, size_t max)
{
    size_t n = strspn(s, WORD);
    return n >= 1 && n <= max && s[n] == '\0';
}

int metrics_set(struct metrics *m, enum metric id, const char *name,
                const char *command, double value, struct err *err)
{
    const struct family *f = &families[id];
    struct sample s = {.id = id, .value = value};
    bool fits = f->command == (command != NULL) && isfinite(value) &&
                is_word(name, NAME_LEN) &&
                (command == NULL || is_word(command, COMM_LEN));
    if (!fits)
        return err_set(err, ERR_FAIL,
                       "cannot set the metric %s: %s: no such label or value",
                       f->metric, name);
    strcpy(s.name, name);
    strcpy(s.command, command != NULL ? command : "");
    return add(m, &s, err);
}

/* ---- text ---- */

/* The word between `before` and a quote at *p, which then points behind the quote. */
static bool take(const char **p, const char *before, char *word, size_t max)
{
    size_t skip = strlen(before);
    if (strncmp(*p, before, skip) != 0)
        return false;
    size_t n = strspn(*p + skip, WORD);
    if (n < 1 || n > max || (*p)[skip + n] != '"')
        return false;
    memcpy(word, *p + skip, n);
    word[n] = '\0';
    *p += skip + n + 1;
    return true;
}

static bool find(const char *metric, size_t len, enum metric *id)
{
    for (unsigned i = 0; i < METRIC_COUNT; i++) {
        *id = (enum metric)i;
        if (strlen(families[i].metric) == len &&
            memcmp(families[i].metric, metric, len) == 0)
            return true;
    }
    return false;
}

static bool parse_line(const char *line, struct sample *s)
{
    size_t len = strcspn(line, "{");
    const char *p = line + len;
    char *end;
    *s = (struct sample){0};
    if (!find(line, len, &s->id) || !take(&p, "{name=\"", s->name, NAME_LEN))
        return false;
    if (families[s->id].command && !take(&p, ",command=\"", s->command, COMM_LEN))
        return false;
    if (strncmp(p, "} ", 2) != 0)
        return false;
    p += 2;
    s->value = strtod(p, &end);
    return end != p && *end == '\0' && isfinite(s->value);
}

/* A last line without its end may be a part of one. */
int metrics_parse(struct metrics *m, const char *text, size_t len, struct err *err)
{
    if (len == 0)
        return 0;
    const char *eol, *end = text + len;
    for (; (eol = memchr(text, '\n', (size_t)(end - text))) != NULL; text = eol + 1) {
        char line[LINE_LEN + 1];
        struct sample s;
        size_t n = (size_t)(eol - text);
        if (n > LINE_LEN || memchr(text, '\0', n) != NULL)
            continue;
        memcpy(line, text, n);
        line[n] = '\0';
        if (parse_line(line, &s) && add(m, &s, err) != 0)
            return -1;
    }
    return 0;
}

/* By metric and labels; of two with the same labels the later one last. */
static int order(const void *left, const void *right)
{
    const struct sample *a = *(const struct sample *const *)left;
    const struct sample *b = *(const struct sample *const *)right;
    if (a->id != b->id)
        return a->id < b->id ? -1 : 1;
    int names = strcmp(a->name, b->name);
    if (names != 0)
        return names;
    int commands = strcmp(a->command, b->command);
    return commands != 0 ? commands : (a > b) - (a < b);
}

static bool same_labels(const struct sample *a, const struct sample *b)
{
    return a->id == b->id && strcmp(a->name, b->name) == 0 &&
           strcmp(a->command, b->command) == 0;
}

/* As few digits as give the same number again. */
static int put_value(struct buf *out, double value)
{
    char text[32];
    int digits = 15;
    do
        snprintf(text, sizeof text, "%.*g", digits, value);
    while (strtod(text, NULL) != value && ++digits <= 17);
    return buf_printf(out, " %s\n", text);
}

static int put_sample(struct buf *out, const struct sample *s)
{
    const struct family *f = &families[s->id];
    int bad = buf_printf(out, "%s{name=\"%s\"", f->metric, s->name);
    if (f->command)
        bad |= buf_printf(out, ",command=\"%s\"", s->command);
    bad |= buf_add(out, "}", 1);
    return bad | put_value(out, s->value);
}

int metrics_print(const struct metrics *m, struct buf *out, struct err *err)
{
    const struct sample **sorted = calloc(m->n + 1, sizeof *sorted);
    int bad = sorted == NULL;
    for (size_t i = 0; i < m->n && !bad; i++)
        sorted[i] = &m->samples[i];
    if (!bad)
        qsort(sorted, m->n, sizeof *sorted, order);
    for (size_t i = 0; i < m->n && !bad; i++) {
        const struct family *f = &families[sorted[i]->id];
        if (i == 0 || sorted[i]->id != sorted[i - 1]->id)
            bad = buf_printf(out, "# HELP %s %s\n# TYPE %s gauge\n", f->metric, f->help,
                             f->metric);
        if (!bad && (i + 1 == m->n || !same_labels(sorted[i], sorted[i + 1])))
            bad = put_sample(out, sorted[i]);
    }
    free(sorted);
    return bad ? err_nomem(err) : 0;
}
