/* An entry as a line of `list`, in the manner of tar -t. */
#ifndef CLI_LINES_H
#define CLI_LINES_H

#include <stdbool.h>
#include <stddef.h>

#include "format/item.h"
#include "util/buf.h"

struct lines {
    bool list_long; /* -l */
    bool nul;       /* -0: raw bytes, NUL at the end */
    size_t width;   /* of owner and size with -l; grows as tar's does; start with 0 */
};

/* Append the line of `item`. Returns 0, or -1 when memory is short. */
int lines_add(struct lines *l, struct buf *b, const struct item *item);

#endif
