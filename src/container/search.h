/*
 * The records of a damaged file that still authenticate, in their order, and what lies
 * between them.
 *
 * A record is looked for where the last good one ended, and, where none is, at the next
 * mark of this archive. A head is only worth a try if it passes all checks of
 * record_head_parse, has a higher sequence than the last good record and its body lies
 * within the file; it is believed when its tag verifies. Its length is believed no
 * sooner. Memory is one record and a window; work is bounded by SEARCH_WORK times the
 * size of the file, whatever the heads in it claim.
 *
 * The caller's thread only.
 */
#ifndef CONTAINER_SEARCH_H
#define CONTAINER_SEARCH_H

#include <stdbool.h>
#include <stdint.h>

#include "container/chunk.h"
#include "container/reader.h"
#include "util/err.h"

#define SEARCH_WORK 4u /* bytes of bodies tried in vain, for each byte of the file */

/* Told of each run of bytes [from, to) of the file, counted from its first byte, that
 * is no authentic record. `gave_up`: it may hold some, but too many heads before them
 * led nowhere. */
typedef void search_skipped_fn(void *ctx, uint64_t from, uint64_t to, bool gave_up);

struct search;

/* `r` is an unlocked file, borrowed. Begins behind the header; at the first byte of the
 * file if that header is damaged. Returns 0 and *s (search_free), or -1. */
int search_open(struct search **s, struct reader *r, search_skipped_fn *skipped,
                void *ctx, struct err *err);

/* The next authentic record, opened: of any type, valid until the next call. After END
 * there is none: what follows it is reader_spare's to judge. Without END, all that
 * follows the last good record, but for a good copy of the header and the tail, is told
 * to `skipped`. Returns 1; 0 when there are no more; -1: I/O, memory, a stop signal. */
int search_next(struct search *s, const struct chunk **c, struct err *err);

/* How far it is, in bytes of the file. */
uint64_t search_position(const struct search *s);

void search_free(struct search *s);

#endif
