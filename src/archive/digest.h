/*
 * XXH3-128 over the content of a file that may have holes, for comparing what was
 * written with what is read back. It guards against hardware and file systems, not
 * against people.
 *
 * The bytes are hashed in order. A hole of up to DIGEST_SHORT_HOLE bytes is hashed as
 * the zeros it reads as; a longer one as its place and length (16 bytes), so that a
 * hole of a terabyte costs nothing. Whoever hashes what he reads must cut the file at
 * the same holes, read the short ones like data, and see for himself that the long ones
 * read as zeros (archive/holes.h): then no byte that differs is missed.
 */
#ifndef ARCHIVE_DIGEST_H
#define ARCHIVE_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#include "util/err.h"

#define DIGEST_SIZE       16u
#define DIGEST_SHORT_HOLE (1024u * 1024u) /* bytes */

struct digest;

/* Returns 0 and *d (digest_free it), started; or -1 with ERR_FAIL. */
int digest_new(struct digest **d, struct err *err);
void digest_free(struct digest *d);

/* Begin anew. */
void digest_start(struct digest *d);

void digest_data(struct digest *d, const void *p, size_t len);
void digest_hole(struct digest *d, uint64_t off, uint64_t len);
void digest_end(const struct digest *d, uint8_t hash[DIGEST_SIZE]);

/* XXH3-64 of a few bytes, by which to know them again. */
uint64_t digest_short(uint64_t seed, const void *p, size_t len);

#endif
