#include "job/itemrules.h"

#include <stdbool.h>
#include <string.h>

#include "format/limits.h"
#include "util/path.h"

#define TAR_BLOCK 512u

void itemrules_restart(struct itemrules *rules)
{
    rules->count = rules->next_offset = 0;
    rules->last_path.len = 0;
}

int itemrules_path(struct itemrules *rules, const char *path, struct err *err)
{
    bool first = rules->count == 0;
    if (first ? strcmp(path, ".") != 0
              : path_cmp((const char *)rules->last_path.p, path) >= 0)
        return err_set(err, ERR_DAMAGED,
                       "the archive contradicts itself: %s is out of order", path);
    rules->count++;
    rules->last_path.len = 0;
    if (buf_add(&rules->last_path, path, strlen(path) + 1) != 0)
        return err_nomem(err);
    return 0;
}

int itemrules_tile(struct itemrules *rules, const struct item *item, struct err *err)
{
    /* Headers are whole blocks, at least one; content is padded to a block. */
    uint64_t content = item->stored / TAR_BLOCK + (item->stored % TAR_BLOCK != 0);
    if (item->tar_offset != rules->next_offset || item->tar_length % TAR_BLOCK != 0 ||
        item->tar_length / TAR_BLOCK < 1 + content)
        return err_set(err, ERR_DAMAGED, "the archive contradicts itself before %s",
                       item->path);
    rules->next_offset += item->tar_length;
    return 0;
}

int itemrules_end(const struct itemrules *rules, const struct end *end, struct err *err)
{
    if (rules->count == 0 || rules->count != end->entries)
        return err_set(
            err, ERR_DAMAGED,
            "the archive contradicts itself: its end counts %llu entries, its "
            "index %llu",
            (unsigned long long)end->entries, (unsigned long long)rules->count);
    if (end->tar_bytes < TAR_END_SIZE ||
        rules->next_offset > end->tar_bytes - TAR_END_SIZE)
        return err_set(err, ERR_DAMAGED,
                       "the archive contradicts itself: entries lie outside its tar");
    return 0;
}

void itemrules_free(struct itemrules *rules)
{
    buf_free(&rules->last_path);
}
