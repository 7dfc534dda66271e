/*
 * One chunk in, one zstd frame out; and back, with a cap on the size. The only room
 * that knows <zstd.h>.
 */
#ifndef CODEC_CODEC_H
#define CODEC_CODEC_H

#include <stddef.h>
#include <stdint.h>

#include "util/err.h"

/* Contexts are reused from chunk to chunk and belong to one thread at a time. */
struct codec;

/* For packing at `level` (1..19) or, with level 0, for unpacking only. `chunk_log2`
 * bounds the window. Returns 0 and *c (codec_free it), or -1 with ERR_FAIL. */
int codec_new(struct codec **c, int level, unsigned chunk_log2, struct err *err);
void codec_free(struct codec *c);

/* Bytes that packing `len` bytes can take at most. */
size_t codec_bound(size_t len);

/* Pack src[0..len) into one frame with its content size, at dst[0..cap). Returns 0 and
 * *out_len, or -1 with ERR_FAIL (cap too small, memory). */
int codec_pack(struct codec *c, const void *src, size_t len, void *dst, size_t cap,
               size_t *out_len, struct err *err);

/* Unpack exactly one frame that starts at src. It must declare its content size, at
 * most `cap`, a window within the chunk, no dictionary, and end within src[0..len).
 * Returns 0, *out_len (content) and *frame_len (bytes of src taken); -1 with
 * ERR_DAMAGED. */
int codec_unpack(struct codec *c, const void *src, size_t len, void *dst, size_t cap,
                 size_t *out_len, size_t *frame_len, struct err *err);

#endif
