/*
 * Some entries of an archive file, read through its index: only the chunks that hold
 * them.
 *
 * A selected hard link whose primary was not selected becomes the file itself: the
 * primary's data is fetched, under the first selected link's name; further links of the
 * same primary become links to that one.
 */
#ifndef JOB_PARTIAL_H
#define JOB_PARTIAL_H

#include <stdint.h>

#include "job/opened.h"
#include "job/select.h"
#include "job/unpack.h"
#include "util/err.h"

struct partial;

/* First pass over ENTRIES: find what `select` (bound) wants. Memory: 16 bytes for each
 * run of neighbours, and an item for each fetched primary. ERR_FAIL if a path meets
 * nothing. */
int partial_plan(struct partial **p, struct opened *o, struct select *select,
                 struct err *err);

/* What the plan adds up to, as manifest_count counts. */
const struct manifest_totals *partial_totals(const struct partial *p);

/* Once: read and hand over, each entry checked against its item: path, type, mode,
 * size, link. */
int partial_unpack(struct partial *p, const struct job *job,
                   const struct unpack_sink *sink, struct err *err);

void partial_free(struct partial *p);

#endif
