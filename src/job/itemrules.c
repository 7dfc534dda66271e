#include "job/itemrules.h"

#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "format/limits.h"
#include "util/path.h"

#define TAR_BLOCK 512u

void itemrules_restart(struct itemrules *rules)
{
    rules->count = rules->next_offset = 0;
    rules->last_path.len = 0;
    rules->totals = (struct manifest_totals){0};
    primaries_clear(&rules->files);
}

static int contradicts(const char *path, const char *why, struct err *err)
{
    return err_set(err, ERR_DAMAGED, "the archive contradicts itself: %s %s", path,
                   why);
}

/* Whether the directory of `path` is among the items. It is the last one, or one that
 * the last one lies in: all those are, since this held for the last one. */
static bool has_parent(const struct itemrules *rules, const char *path)
{
    const char *last = (const char *)rules->last_path.p, *slash = strrchr(path, '/');
    if (slash == NULL)
        return true;
    size_t len = (size_t)(slash - path);
    if (strncmp(last, path, len) != 0)
        return false;
    return last[len] == '/' || (last[len] == '\0' && rules->last_type == ITEM_DIR);
}

int itemrules_path(struct itemrules *rules, const char *path, uint8_t type,
                   struct err *err)
{
    bool first = rules->count == 0;
    if (first ? strcmp(path, ".") != 0
              : path_cmp((const char *)rules->last_path.p, path) >= 0)
        return contradicts(path, "is out of order", err);
    if (first && type != ITEM_DIR)
        return contradicts(path, "is no directory", err);
    if (!first && !has_parent(rules, path))
        return contradicts(path, "lies in no directory that came before it", err);
    const char *slash = strrchr(path, '/');
    if (type == ITEM_DIR && path_reserved(slash != NULL ? slash + 1 : path))
        return contradicts(path, "is a directory of a name that is never stored", err);
    rules->count++;
    rules->last_type = type;
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
    manifest_count(&rules->totals, item);
    if (item->type == ITEM_HARDLINK &&
        !primaries_has(&rules->files, item->link, item->link_offset))
        return contradicts(item->path, "is a hard link to what is no earlier file",
                           err);
    return item->type != ITEM_FILE
               ? 0
               : primaries_add(&rules->files, item->path, item->tar_offset, err);
}

int itemrules_time(const struct item *item, struct err *err)
{
    if ((int64_t)(time_t)item->mtime == item->mtime)
        return 0;
    err_set(err, ERR_FAIL, "the time of %s is one that this program cannot hold",
            item->path);
    err_hint(err, "times of 32 bits end in January 2038: use pmm-seal on a machine of "
                  "64 bits");
    return -1;
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

int itemrules_totals(const struct itemrules *rules,
                     const struct manifest_totals *totals, struct err *err)
{
    const struct manifest_totals *seen = &rules->totals;
    if (seen->entries == totals->entries && seen->files == totals->files &&
        seen->dirs == totals->dirs && seen->links == totals->links &&
        seen->others == totals->others && seen->bytes == totals->bytes &&
        seen->stored == totals->stored && seen->disk_bytes == totals->disk_bytes)
        return 0;
    return err_set(err, ERR_DAMAGED,
                   "the archive contradicts itself: its entries do not add up to the "
                   "totals of its manifest");
}

void itemrules_free(struct itemrules *rules)
{
    primaries_clear(&rules->files);
    buf_free(&rules->last_path);
}
