#include "container/index.h"

#include <stdlib.h>
#include <string.h>

#include "format/record.h"
#include "format/table.h"
#include "util/le.h"

static int bad(struct err *err, const char *why)
{
    return err_set(err, ERR_DAMAGED, "the archive is damaged: its index %s", why);
}

static size_t table_count(const struct index *ix)
{
    return ix->root.len / TABLE_ROOT_SIZE;
}

static struct table_root root_at(const struct index *ix, size_t i)
{
    struct table_root root;
    table_root_decode(ix->root.p + i * TABLE_ROOT_SIZE, &root);
    return root;
}

static size_t row_count(const struct index *ix)
{
    return ix->table.len / TABLE_ENTRY_SIZE;
}

static uint32_t row_at(const struct index *ix, size_t i)
{
    return le32_get(ix->table.p + i * TABLE_ENTRY_SIZE);
}

/* Each TABLE must begin where the one before it ended, so that no record is in none. */
static int check_root(const struct index *ix, struct err *err)
{
    struct table_root prev = {0};
    size_t n = table_count(ix);
    if (n == 0 || ix->root.len % TABLE_ROOT_SIZE != 0)
        return bad(err, "is malformed");
    for (size_t i = 0; i < n; i++) {
        struct table_root t = root_at(ix, i);
        bool first = i == 0;
        if (t.first_offset >= t.offset || (first && t.first_offset != 0) ||
            (first && t.first_chunk != 0) || t.first_chunk < prev.first_chunk ||
            (!first && (t.seq <= prev.seq || t.first_offset <= prev.offset)) ||
            t.seq >= ix->end.root_seq || t.offset >= ix->end.root_offset ||
            (i + 1 < n && t.seq != (i + 1) * (uint64_t)TABLE_PERIOD - 1) ||
            t.seq >= (i + 1) * (uint64_t)TABLE_PERIOD)
            return bad(err, "is malformed");
        prev = t;
    }
    return prev.seq + 1 == ix->end.root_seq ? 0 : bad(err, "is malformed");
}

/* What END says of the records it leads to, before they are looked for: no length of 0,
 * with which any record would do, and none that we would try to read. */
static int check_end(const struct index *ix, struct err *err)
{
    const struct end *e = &ix->end;
    uint32_t chunk = ix->r->chunk_size;
    if (!record_in_bounds(REC_ROOT, chunk, e->root_len) ||
        !record_in_bounds(REC_MANIFEST, chunk, e->manifest_len) ||
        e->root_seq + 1 != e->records - 1 || e->manifest_seq >= e->root_seq)
        return bad(err, "is malformed");
    return 0;
}

int index_open(struct index **out, const struct reader *r, struct err *err)
{
    struct index *ix = calloc(1, sizeof *ix);
    if (ix == NULL)
        return err_nomem(err);
    ix->r = r;
    ix->table_no = SIZE_MAX;
    index_rewind(ix);
    if (reader_scratch_new(r, &ix->scratch, err) != 0 ||
        reader_end(r, &ix->scratch, &ix->end, err) != 0 || check_end(ix, err) != 0)
        goto fail;
    const struct reader_place root = {.offset = ix->end.root_offset,
                                      .seq = ix->end.root_seq,
                                      .body_len = (uint32_t)ix->end.root_len,
                                      .type = REC_ROOT};
    if (reader_record(r, &ix->scratch, &root, err) != 0) {
        bad(err, "is malformed");
        goto fail;
    }
    if (buf_add(&ix->root, ix->scratch.chunk->plain.p, ix->scratch.chunk->plain.len) !=
        0) {
        err_nomem(err);
        goto fail;
    }
    if (check_root(ix, err) != 0)
        goto fail;
    *out = ix;
    return 0;
fail:
    index_free(ix);
    return -1;
}

void index_free(struct index *ix)
{
    if (ix == NULL)
        return;
    reader_scratch_free(&ix->scratch);
    buf_free(&ix->root);
    buf_free(&ix->table);
    free(ix);
}

int index_manifest(struct index *ix, const uint8_t **p, size_t *len, struct err *err)
{
    const struct reader_place place = {.offset = ix->end.manifest_offset,
                                       .seq = ix->end.manifest_seq,
                                       .pos = 1, /* 0 is the first record */
                                       .body_len = (uint32_t)ix->end.manifest_len,
                                       .type = REC_MANIFEST};
    if (reader_record(ix->r, &ix->scratch, &place, err) != 0)
        return -1;
    *p = ix->scratch.chunk->plain.p;
    *len = ix->scratch.chunk->plain.len;
    return 0;
}

/* The rows must be those of records that can be, and lead exactly to the TABLE. */
static int check_rows(const struct index *ix, const struct table_root *t,
                      struct err *err)
{
    uint64_t offset = t->first_offset;
    for (size_t i = 0; i < row_count(ix); i++) {
        uint32_t e = row_at(ix, i), len = table_entry_len(e);
        uint8_t type = table_entry_type(e);
        if (type == REC_TABLE || type == REC_ROOT || type == REC_END ||
            !record_in_bounds(type, ix->r->chunk_size, len))
            return bad(err, "lists a record that cannot be");
        offset += RECORD_HEAD_SIZE + len;
    }
    return offset == t->offset ? 0 : bad(err, "holds a table that does not add up");
}

/* Load TABLE number `no`; its rows must lead exactly to where it stands. */
static int load_table(struct index *ix, size_t no, struct err *err)
{
    if (ix->table_no == no)
        return 0;
    struct table_root t = root_at(ix, no);
    ix->table_no = SIZE_MAX;
    const struct reader_place place = {
        .offset = t.offset, .seq = t.seq, .pos = no, .type = REC_TABLE};
    if (reader_record(ix->r, &ix->scratch, &place, err) != 0)
        return -1;
    struct buf *b = &ix->scratch.chunk->plain;
    uint64_t first_seq = no == 0 ? 0 : root_at(ix, no - 1).seq + 1;
    if (b->len != (t.seq - first_seq) * TABLE_ENTRY_SIZE)
        return bad(err, "holds a malformed table");
    ix->table.len = 0;
    if (buf_add(&ix->table, b->p, b->len) != 0)
        return err_nomem(err);
    if (check_rows(ix, &t, err) != 0)
        return -1;
    ix->table_no = no;
    ix->row = 0;
    ix->row_offset = t.first_offset;
    ix->row_chunk = t.first_chunk;
    return 0;
}

static uint64_t row_seq(const struct index *ix, size_t row)
{
    return (uint64_t)ix->table_no * TABLE_PERIOD + row;
}

void index_rewind(struct index *ix)
{
    ix->scan_table = 0;
    ix->scan_row = 0;
    ix->scan_offset = 0;
    ix->scan_entries = 0;
}

int index_entries(struct index *ix, const uint8_t **p, size_t *len, struct err *err)
{
    for (; ix->scan_table < table_count(ix); ix->scan_table++, ix->scan_row = 0) {
        if (load_table(ix, ix->scan_table, err) != 0)
            return -1;
        if (ix->scan_row == 0)
            ix->scan_offset = root_at(ix, ix->scan_table).first_offset;
        while (ix->scan_row < row_count(ix)) {
            uint32_t e = row_at(ix, ix->scan_row);
            uint64_t offset = ix->scan_offset, seq = row_seq(ix, ix->scan_row);
            ix->scan_row++;
            ix->scan_offset += RECORD_HEAD_SIZE + table_entry_len(e);
            if (table_entry_type(e) != REC_ENTRIES)
                continue;
            const struct reader_place place = {.offset = offset,
                                               .seq = seq,
                                               .pos = ix->scan_entries++,
                                               .body_len = table_entry_len(e),
                                               .type = REC_ENTRIES};
            if (reader_record(ix->r, &ix->scratch, &place, err) != 0)
                return -1;
            *p = ix->scratch.chunk->plain.p;
            *len = ix->scratch.chunk->plain.len;
            return 1;
        }
    }
    return 0;
}

int index_chunk(struct index *ix, uint64_t chunk, struct reader_place *place,
                struct err *err)
{
    if (chunk >= ix->end.chunks)
        return bad(err, "has no such chunk");
    size_t no = table_count(ix) - 1;
    while (no > 0 && root_at(ix, no).first_chunk > chunk)
        no--;
    if (load_table(ix, no, err) != 0)
        return -1;
    if (ix->row_chunk > chunk) { /* backwards: from the table's start again */
        ix->row = 0;
        ix->row_offset = root_at(ix, no).first_offset;
        ix->row_chunk = root_at(ix, no).first_chunk;
    }
    for (; ix->row < row_count(ix); ix->row++) {
        uint32_t e = row_at(ix, ix->row);
        bool data = table_entry_type(e) == REC_DATA;
        if (data && ix->row_chunk == chunk) {
            *place = (struct reader_place){.offset = ix->row_offset,
                                           .seq = row_seq(ix, ix->row),
                                           .pos = chunk,
                                           .body_len = table_entry_len(e),
                                           .type = REC_DATA};
            return 0;
        }
        ix->row_offset += RECORD_HEAD_SIZE + table_entry_len(e);
        ix->row_chunk += data;
    }
    return bad(err, "does not hold every chunk");
}
