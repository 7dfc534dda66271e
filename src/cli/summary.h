/*
 * Pieces of what a person is told at the end of a command, out of the report's facts.
 */
#ifndef CLI_SUMMARY_H
#define CLI_SUMMARY_H

#include <stddef.h>
#include <stdio.h>

#include "cli/run.h"
#include "report/report.h"

enum summary_kind { SUMMARY_TEXT, SUMMARY_NUMBER, SUMMARY_BYTES, SUMMARY_YES };

struct summary_row {
    const char *label, *key;
    enum summary_kind kind;
};

/* A line "label  value" for each row whose fact is there. */
void summary_table(const struct run *r, const struct summary_row *rows, size_t n);

/* The lines of the text fact `key`, each on a line of its own, the first behind
 * `label`; nothing where there is none. */
void summary_list(const struct run *r, const char *key, const char *label);

/* The text fact `key`, escaped; "?" where there is none. */
void summary_text(const struct run *r, const char *key);

/* "1234 entries, 1.10 GiB". */
void summary_amount(const struct run *r);

/* " in 3.4 s (330 MiB/s)". */
void summary_speed(const struct run *r);

/* "backup of /srv on host, made 2026-11-24T03:07:24Z: ", if the archive said so. */
void summary_origin(const struct run *r);

/* ", 0 warnings" or ", 3 warnings (2 of the time of the backup)", and the line end. */
void summary_warnings(const struct run *r);

#endif
