/* An archive of a directory as a line: for people, and as JSON. */
#ifndef CLI_ARCHIVEROW_H
#define CLI_ARCHIVEROW_H

#include <stdint.h>
#include <stdio.h>

#include "job/catalog.h"
#include "util/err.h"

/* The heading of the table; `last` names its last column but the file. */
void archiverow_heading(FILE *out, const char *last);

/* A line of the table: age, size, version, state, when verified, `last`, the file's
 * name, and `why` unless NULL. */
void archiverow_text(FILE *out, const struct catalog_entry *e, int64_t now,
                     const char *last, const char *why);

/* One JSON object on a line, with `keep` as "keep" if that is not NULL. Keys: file,
 * status, bytes, id, created, age_seconds, verified, verified_at, error, and of good
 * ones name, pmm, pmm_version, postgresql_system_id, state, consistent, entries,
 * content_bytes, warnings, passphrase_created. ERR_FAIL. */
int archiverow_json(FILE *out, const struct catalog_entry *e, int64_t now,
                    const char *keep, struct err *err);

#endif
