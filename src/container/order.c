#include "container/order.h"

#include <string.h>

#include "format/table.h"
#include "util/le.h"

void order_init(struct order *o, uint32_t chunk_size)
{
    *o = (struct order){.chunk_size = chunk_size};
}

void order_free(struct order *o)
{
    buf_free(&o->table);
    buf_free(&o->root);
}

void order_entries(struct order *o, uint64_t n)
{
    o->entries += n;
}

static int bad(const struct chunk *c, const char *why, struct err *err)
{
    return err_set(err, ERR_DAMAGED, "the archive is damaged: record %llu: %s",
                   (unsigned long long)c->head.seq, why);
}

/* May a record of this type stand here? */
static const char *misplaced(const struct order *o, const struct chunk *c)
{
    uint8_t type = c->head.type;
    bool turn = c->head.seq % TABLE_PERIOD == TABLE_PERIOD - 1;

    if (o->ended)
        return "it follows the end";
    if (c->head.seq == 0)
        return type == REC_MANIFEST ? NULL
                                    : "the archive does not begin with its manifest";
    if (o->last == REC_ROOT)
        return type == REC_END ? NULL : "the end is missing";
    if (type == REC_END)
        return "the end comes too early";
    if (o->last_table)
        return type == REC_ROOT ? NULL : "the index is missing";
    if (type == REC_ROOT)
        return "the index comes too early";
    bool final = o->pos[REC_MANIFEST] == 2;
    if (turn != (type == REC_TABLE) && !(type == REC_TABLE && final))
        return turn ? "a table is missing" : "a table stands in the wrong place";
    if (final && type != REC_TABLE && !(type & REC_ANCILLARY))
        return "data follows the final manifest";
    if (type == REC_DATA && o->short_chunk)
        return "data follows the last chunk";
    return NULL;
}

static int check_table(struct order *o, const struct chunk *c, struct err *err)
{
    uint8_t raw[TABLE_ROOT_SIZE];
    struct table_root root = {
        .offset = o->offset,
        .seq = c->head.seq,
        .first_chunk = o->table_first_chunk,
        .first_offset = o->table_first_offset,
    };
    if (c->plain.len != o->table.len ||
        memcmp(c->plain.p, o->table.p, o->table.len) != 0)
        return bad(c, "the table does not list the records before it", err);
    table_root_encode(&root, raw);
    if (buf_add(&o->root, raw, sizeof raw) != 0)
        return err_nomem(err);
    o->last_table = o->pos[REC_MANIFEST] == 2;
    o->table.len = 0;
    return 0;
}

static int check_end(struct order *o, const struct chunk *c, struct err *err)
{
    const struct end *e = &o->end;
    if (c->plain.len != END_SIZE)
        return bad(c, "the end is malformed", err);
    if (end_decode(c->plain.p, &o->end, err) != 0)
        return -1;
    if (e->records != c->head.seq + 1 || e->chunks != o->chunks ||
        e->tar_bytes != o->tar_bytes || e->offset != o->offset ||
        e->entries != o->entries || e->root_offset != o->root_offset ||
        e->root_seq != o->root_seq || e->manifest_offset != o->manifest_offset ||
        e->manifest_seq != o->manifest_seq || e->manifest_len != o->manifest_len ||
        e->root_len != o->root_len)
        return bad(c, "the end does not sum up what came before it", err);
    o->ended = true;
    return 0;
}

/* What this type says of the records before it. */
static int check_content(struct order *o, const struct chunk *c, struct err *err)
{
    switch (c->head.type) {
    case REC_DATA:
        o->short_chunk = c->plain.len < o->chunk_size;
        o->tar_bytes += c->plain.len;
        o->chunks++;
        return 0;
    case REC_MANIFEST:
        o->manifest_offset = o->offset;
        o->manifest_seq = c->head.seq;
        o->manifest_len = c->head.body_len;
        return 0;
    case REC_TABLE:
        return check_table(o, c, err);
    case REC_ROOT:
        o->root_offset = o->offset;
        o->root_seq = c->head.seq;
        o->root_len = c->head.body_len;
        if (c->plain.len != o->root.len ||
            memcmp(c->plain.p, o->root.p, o->root.len) != 0)
            return bad(c, "the index does not list the tables before it", err);
        return 0;
    case REC_END:
        return check_end(o, c, err);
    default:
        return 0;
    }
}

int order_record(struct order *o, const struct chunk *c, struct err *err)
{
    uint8_t type = c->head.type;
    const char *why = misplaced(o, c);

    if (c->head.seq != o->seq || c->head.pos != o->pos[type])
        return bad(c, "it is out of order", err);
    if (why != NULL)
        return bad(c, why, err);
    o->pos[type]++;
    if (check_content(o, c, err) != 0)
        return -1;

    o->seq++;
    o->offset += RECORD_HEAD_SIZE + c->head.body_len;
    o->last = c->head.type;
    if (c->head.type == REC_TABLE) {
        o->table_first_chunk = o->chunks;
        o->table_first_offset = o->offset;
        return 0;
    }
    uint8_t raw[TABLE_ENTRY_SIZE];
    le32_put(raw, table_entry(c->head.body_len, c->head.type));
    return buf_add(&o->table, raw, sizeof raw) == 0 ? 0 : err_nomem(err);
}
