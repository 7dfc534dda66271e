#include "job/items.h"

#include <string.h>

#include "format/limits.h"
#include "util/path.h"

#define TAR_BLOCK 512u

void items_start(struct items *it, struct index *index)
{
    it->index = index;
    it->len = it->off = 0;
    it->count = it->next_offset = 0;
    it->last_path.len = 0;
    index_rewind(index);
}

void items_free(struct items *it)
{
    buf_free(&it->last_path);
}

static int check(struct items *it, const struct item *item, struct err *err)
{
    bool first = it->count == 0;
    if (first ? strcmp(item->path, ".") != 0
              : path_cmp((const char *)it->last_path.p, item->path) >= 0)
        return err_set(err, ERR_DAMAGED,
                       "the archive contradicts itself: %s is out of order",
                       item->path);
    /* Headers are whole blocks, at least one; content is padded to a block. */
    uint64_t content = item->stored / TAR_BLOCK + (item->stored % TAR_BLOCK != 0);
    if (item->tar_offset != it->next_offset || item->tar_length % TAR_BLOCK != 0 ||
        item->tar_length / TAR_BLOCK < 1 + content)
        return err_set(err, ERR_DAMAGED, "the archive contradicts itself before %s",
                       item->path);
    it->next_offset += item->tar_length;
    it->count++;
    it->last_path.len = 0;
    return buf_add(&it->last_path, item->path, strlen(item->path) + 1) == 0
               ? 0
               : err_nomem(err);
}

static int check_end(const struct items *it, struct err *err)
{
    const struct end *end = &it->index->end;
    if (it->count == 0 || it->count != end->entries)
        return err_set(
            err, ERR_DAMAGED,
            "the archive contradicts itself: its end counts %llu entries, its "
            "index %llu",
            (unsigned long long)end->entries, (unsigned long long)it->count);
    if (end->tar_bytes < TAR_END_SIZE ||
        it->next_offset > end->tar_bytes - TAR_END_SIZE)
        return err_set(err, ERR_DAMAGED,
                       "the archive contradicts itself: entries lie outside its tar");
    return 0;
}

int items_next(struct items *it, struct item *item, struct err *err)
{
    size_t used;
    while (it->off == it->len) {
        int more = index_entries(it->index, &it->p, &it->len, err);
        if (more < 0)
            return -1;
        if (more == 0) {
            it->len = it->off = 0;
            return check_end(it, err);
        }
        it->off = 0;
    }
    if (item_decode(it->p + it->off, it->len - it->off, item, &used, err) != 0)
        return -1;
    it->off += used;
    return check(it, item, err) == 0 ? 1 : -1;
}
