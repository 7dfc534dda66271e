/*
 * The file for node_exporter's textfile collector (--metrics-file): Prometheus' text
 * format 0.0.4. Names, units and labels are stable: docs/METRICS.md.
 *
 * A run sets what it knows; what it does not know keeps its last value, so that a
 * failed night still tells of the last good one. Samples of other names (several
 * servers on one host) stay.
 */
#ifndef REPORT_METRICS_H
#define REPORT_METRICS_H

#include <stddef.h>

#include "util/buf.h"
#include "util/err.h"

#define METRICS_FILE_MAX 1048576u /* bytes of a file that is brought up to date */

/* Labels: name, and where marked * also command ("backup", "verify", "prune"). */
enum metric {
    METRIC_LAST_ATTEMPT,  /* * pmm_seal_last_attempt_timestamp_seconds: its begin */
    METRIC_LAST_SUCCESS,  /* * pmm_seal_last_success_timestamp_seconds: its end, with
                             exit 0 or 3 */
    METRIC_LAST_DURATION, /* * pmm_seal_last_duration_seconds */
    METRIC_LAST_EXIT,     /* * pmm_seal_last_exit_code */
    METRIC_LAST_WARNINGS, /* * pmm_seal_last_warnings */
    METRIC_DOWNTIME,      /* pmm_seal_last_downtime_seconds: services stood still */
    METRIC_READ_BYTES,    /* pmm_seal_last_read_bytes: content */
    METRIC_WRITTEN_BYTES, /* pmm_seal_last_written_bytes: the archive */
    METRIC_ENTRIES,       /* pmm_seal_last_entries */
    METRIC_ARCHIVES,      /* pmm_seal_archives */
    METRIC_OLDEST,        /* pmm_seal_oldest_archive_timestamp_seconds */
    METRIC_NEWEST,        /* pmm_seal_newest_archive_timestamp_seconds */
    METRIC_VERIFIED,      /* pmm_seal_last_verified_timestamp_seconds: the newest proof
                             of any archive */
    METRIC_OLDEST_PROOF,  /* pmm_seal_oldest_verification_timestamp_seconds: when the
                             archive whose proof is the oldest was proved; one that
                             never was counts with the time it was made */
    METRIC_SLOT_CREATED,  /* pmm_seal_passphrase_created_timestamp_seconds */
    METRIC_COUNT,
};

struct metrics;

/* ERR_FAIL: memory. */
int metrics_new(struct metrics **m, struct err *err);

/* Take the samples of a file written before (NULL and 0: there is none); a line that
 * metrics_print does not write is dropped. ERR_FAIL: memory. */
int metrics_parse(struct metrics *m, const char *text, size_t len, struct err *err);

/* Set the sample of `name` (as --name allows: no escapes needed) and `command` (NULL
 * where the metric has no such label). 0, or -1 with ERR_FAIL: memory, a name or
 * command that is no such word, or a value that is not finite; nothing is set then. */
int metrics_set(struct metrics *m, enum metric id, const char *name,
                const char *command, double value, struct err *err);

/* Append the whole file: HELP, TYPE (gauge) and the samples of each metric that has
 * any, ordered by name and command. 0, or -1 with ERR_FAIL (memory). */
int metrics_print(const struct metrics *m, struct buf *out, struct err *err);

void metrics_free(struct metrics *m);

#endif
