#include "cli/summary.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/human.h"
#include "cli/text.h"

void summary_text(const struct run *r, const char *key)
{
    const char *text = report_get_text(r->report, key);
    text_put(r->out, text != NULL ? text : "?");
}

static void put_value(const struct run *r, const struct summary_row *row)
{
    char text[HUMAN_SIZE];
    uint64_t n = report_get_u64(r->report, row->key);
    switch (row->kind) {
    case SUMMARY_TEXT:
        summary_text(r, row->key);
        break;
    case SUMMARY_NUMBER:
        fprintf(r->out, "%" PRIu64, n);
        break;
    case SUMMARY_BYTES:
        fprintf(r->out, "%s", human_bytes(text, n));
        if (n >= 1024)
            fprintf(r->out, " (%" PRIu64 " bytes)", n);
        break;
    case SUMMARY_YES:
        fputs(report_get_bool(r->report, row->key) ? "yes" : "no", r->out);
        break;
    }
}

void summary_table(const struct run *r, const struct summary_row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!report_has(r->report, rows[i].key))
            continue;
        fprintf(r->out, "%-16s", rows[i].label);
        put_value(r, &rows[i]);
        fputc('\n', r->out);
    }
}

void summary_list(const struct run *r, const char *key, const char *label)
{
    const char *text = report_get_text(r->report, key);
    while (text != NULL && *text != '\0') {
        size_t n = strcspn(text, "\n");
        char *line = strndup(text, n);
        fprintf(r->out, "%-16s", label);
        text_put(r->out, line != NULL ? line : "?");
        fputc('\n', r->out);
        free(line);
        label = "";
        text += n + (text[n] == '\n');
    }
}

static void put_count(FILE *out, uint64_t n, const char *one, const char *many)
{
    fprintf(out, "%" PRIu64 " %s", n, n == 1 ? one : many);
}

void summary_amount(const struct run *r)
{
    char bytes[HUMAN_SIZE];
    put_count(r->out, report_get_u64(r->report, "entries"), "entry", "entries");
    fprintf(r->out, ", %s", human_bytes(bytes, report_get_u64(r->report, "bytes")));
}

void summary_speed(const struct run *r)
{
    char time[HUMAN_SIZE], rate[HUMAN_SIZE];
    uint64_t bytes = report_get_u64(r->report, "bytes");
    fprintf(r->out, " in %s (%s)", human_seconds(time, r->seconds),
            human_rate(rate, bytes, r->seconds));
}

void summary_origin(const struct run *r)
{
    if (!report_has(r->report, "source"))
        return;
    fputs("backup of ", r->out);
    summary_text(r, "source");
    fputs(" on ", r->out);
    summary_text(r, "host");
    fputs(", made ", r->out);
    summary_text(r, "created");
    fputs(": ", r->out);
}

void summary_warnings(const struct run *r)
{
    uint64_t carried = 0, all = report_warnings(r->report);
    for (size_t i = 0; i < report_lines(r->report); i++) {
        const struct report_line *line = report_line(r->report, i);
        carried += line->carried && line->level == NOTICE_WARNING;
    }
    fputs(", ", r->out);
    put_count(r->out, all, "warning", "warnings");
    if (carried > 0)
        fprintf(r->out, " (%" PRIu64 " of the time of the backup)", carried);
    fputc('\n', r->out);
}
