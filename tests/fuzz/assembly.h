/*
 * Archives made of fuzz input, below the seals: what the records hold is the input's,
 * their heads, the index and the end are as a writer would have made them, unless the
 * input patches those, too. Records are neither sealed nor opened: the linker's --wrap
 * puts a function that finds every tag right in the place of aead_open().
 *
 * The input is a list of steps. Each begins with a byte: bits 0..2 say what, the others
 * are ASSEMBLY_... flags.
 *
 *   0 DATA, 1 ENTRIES, 2 MANIFEST, 3 an ancillary record: length u16, content
 *   4 TABLE, 5 ROOT, 6 END                                made by the assembly
 *   7 length u16, bytes that go into the archive as they are
 *
 * What is missing of TABLE, ROOT and END at the end of the input is added.
 */
#ifndef TESTS_ASSEMBLY_H
#define TESTS_ASSEMBLY_H

#include <stdbool.h>

#include "container/reader.h"
#include "fuzz.h"
#include "util/buf.h"

#define ASSEMBLY_FRAMED  0x08u /* the content is a zstd frame already */
#define ASSEMBLY_PATCHED 0x10u /* count u8, then so often: offset u16, value u8 */
#define ASSEMBLY_CLEAR   0x20u /* 3: with a clear body */
#define ASSEMBLY_WHOLE   0x40u /* 0: followed by zeros, up to a whole chunk */
#define ASSEMBLY_SPARE   0x80u /* 7: patch the copy of the header and the tail */

#define ASSEMBLY_CHUNK 65536u

struct assembly {
    struct buf bytes;       /* header, records, copy of the header, tail */
    bool spare;             /* what follows END was patched */
    size_t pos;             /* of assembly_read */
    struct reader_io file;  /* reads it as a file, or */
    struct reader_io piped; /* as a stream */
};

/* *a is to be freed. */
void assembly_make(struct assembly *a, const uint8_t *data, size_t size);
void assembly_free(struct assembly *a);

/* Keys for reader->keys, so that it counts as unlocked; take them out again before
 * reader_free. The same at each call. */
struct keys *assembly_keys(void);

#endif
