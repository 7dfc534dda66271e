/*
 * What an entry looks like to libarchive's pax writer. Used by tarout only.
 */
#ifndef ARCHIVE_TARMETA_H
#define ARCHIVE_TARMETA_H

#include <stdbool.h>

#include <archive_entry.h>

#include "archive/entry.h"
#include "util/err.h"
#include "util/notice.h"

/* Fill `ae` (cleared first) from *e. *odd is set if an attribute's name cannot stand in
 * a SCHILY.xattr record. Attributes beyond what tar readers take in one header are left
 * out: warning xattr-skipped. ERR_FAIL (memory). */
int tarmeta_fill(struct archive_entry *ae, const struct entry *e, bool *odd,
                 const struct notice_sink *notices, struct err *err);

#endif
