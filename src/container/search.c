#include "container/search.h"

#include <stdlib.h>
#include <string.h>

#define WINDOW    (256u * 1024u)
#define MARK_SIZE 4u

struct search {
    struct reader *r;
    struct reader_scratch scratch;
    search_skipped_fn *skipped;
    void *ctx;
    uint64_t from;   /* behind the last good record, in bytes of the file */
    uint64_t end;    /* of what may hold records */
    uint64_t seq;    /* the lowest that the next record may have */
    uint64_t budget; /* bytes of bodies that may still be tried in vain */
    bool ended;
    uint8_t *window; /* WINDOW bytes of the file ... */
    uint64_t window_at;
    size_t window_len; /* ... from window_at on */
};

/* Up to `len` bytes at `at`, less only at the end of the file. */
static ssize_t fetch(const struct search *s, void *buf, size_t len, uint64_t at,
                     struct err *err)
{
    return s->r->io.pread(s->r->io.ctx, buf, len, at, err);
}

int search_open(struct search **out, struct reader *r, search_skipped_fn *skipped,
                void *ctx, struct err *err)
{
    struct search *s = calloc(1, sizeof *s);
    if (s == NULL)
        return err_nomem(err);
    uint64_t size = (uint64_t)r->io.size;
    *s = (struct search){.r = r,
                         .skipped = skipped,
                         .ctx = ctx,
                         .from = r->front == READER_DAMAGED ? 0 : r->header_size,
                         .end = size,
                         .budget = size * SEARCH_WORK};
    if (r->copy != READER_DAMAGED && size >= r->header_size + TAIL_SIZE)
        s->end = size - r->header_size - TAIL_SIZE;
    s->window = malloc(WINDOW);
    if (s->window == NULL) {
        err_nomem(err);
        goto fail;
    }
    if (reader_scratch_new(r, &s->scratch, err) != 0)
        goto fail;
    *out = s;
    return 0;
fail:
    search_free(s);
    return -1;
}

void search_free(struct search *s)
{
    if (s == NULL)
        return;
    reader_scratch_free(&s->scratch);
    free(s->window);
    free(s);
}

uint64_t search_position(const struct search *s)
{
    return s->from;
}

/* ---- one place ---- */

/* A head that passes all checks, from `raw`. The file has `left` bytes behind it. */
static bool plausible(const struct search *s, const uint8_t *raw, uint64_t left,
                      struct record_head *head)
{
    struct err why = {0};
    return record_head_parse(raw, s->r->raw + HEADER_OFF_ID, s->r->chunk_size, head,
                             &why) == 0 &&
           head->seq >= s->seq && head->body_len <= left;
}

/* Read the record whose head stands at `at`, and open it. 1 if it is authentic, 0, -1.
 */
static int open_at(struct search *s, uint64_t at, const struct record_head *head,
                   struct err *err)
{
    struct chunk *c = s->scratch.chunk;
    size_t len = RECORD_HEAD_SIZE + (size_t)head->body_len;
    struct err why = {0};

    c->record.len = 0;
    if (buf_reserve(&c->record, len) != 0)
        return err_nomem(err);
    ssize_t n = fetch(s, c->record.p, len, at, err);
    if (n < 0)
        return -1;
    if ((size_t)n < len)
        return 0;
    c->record.len = len;
    c->head = *head;
    c->offset = at < s->r->header_size ? 0 : at - s->r->header_size;
    if (chunk_open(c, s->scratch.codec, s->r->keys, s->r->raw, s->r->chunk_size,
                   &why) == 0)
        return 1;
    if (why.cls == ERR_DAMAGED)
        return 0;
    *err = why;
    return -1;
}

/* The record whose head is `raw`, at `at`. 1 if it is authentic; 0 if not; 2 if no more
 * work may go into finding that out; -1. */
static int try_at(struct search *s, const uint8_t *raw, uint64_t at, struct err *err)
{
    struct record_head head;
    if (at + RECORD_HEAD_SIZE > s->end ||
        !plausible(s, raw, s->end - at - RECORD_HEAD_SIZE, &head))
        return 0;
    if (head.body_len > s->budget)
        return 2;
    int rc = open_at(s, at, &head, err);
    if (rc == 0)
        s->budget -= head.body_len;
    return rc;
}

/* Where the last one ended, without a look at what is there besides. */
static int try_expected(struct search *s, struct err *err)
{
    uint8_t raw[RECORD_HEAD_SIZE];
    ssize_t n = fetch(s, raw, sizeof raw, s->from, err);
    if (n < 0)
        return -1;
    return n < (ssize_t)sizeof raw ? 0 : try_at(s, raw, s->from, err);
}

/* ---- the next mark ---- */

/* Make the window hold a whole head at `at`, if the file does. Returns its bytes there,
 * *n of them; NULL on error. */
static const uint8_t *look(struct search *s, uint64_t at, size_t *n, struct err *err)
{
    if (at < s->window_at || at + RECORD_HEAD_SIZE > s->window_at + s->window_len) {
        ssize_t got = fetch(s, s->window, WINDOW, at, err);
        if (got < 0)
            return NULL;
        s->window_at = at;
        s->window_len = (size_t)got;
    }
    *n = s->window_len - (size_t)(at - s->window_at);
    return s->window + (at - s->window_at);
}

/* Go from mark to mark, from `*at` on, until a record is authentic: as try_at, and *at
 * is where. 0: there is none up to the end. */
static int scan(struct search *s, uint64_t *at, struct err *err)
{
    const uint8_t *mark = s->r->raw + HEADER_OFF_ID;
    while (*at < s->end) {
        size_t n;
        const uint8_t *p = look(s, *at, &n, err);
        if (p == NULL || err_stopped(err) != 0)
            return -1;
        if (n < RECORD_HEAD_SIZE)
            return 0;
        const uint8_t *hit = memmem(p, n, mark, MARK_SIZE);
        if (hit == NULL) {
            *at += n - (MARK_SIZE - 1);
            continue;
        }
        *at += (uint64_t)(hit - p);
        p = look(s, *at, &n, err);
        if (p == NULL)
            return -1;
        int rc = n < RECORD_HEAD_SIZE ? 0 : try_at(s, p, *at, err);
        if (rc != 0)
            return rc;
        ++*at;
    }
    return 0;
}

static void skip(struct search *s, uint64_t to, bool gave_up)
{
    if (to > s->from)
        s->skipped(s->ctx, s->from, to, gave_up);
    s->from = to;
}

int search_next(struct search *s, const struct chunk **c, struct err *err)
{
    uint64_t at = s->from;
    if (s->ended)
        return 0;
    if (err_stopped(err) != 0)
        return -1;
    int rc = try_expected(s, err);
    if (rc == 0) {
        at++;
        rc = scan(s, &at, err);
    }
    if (rc < 0)
        return -1;
    if (rc != 1) {
        s->ended = true;
        skip(s, s->end, rc == 2);
        return 0;
    }
    skip(s, at, false);
    *c = s->scratch.chunk;
    s->from = at + (*c)->record.len;
    s->seq = (*c)->head.seq + 1;
    s->ended = (*c)->head.type == REC_END;
    return 1;
}
