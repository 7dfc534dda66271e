#include "cli/nextsteps.h"

#include <string.h>

#include "cli/summary.h"
#include "cli/text.h"

static void heading(const struct run *r, const char *text)
{
    fprintf(r->out, "\n%s\n", text);
}

/* The lines of a fact, each indented. */
static void lines(const struct run *r, const char *key)
{
    summary_list(r, key, "");
}

static void consistency(const struct run *r)
{
    const char *state = report_get_text(r->report, "state");
    if (state != NULL && strcmp(state, "live") == 0)
        heading(r,
                "!! THIS BACKUP IS OF A RUNNING SERVER. Its databases may be corrupt "
                "without a sign.\n!! Check them (pg_amcheck) before you rely on them, "
                "or restore another archive.");
}

static void start(const struct run *r)
{
    const char *version = report_get_text(r->report, "pmm_version");
    if (report_get_bool(r->report, "stopped"))
        return;
    heading(r,
            "Start PMM Server on this volume, of the version that was backed up or a "
            "later one:");
    if (version != NULL && version[0] != '\0') {
        fputs("    percona/pmm-server:", r->out);
        text_put(r->out, version);
        fputc('\n', r->out);
    }
}

static void around(const struct run *r)
{
    if (report_has(r->report, "environment")) {
        heading(r, report_get_bool(r->report, "stopped")
                       ? "The server had this environment at the time of the backup:"
                       : "with the environment it had (not part of the volume):");
        lines(r, "environment");
    }
    if (report_has(r->report, "needed")) {
        heading(r, report_get_bool(r->report, "stopped")
                       ? "It had these files, which lay outside of the volume\n"
                         "(pmm-seal info --attached FILE ARCHIVE prints one):"
                       : "with these files, which lay outside of the volume\n"
                         "(pmm-seal info --attached FILE ARCHIVE prints one):");
        lines(r, "needed");
    }
    if (report_has(r->report, "attached")) {
        heading(r, "For your eyes (pmm-seal info --attached FILE ARCHIVE):");
        lines(r, "attached");
    }
}

void nextsteps_print(const struct run *r)
{
    const char *version = report_get_text(r->report, "pmm_version");
    if (report_get_bool(r->report, "stopped"))
        heading(r, "The services are stopped. Restart the container now:\n"
                   "    docker restart pmm-server");
    if (!report_get_bool(r->report, "pmm") || report_get_bool(r->report, "partial"))
        return;
    consistency(r);
    start(r);
    around(r);
    bool two = version != NULL && version[0] == '2';
    heading(r, "Then wait until it answers; the first start may take some minutes:");
    fprintf(r->out, "    curl -kf https://HOST/v1/%sreadyz\n", two ? "" : "server/");
    heading(r,
            "Users will notice: passwords, users and dashboards are those of the "
            "backup; clients\nconnect again by themselves if the address is the same; "
            "what was measured since the\nbackup is missing.");
}
