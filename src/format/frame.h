/*
 * The zstd skippable frame in front of a chunk's own frame: where in this chunk the
 * first tar entry starts, so that a reader can resume after a lost chunk without
 * guessing.
 */
#ifndef FORMAT_FRAME_H
#define FORMAT_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "format/limits.h"
#include "util/err.h"

#define FRAME_MAGIC         0x184D2A50u
#define FRAME_PADDING_MAGIC 0x184D2A51u
#define FRAME_SIZE          16u
#define FRAME_NO_ENTRY      0xFFFFFFFFu /* no tar entry starts in this chunk */

void frame_encode(uint32_t first_entry, uint8_t raw[FRAME_SIZE]);

/* The frame in front, at raw[0..len). ERR_DAMAGED when it is not exactly that frame.
 * The caller holds *first_entry against the chunk's content size once that is known. */
int frame_parse(const uint8_t *raw, size_t len, uint32_t *first_entry, struct err *err);

#endif
