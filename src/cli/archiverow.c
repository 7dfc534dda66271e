#include "cli/archiverow.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/human.h"
#include "cli/text.h"
#include "report/report.h"
#include "util/utc.h"

void archiverow_heading(FILE *out, const char *last)
{
    fprintf(out, "%-8s %-9s %-8s %-10s %-9s %-10s %s\n", "AGE", "SIZE", "PMM", "STATE",
            "VERIFIED", last, "ARCHIVE");
}

/* What is known of the servers, or why nothing is. */
static const char *state(const struct catalog_entry *e)
{
    switch (e->state) {
    case CATALOG_GOOD:
        return e->servers == STATE_UNKNOWN ? "-" : manifest_state_name(e->servers);
    case CATALOG_OTHER_KEY:
        return "other key";
    case CATALOG_DAMAGED:
        return "DAMAGED";
    case CATALOG_UNREADABLE:
        return "unreadable";
    case CATALOG_LOCKED:
        break;
    }
    return "?";
}

void archiverow_text(FILE *out, const struct catalog_entry *e, int64_t now,
                     const char *last, const char *why)
{
    char age[HUMAN_SIZE], size[HUMAN_SIZE], verified[HUMAN_SIZE];
    const char *version = e->state != CATALOG_GOOD ? "?"
                          : !e->volume.pmm         ? "-"
                          : e->volume.version[0]   ? e->volume.version
                                                   : "?";
    human_age(age, e->created != 0 ? now - e->created : -1);
    human_age(verified, e->proven != 0 ? now - e->proven : -1);
    fprintf(out, "%-8s %-9s %-8s %-10s %-9s %-10s ", age, human_bytes(size, e->bytes),
            version, state(e), e->proven != 0 ? verified : "no", last);
    text_put(out, e->file);
    if (why != NULL)
        fprintf(out, "  (%s)", why);
    fputc('\n', out);
}

static void facts_of_good(struct report *r, const struct catalog_entry *e)
{
    char text[UTC_STAMP_SIZE], id[24];
    report_text(r, "name", e->name);
    report_bool(r, "pmm", e->volume.pmm);
    if (e->volume.pmm) {
        snprintf(id, sizeof id, "%" PRIu64, e->volume.system_id);
        report_text(r, "pmm_version", e->volume.version);
        report_text(r, "postgresql_system_id", id);
        report_text(r, "state", manifest_state_name(e->servers));
    }
    report_bool(r, "consistent", catalog_consistent(e));
    report_u64(r, "entries", e->totals.entries);
    report_u64(r, "content_bytes", e->totals.bytes);
    report_u64(r, "warnings", e->totals.warnings);
    report_text(r, "passphrase_created", utc_rfc3339(text, e->slot_created));
}

int archiverow_json(FILE *out, const struct catalog_entry *e, int64_t now,
                    const char *keep, struct err *err)
{
    char text[UTC_STAMP_SIZE], id[2 * sizeof e->id + 1] = "";
    struct report *r = NULL;
    if (report_new(&r, err) != 0)
        return -1;
    for (size_t i = 0; i < sizeof e->id && e->have_id; i++)
        snprintf(id + 2 * i, 3, "%02x", e->id[i]);
    report_text(r, "file", e->file);
    report_text(r, "status", catalog_state_name(e->state));
    report_u64(r, "bytes", e->bytes);
    if (e->have_id)
        report_text(r, "id", id);
    if (e->created != 0) {
        report_text(r, "created", utc_rfc3339(text, e->created));
        report_i64(r, "age_seconds", now - e->created);
    }
    report_bool(r, "verified", e->proven != 0);
    if (e->proven != 0)
        report_text(r, "verified_at", utc_rfc3339(text, e->proven));
    if (e->why != NULL)
        report_text(r, "error", e->why);
    if (e->state == CATALOG_GOOD)
        facts_of_good(r, e);
    if (keep != NULL)
        report_text(r, "keep", keep);
    char *line = report_facts_json(r);
    report_free(r);
    if (line == NULL)
        return err_nomem(err);
    fprintf(out, "%s\n", line);
    free(line);
    return ferror(out) ? err_sys(err, ERR_FAIL, "cannot write to standard output") : 0;
}
