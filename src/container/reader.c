#include "container/reader.h"

#include <stdlib.h>
#include <string.h>

#include "util/io.h"

#define END_RECORD_SIZE (RECORD_HEAD_SIZE + END_SIZE + TAG_SIZE)

static int cut(struct err *err, uint64_t at)
{
    err_set(err, ERR_DAMAGED, "the archive is cut short: it ends at byte %llu",
            (unsigned long long)at);
    return err_hint(err, "it was not written or copied to its end; take another copy");
}

/* Exactly len bytes at off of a file. */
static int read_at(const struct reader *r, void *buf, size_t len, uint64_t off,
                   struct err *err)
{
    ssize_t n = r->io.pread(r->io.ctx, buf, len, off, err);
    if (n < 0)
        return -1;
    return (size_t)n == len ? 0 : cut(err, off + (uint64_t)n);
}

int reader_take(struct reader *r, void *buf, size_t len, struct err *err)
{
    ssize_t n = r->io.pread != NULL ? r->io.pread(r->io.ctx, buf, len, r->pos, err)
                                    : r->io.read(r->io.ctx, buf, len, err);
    if (n < 0)
        return -1;
    r->pos += (uint64_t)n;
    return (size_t)n == len ? 0 : cut(err, r->pos);
}

int reader_at_end(struct reader *r, struct err *err)
{
    uint8_t byte;
    if (r->io.pread != NULL)
        return r->pos == (uint64_t)r->io.size;
    ssize_t n = r->io.read(r->io.ctx, &byte, 1, err);
    return n < 0 ? -1 : n == 0;
}

/* ---- which header counts ---- */

/* A header's bytes as read, and what they are worth before any key. */
struct candidate {
    uint8_t *raw;
    size_t size;
    struct header h;
    bool good; /* checksum and structure */
};

static void candidate_free(struct candidate *c)
{
    if (c != NULL)
        free(c->raw);
    free(c);
}

/* Judge c->raw. With a bad checksum the text of a damaged header is in *err. */
static int judge(struct candidate *c, struct err *err)
{
    if (!keys_header_checksum_ok(c->raw, c->size))
        return err_set(err, ERR_DAMAGED, "the archive's header is damaged");
    if (header_parse(c->raw, c->size, &c->h, err) != 0)
        return -1;
    c->good = true;
    return 0;
}

/* The front header, from a file or a stream. */
static int load_front(struct reader *r, struct candidate *c, struct err *err)
{
    c->raw = calloc(1, HEADER_MAX);
    if (c->raw == NULL)
        return err_nomem(err);
    ssize_t n = r->io.pread != NULL
                    ? r->io.pread(r->io.ctx, c->raw, HEADER_UNIT, 0, err)
                    : r->io.read(r->io.ctx, c->raw, HEADER_UNIT, err);
    if (n < 0)
        return -1;
    r->pos = (uint64_t)n;
    if (header_probe(c->raw, &c->size, err) != 0)
        return -1;
    if (n < (ssize_t)HEADER_UNIT)
        return cut(err, r->pos);
    if (c->size > HEADER_UNIT &&
        reader_take(r, c->raw + HEADER_UNIT, c->size - HEADER_UNIT, err) != 0)
        return -1;
    return judge(c, err);
}

/* The copy of a file, found by the tail or, when that is damaged, by the front's size.
 */
static int load_copy(struct reader *r, struct candidate *c, size_t front_size,
                     struct err *err)
{
    uint8_t tail[TAIL_SIZE];
    unsigned units = 0;
    uint64_t len, size = (uint64_t)r->io.size;

    if (size < 2 * (uint64_t)HEADER_UNIT + TAIL_SIZE)
        return cut(err, size);
    if (read_at(r, tail, sizeof tail, size - TAIL_SIZE, err) != 0)
        return -1;
    bool tail_ok = end_tail_decode(tail, &units, &len) == 0 && len == size;
    if (!tail_ok && front_size == 0)
        return err_set(err, ERR_DAMAGED, "the archive's header is damaged");
    c->size = tail_ok ? units * (size_t)HEADER_UNIT : front_size;
    if (c->size < HEADER_UNIT || c->size > HEADER_MAX || size < 2 * c->size + TAIL_SIZE)
        return err_set(err, ERR_DAMAGED, "the archive's header is damaged");
    c->raw = malloc(c->size);
    if (c->raw == NULL)
        return err_nomem(err);
    if (read_at(r, c->raw, c->size, size - TAIL_SIZE - c->size, err) != 0)
        return -1;
    size_t probed;
    if (header_probe(c->raw, &probed, err) != 0)
        return -1;
    if (probed != c->size)
        return err_set(err, ERR_DAMAGED, "the archive's header is damaged");
    return judge(c, err);
}

/* Make `c` the header that counts. Its bytes change hands. */
static void choose(struct reader *r, struct candidate *c)
{
    r->header = c->h;
    free(r->raw);
    r->raw = c->raw;
    c->raw = NULL;
    r->header_size = c->size;
    r->chunk_size = 1u << c->h.chunk_log2;
}

/* Same archive, same immutable part. */
static bool same_archive(const struct candidate *a, const struct candidate *b)
{
    return a->size == b->size && memcmp(a->raw, b->raw, HEADER_FIXED) == 0;
}

static int choose_of_two(struct reader *r, struct candidate *front,
                         struct candidate *copy, const struct err *front_err,
                         struct err *err)
{
    if (!front->good && !copy->good) {
        *err = *front_err;
        return -1;
    }
    r->front = front->good ? READER_GOOD : READER_DAMAGED;
    r->copy = copy->good ? READER_GOOD : READER_DAMAGED;
    if (!front->good || !copy->good) {
        choose(r, front->good ? front : copy);
        return 0;
    }
    r->foreign = !same_archive(front, copy);
    bool same = !r->foreign && memcmp(front->raw, copy->raw, front->size) == 0;
    bool newer = !r->foreign && copy->h.generation > front->h.generation;
    if (r->foreign || (!same && copy->h.generation == front->h.generation))
        r->copy = READER_DAMAGED;
    else if (newer)
        r->front = READER_STALE;
    else if (!same)
        r->copy = READER_STALE;
    struct candidate *other = newer ? front : copy;
    choose(r, newer ? copy : front);
    if (!same) {
        r->spare = other->raw;
        r->spare_size = other->size;
        other->raw = NULL;
    }
    return 0;
}

int reader_open(struct reader **out, const struct reader_io *io, struct err *err)
{
    struct err front_err = {0}, copy_err = {0};
    struct reader *r = calloc(1, sizeof *r);
    struct candidate *front = calloc(1, sizeof *front);
    struct candidate *copy = calloc(1, sizeof *copy);
    if (r == NULL || front == NULL || copy == NULL) {
        err_nomem(err);
        goto fail;
    }
    r->io = *io;
    int fr = load_front(r, front, &front_err);
    if (fr != 0 && (front_err.cls != ERR_DAMAGED || io->pread == NULL)) {
        *err = front_err;
        goto fail;
    }
    if (io->pread == NULL) {
        r->front = READER_GOOD;
        choose(r, front);
    } else {
        if (load_copy(r, copy, front->good ? front->size : 0, &copy_err) != 0 &&
            copy_err.cls != ERR_DAMAGED) {
            *err = copy_err;
            goto fail;
        }
        if (choose_of_two(r, front, copy, &front_err, err) != 0)
            goto fail;
    }
    r->pos = r->header_size;
    candidate_free(front);
    candidate_free(copy);
    *out = r;
    return 0;
fail:
    candidate_free(front);
    candidate_free(copy);
    reader_free(r);
    return -1;
}

/* A header that begins at `at` of the file, if a good one does. 1, 0, -1. */
static int header_at(struct reader *r, struct candidate *c, uint64_t at,
                     struct err *err)
{
    struct err why = {0};
    ssize_t n = r->io.pread(r->io.ctx, c->raw, HEADER_MAX, at, err);
    if (n < 0)
        return -1;
    if (n < (ssize_t)HEADER_UNIT || header_probe(c->raw, &c->size, &why) != 0 ||
        c->size > (size_t)n)
        return 0;
    return judge(c, &why) == 0;
}

/* The last good header of the file, by its magic. It need not be where one belongs. */
static int find_header(struct reader *r, struct candidate *c, struct err *err)
{
    uint8_t buf[8 * HEADER_UNIT];
    size_t overlap = HEADER_MAGIC_SIZE - 1;
    uint64_t end = (uint64_t)r->io.size;
    while (end > overlap) {
        uint64_t from = end > sizeof buf ? end - sizeof buf : 0;
        if (read_at(r, buf, (size_t)(end - from), from, err) != 0 ||
            err_stopped(err) != 0)
            return -1;
        for (size_t i = (size_t)(end - from) - overlap; i-- > 0;) {
            if (memcmp(buf + i, HEADER_MAGIC, HEADER_MAGIC_SIZE) != 0)
                continue;
            int rc = header_at(r, c, from + i, err);
            if (rc != 0)
                return rc;
        }
        end = from > 0 ? from + overlap : 0;
    }
    return 0;
}

int reader_open_damaged(struct reader **out, const struct reader_io *io,
                        struct err *err)
{
    struct err why = {0};
    if (reader_open(out, io, &why) == 0)
        return 0;
    struct reader *r = calloc(1, sizeof *r);
    struct candidate *c = calloc(1, sizeof *c);
    int found = -1;
    if (r != NULL && c != NULL && (c->raw = malloc(HEADER_MAX)) != NULL) {
        r->io = *io;
        r->front = r->copy = READER_DAMAGED;
        found = why.cls == ERR_DAMAGED ? find_header(r, c, err) : 0;
    } else {
        err_nomem(err);
    }
    if (found == 1) {
        choose(r, c);
        r->pos = r->header_size;
        *out = r;
        r = NULL;
    } else if (found == 0) {
        *err = why;
    }
    candidate_free(c);
    reader_free(r);
    return found == 1 ? 0 : -1;
}

void reader_free(struct reader *r)
{
    if (r == NULL)
        return;
    keys_free(r->keys);
    free(r->spare);
    free(r->raw);
    free(r);
}

/*
 * The header that counted did not open. It may be what a rekey left when it was cut
 * short in the middle of a write, or a forgery: its checksum needs no key. If the other
 * one opens and shows by its keys that the first is not as we sealed it, the other one
 * counts. If the first is good, then the passphrase is simply one that was changed:
 * *err stays.
 */
static int unlock_spare(struct reader *r, struct keyring *ring, struct err *err)
{
    struct err spare_err = {0};
    struct unlocked u;
    struct keys *keys = NULL;
    struct candidate *c = calloc(1, sizeof *c);
    int rc = -1;

    if (c == NULL)
        return err_nomem(err);
    c->raw = r->spare;
    c->size = r->spare_size;
    if (c->raw == NULL || judge(c, &spare_err) != 0 ||
        keys_unlock(ring, &c->h, c->raw, c->size, &keys, &u, &spare_err) != 0 ||
        keys_header_mac_ok(r->raw, r->header_size, keys)) {
        keys_free(keys);
        goto out;
    }
    *err = (struct err){0};
    bool front_counted = r->front != READER_STALE;
    r->front = front_counted ? READER_DAMAGED : READER_GOOD;
    r->copy = front_counted ? READER_GOOD : READER_DAMAGED;
    r->spare = NULL;
    r->keys = keys;
    r->unlocked = u;
    choose(r, c);
    r->pos = r->header_size;
    rc = 0;
out:
    free(c);
    return rc;
}

int reader_unlock(struct reader *r, struct keyring *ring, struct err *err)
{
    keyring_archive(ring);
    if (keys_unlock(ring, &r->header, r->raw, r->header_size, &r->keys, &r->unlocked,
                    err) != 0) {
        bool other =
            err->cls == ERR_KEY || err->cls == ERR_DAMAGED || err->cls == ERR_REFUSED;
        return other ? unlock_spare(r, ring, err) : -1;
    }
    if (r->spare != NULL && !keys_header_mac_ok(r->spare, r->spare_size, r->keys)) {
        if (r->front == READER_STALE)
            r->front = READER_DAMAGED;
        else
            r->copy = READER_DAMAGED;
    }
    return 0;
}

/* ---- single records ---- */

int reader_scratch_new(const struct reader *r, struct reader_scratch *sc,
                       struct err *err)
{
    *sc = (struct reader_scratch){0};
    struct chunk **one = chunk_new_all(1, 4096, 4096);
    if (one == NULL)
        return err_nomem(err);
    sc->chunk = one[0];
    free(one);
    return codec_new(&sc->codec, 0, r->header.chunk_log2, err);
}

void reader_scratch_free(struct reader_scratch *sc)
{
    codec_free(sc->codec);
    chunk_free(sc->chunk);
    *sc = (struct reader_scratch){0};
}

int reader_frame(struct reader *r, struct chunk *c, struct err *err)
{
    c->record.len = 0;
    if (buf_reserve(&c->record, RECORD_HEAD_SIZE) != 0)
        return err_nomem(err);
    if (reader_take(r, c->record.p, RECORD_HEAD_SIZE, err) != 0 ||
        record_head_parse(c->record.p, r->raw + HEADER_OFF_ID, r->chunk_size, &c->head,
                          err) != 0)
        return -1;
    c->record.len = RECORD_HEAD_SIZE;
    if (buf_reserve(&c->record, c->head.body_len) != 0)
        return err_nomem(err);
    if (reader_take(r, c->record.p + RECORD_HEAD_SIZE, c->head.body_len, err) != 0)
        return -1;
    c->record.len += c->head.body_len;
    return 0;
}

/* Bytes [from, to) of the record at `at` of the file. */
static int frame_part(const struct reader *r, struct chunk *c, uint64_t at, size_t from,
                      size_t to, struct err *err)
{
    c->record.len = from; /* what buf_reserve keeps */
    if (buf_reserve(&c->record, to - from) != 0)
        return err_nomem(err);
    if (read_at(r, c->record.p + from, to - from, at + from, err) != 0)
        return -1;
    c->record.len = to;
    return 0;
}

int reader_frame_at(const struct reader *r, struct chunk *c,
                    const struct reader_place *place, struct err *err)
{
    uint64_t at = r->header_size + place->offset;
    /* Without a length the head tells how much to read behind it. */
    size_t first = RECORD_HEAD_SIZE + (size_t)place->body_len;

    if (place->offset >= (uint64_t)r->io.size)
        return err_set(err, ERR_DAMAGED,
                       "the archive is damaged: a record lies outside it");
    if (frame_part(r, c, at, 0, first, err) != 0 ||
        record_head_parse(c->record.p, r->raw + HEADER_OFF_ID, r->chunk_size, &c->head,
                          err) != 0)
        return -1;
    c->offset = place->offset;
    if (c->head.seq != place->seq || c->head.type != place->type ||
        c->head.pos != place->pos ||
        (place->body_len != 0 && c->head.body_len != place->body_len))
        return err_set(
            err, ERR_DAMAGED,
            "the archive is damaged: at byte %llu stands another record than "
            "its index says",
            (unsigned long long)at);
    return frame_part(r, c, at, first, RECORD_HEAD_SIZE + (size_t)c->head.body_len,
                      err);
}

int reader_record(const struct reader *r, struct reader_scratch *sc,
                  const struct reader_place *place, struct err *err)
{
    if (reader_frame_at(r, sc->chunk, place, err) != 0)
        return -1;
    return chunk_open(sc->chunk, sc->codec, r->keys, r->raw, r->chunk_size, err);
}

/* END's sequence is in its head, which its tag covers; nothing else tells us. */
static int end_sequence(const struct reader *r, uint64_t offset, uint64_t *seq,
                        struct err *err)
{
    uint8_t raw[RECORD_HEAD_SIZE];
    struct record_head head;
    struct err why = {0};
    if (read_at(r, raw, sizeof raw, r->header_size + offset, err) != 0)
        return -1;
    if (record_head_parse(raw, r->raw + HEADER_OFF_ID, r->chunk_size, &head, &why) !=
            0 ||
        head.type != REC_END) {
        err_set(err, ERR_DAMAGED, "the archive is cut short or damaged at its end");
        return err_hint(err,
                        "it was not written or copied to its end, or bytes were added; "
                        "take another copy");
    }
    *seq = head.seq;
    return 0;
}

/* Where END begins if the file is whole. */
static uint64_t end_offset(const struct reader *r)
{
    uint64_t around = 2 * (uint64_t)r->header_size + TAIL_SIZE + END_RECORD_SIZE;
    return (uint64_t)r->io.size < around ? 0 : (uint64_t)r->io.size - around;
}

int reader_end(const struct reader *r, struct reader_scratch *sc, struct end *end,
               struct err *err)
{
    uint64_t offset = end_offset(r), seq;
    if (end_sequence(r, offset, &seq, err) != 0 ||
        reader_record(
            r, sc,
            &(struct reader_place){.offset = offset, .seq = seq, .type = REC_END},
            err) != 0)
        return -1;
    struct chunk *c = sc->chunk;
    if (c->plain.len != END_SIZE || end_decode(c->plain.p, end, err) != 0)
        return err_set(err, ERR_DAMAGED, "the archive is damaged: END is malformed");
    if (end->offset != offset || end->records != seq + 1)
        return err_set(err, ERR_DAMAGED, "the archive is damaged: END is out of place");
    return 0;
}

/* ---- what follows END ---- */

static void judge_copy(struct reader *r, const uint8_t *copy)
{
    if (memcmp(copy, r->raw, r->header_size) == 0) {
        r->copy = READER_GOOD;
        return;
    }
    r->copy = READER_DAMAGED;
    struct err ignored = {0};
    struct candidate *c = calloc(1, sizeof *c);
    if (c == NULL)
        return;
    c->raw = (uint8_t *)copy;
    c->size = r->header_size;
    if (judge(c, &ignored) == 0 && memcmp(copy, r->raw, HEADER_FIXED) == 0 &&
        c->h.generation != r->header.generation &&
        keys_header_mac_ok(copy, r->header_size, r->keys))
        r->copy = READER_STALE;
    free(c);
}

int reader_spare(struct reader *r, uint64_t end_offset, struct err *err)
{
    uint8_t tail[TAIL_SIZE], want[TAIL_SIZE];
    uint8_t *copy = malloc(r->header_size);
    if (copy == NULL)
        return err_nomem(err);
    if (r->io.pread != NULL)
        r->pos = r->header_size + end_offset + END_RECORD_SIZE;
    if (reader_take(r, copy, r->header_size, err) != 0 ||
        reader_take(r, tail, sizeof tail, err) != 0)
        goto fail;
    int end = reader_at_end(r, err);
    if (end == 0) {
        err_set(err, ERR_DAMAGED, "there are bytes after the end of the archive");
        err_hint(err, "two archives in one file, or output of another program in the "
                      "stream; take another copy");
    }
    if (end != 1)
        goto fail;

    /* With a file, reader_open has already compared the two. */
    if (r->io.pread == NULL)
        judge_copy(r, copy);
    end_tail_encode(r->header.units, r->pos, want);
    r->tail = memcmp(tail, want, sizeof want) == 0 ? READER_GOOD : READER_DAMAGED;
    free(copy);
    return 0;
fail:
    free(copy);
    return -1;
}
