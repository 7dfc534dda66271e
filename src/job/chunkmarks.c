#include "job/chunkmarks.h"

#include "format/frame.h"
#include "util/le.h"

#define MARK_SIZE 8u

int chunkmarks_chunk(struct chunkmarks *m, uint64_t number, uint32_t first_entry,
                     struct err *err)
{
    uint8_t raw[MARK_SIZE];
    if (first_entry == FRAME_NO_ENTRY)
        return 0;
    if (m->met == m->marks.len)
        m->met = m->marks.len = 0;
    le64_put(raw, number * m->chunk_size + first_entry);
    return buf_add(&m->marks, raw, sizeof raw) == 0 ? 0 : err_nomem(err);
}

static int wrong(struct err *err)
{
    return err_set(err, ERR_DAMAGED,
                   "the archive contradicts itself: a chunk is wrong about its first "
                   "entry");
}

int chunkmarks_entry(struct chunkmarks *m, uint64_t offset, struct err *err)
{
    uint64_t chunk = offset / m->chunk_size;
    if (chunk < m->chunks)
        return 0;
    if (m->met == m->marks.len || le64_get(m->marks.p + m->met) != offset)
        return wrong(err);
    m->met += MARK_SIZE;
    m->chunks = chunk + 1;
    return 0;
}

int chunkmarks_end(const struct chunkmarks *m, struct err *err)
{
    return m->met == m->marks.len ? 0 : wrong(err);
}

void chunkmarks_free(struct chunkmarks *m)
{
    buf_free(&m->marks);
}
