#include "job/items.h"

void items_start(struct items *it, struct index *index,
                 const struct manifest_totals *totals)
{
    it->index = index;
    it->totals = totals;
    it->len = it->off = 0;
    itemrules_restart(&it->rules);
    index_rewind(index);
}

void items_free(struct items *it)
{
    itemrules_free(&it->rules);
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
            if (itemrules_end(&it->rules, &it->index->end, err) != 0)
                return -1;
            return itemrules_totals(&it->rules, it->totals, err);
        }
        it->off = 0;
    }
    if (item_decode(it->p + it->off, it->len - it->off, item, &used, err) != 0)
        return -1;
    it->off += used;
    if (itemrules_time(item, err) != 0 ||
        itemrules_path(&it->rules, item->path, item->type, err) != 0 ||
        itemrules_tile(&it->rules, item, err) != 0)
        return -1;
    return 1;
}
