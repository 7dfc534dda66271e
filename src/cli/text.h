/*
 * Text for people: whatever a file name holds, a terminal sees no control byte of it.
 */
#ifndef CLI_TEXT_H
#define CLI_TEXT_H

#include <stdio.h>

#include "util/buf.h"

/* Append `raw` with control bytes escaped as util/path.h's path_escape does, and the C1
 * controls of UTF-8 (U+0080 to U+009F) too. Returns 0, or -1 when memory is short. */
int text_escape(struct buf *b, const char *raw);

/* Write `raw` so escaped. A failure is left in ferror(out). */
void text_put(FILE *out, const char *raw);

#endif
