/* An archive in memory, for the tests of container/: written, changed, read again. */
#ifndef TESTS_MEMORY_H
#define TESTS_MEMORY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "container/index.h"
#include "container/reader.h"
#include "container/stream.h"
#include "container/writer.h"
#include "secret/secret.h"
#include "util/buf.h"

struct memory {
    struct buf b; /* the archive */
    size_t pos;   /* of memory_read */
    struct keys *keys;
    struct header header;
    uint8_t raw[HEADER_UNIT];
};

static inline int memory_sink(void *ctx, const void *buf, size_t len, struct err *err)
{
    struct memory *m = ctx;
    return buf_add(&m->b, buf, len) == 0 ? 0 : err_nomem(err);
}

static inline ssize_t memory_pread(void *ctx, void *buf, size_t len, uint64_t off,
                                   struct err *err)
{
    struct memory *m = ctx;
    (void)err;
    size_t n = off >= m->b.len ? 0 : m->b.len - (size_t)off;
    if (n > len)
        n = len;
    memcpy(buf, m->b.p + off, n);
    return (ssize_t)n;
}

static inline ssize_t memory_read(void *ctx, void *buf, size_t len, struct err *err)
{
    struct memory *m = ctx;
    ssize_t n = memory_pread(ctx, buf, len, m->pos, err);
    m->pos += (size_t)n;
    return n;
}

/* A header with a fixed file key and no slots, so that no KDF runs. */
static inline void memory_init(struct memory *m, unsigned chunk_log2)
{
    static const uint8_t file_key[FILE_KEY_SIZE] = "a file key that is known to all";
    struct err err = {0};
    memset(m, 0, sizeof *m);
    assert_int_equal(secret_init(&err), 0);
    m->header = (struct header){.version = FORMAT_VERSION,
                                .suite = FORMAT_SUITE,
                                .chunk_log2 = (uint8_t)chunk_log2,
                                .units = 1,
                                .generation = 1};
    memcpy(m->header.id, "0123456789abcdef", 16);
    header_encode(&m->header, m->raw);
    assert_int_equal(keys_derive(&m->keys, file_key, m->raw, &err), 0);
    memcpy(m->header.key_check, m->keys->check, 32);
    header_encode(&m->header, m->raw);
    keys_header_finish(m->raw, sizeof m->raw, m->keys);
}

static inline void memory_free(struct memory *m)
{
    keys_free(m->keys);
    buf_free(&m->b);
}

/* The "tar" that memory_write makes: a period of bytes that is prime to every chunk
 * size. */
#define MEMORY_PERIOD 65537u

static inline const uint8_t *memory_period(void)
{
    static uint8_t twice[2 * MEMORY_PERIOD];
    for (size_t i = 0; twice[0] == 0 && i < MEMORY_PERIOD; i++)
        twice[MEMORY_PERIOD - 1 - i] = twice[2 * MEMORY_PERIOD - 1 - i] =
            (uint8_t)(1 + (i / 64 * 7 + i % 13) % 251);
    return twice;
}

static inline void memory_make(uint8_t *out, uint64_t off, size_t len)
{
    for (size_t n; len > 0; out += n, off += n, len -= n) {
        n = len < MEMORY_PERIOD ? len : MEMORY_PERIOD;
        memcpy(out, memory_period() + off % MEMORY_PERIOD, n);
    }
}

static inline bool memory_is(const uint8_t *p, uint64_t off, size_t len)
{
    for (size_t n; len > 0; p += n, off += n, len -= n) {
        n = len < MEMORY_PERIOD ? len : MEMORY_PERIOD;
        if (memcmp(p, memory_period() + off % MEMORY_PERIOD, n) != 0)
            return false;
    }
    return true;
}

/* Write `entries` entries of `each` bytes of made-up tar; with an item for each. */
static inline void memory_write(struct memory *m, uint64_t entries, size_t each,
                                unsigned threads)
{
    struct err err = {0};
    struct writer *w = NULL;
    struct writer_opts opts = {.level = 1, .threads = threads};
    struct writer_totals totals;
    uint8_t *buf = malloc(each);
    uint64_t off = 0;

    assert_int_equal(writer_open(&w, &m->header, m->raw, m->keys, &opts, memory_sink, m,
                                 "{}", 2, &err),
                     0);
    for (uint64_t i = 0; i < entries; i++) {
        char path[32];
        snprintf(path, sizeof path, "f%08llu", (unsigned long long)i);
        memory_make(buf, off, each);
        assert_int_equal(writer_mark(w, &err), 0);
        assert_int_equal(writer_data(w, buf, each, &err), 0);
        struct item item = {.type = ITEM_FILE,
                            .path = path,
                            .size = each,
                            .tar_offset = off,
                            .tar_length = each};
        assert_int_equal(writer_entry(w, &item, &err), 0);
        off += each;
    }
    assert_int_equal(writer_finish(w, "{\"final\":1}", 11, 7, &totals, &err), 0);
    assert_int_equal(totals.tar_bytes, off);
    assert_int_equal(totals.entries, entries);
    assert_int_equal(totals.bytes, m->b.len);
    writer_free(w, &err);
    assert_int_equal(err.cls, ERR_NONE);
    free(buf);
}

static inline struct reader *memory_unlock(struct reader *r, struct err *err)
{
    static const uint8_t file_key[FILE_KEY_SIZE] = "a file key that is known to all";
    assert_int_equal(keys_derive(&r->keys, file_key, r->raw, err), 0);
    return r;
}

/* Open for reading as a file or a stream, unlocked. NULL with *err on failure. */
static inline struct reader *memory_open(struct memory *m, int stream, struct err *err)
{
    struct reader *r = NULL;
    struct reader_io io = {.read = memory_read,
                           .pread = stream ? NULL : memory_pread,
                           .ctx = m,
                           .size = stream ? -1 : (int64_t)m->b.len};
    m->pos = 0;
    return reader_open(&r, &io, err) == 0 ? memory_unlock(r, err) : NULL;
}

/* The same of a file with damage. */
static inline struct reader *memory_open_damaged(struct memory *m, struct err *err)
{
    struct reader *r = NULL;
    const struct reader_io io = {.read = memory_read,
                                 .pread = memory_pread,
                                 .ctx = m,
                                 .size = (int64_t)m->b.len};
    return reader_open_damaged(&r, &io, err) == 0 ? memory_unlock(r, err) : NULL;
}

/* Read everything to END and beyond; counts. Returns 0 or -1 with *err. */
static inline int memory_read_all(struct memory *m, int stream, unsigned threads,
                                  uint64_t *bytes, uint64_t *items, struct err *err)
{
    struct reader *r = memory_open(m, stream, err);
    struct stream *s = NULL;
    struct stream_piece p;
    int more, rc = -1;

    *bytes = *items = 0;
    if (r == NULL)
        return -1;
    if (stream_open_all(&s, r, threads, err) != 0)
        goto out;
    while ((more = stream_next(s, &p, err)) == 1) {
        if (p.type == REC_DATA) {
            assert_true(memory_is(p.p, *bytes, p.len));
            *bytes += p.len;
        } else if (p.type == REC_ENTRIES) {
            uint64_t n = 0;
            struct item item;
            size_t used;
            for (size_t off = 0; off < p.len; off += used, n++)
                if (item_decode(p.p + off, p.len - off, &item, &used, err) != 0)
                    goto out;
            stream_entries(s, n);
            *items += n;
        }
    }
    if (more == 0 && reader_spare(r, stream_end(s)->offset, err) == 0)
        rc = 0;
out:
    stream_close(s, err);
    reader_free(r);
    return rc;
}

#endif
