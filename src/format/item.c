#include "format/item.h"

#include <string.h>

#include "format/limits.h"
#include "util/le.h"
#include "util/path.h"

#define LENGTH_SIZE   4u
#define FIXED_SIZE    72u
#define TLV_HEAD_SIZE 4u
#define TLV_SKIPPABLE 0x8000u
#define FLAGS_KNOWN   (ITEM_CHANGED | ITEM_INCOMPLETE | ITEM_SPARSE)
#define NSEC_PER_SEC  1000000000u
#define MODE_KNOWN    07777u

enum tlv_type {
    TLV_PATH = 1,
    TLV_USER = 2,
    TLV_GROUP = 3,
    TLV_LINK = 4,
    TLV_LINK_OFFSET = 5,
};

/* ---- encode ---- */

static int add_tlv(struct buf *out, unsigned type, const void *value, size_t len,
                   struct err *err)
{
    uint8_t head[TLV_HEAD_SIZE];
    le16_put(head, (uint16_t)type);
    le16_put(head + 2, (uint16_t)len);
    if (buf_add(out, head, sizeof head) != 0 || buf_add(out, value, len) != 0)
        return err_nomem(err);
    return 0;
}

/* A string with its NUL; none for NULL. */
static int add_string(struct buf *out, unsigned type, const char *s, size_t max,
                      struct err *err)
{
    if (s == NULL)
        return 0;
    size_t len = strlen(s);
    if (len > max)
        return err_set(err, ERR_FAIL,
                       "a name is too long for an archive: %zu bytes of at most %zu: "
                       "%.200s...",
                       len, max, s);
    return add_tlv(out, type, s, len + 1, err);
}

static void put_fixed(const struct item *item, uint8_t raw[FIXED_SIZE])
{
    memset(raw, 0, FIXED_SIZE);
    raw[0] = item->type;
    le16_put(raw + 2, item->flags);
    le32_put(raw + 4, item->mode);
    le32_put(raw + 8, item->uid);
    le32_put(raw + 12, item->gid);
    le64_put(raw + 16, (uint64_t)item->mtime);
    le32_put(raw + 24, item->mtime_ns);
    le64_put(raw + 32, item->size);
    le64_put(raw + 40, item->stored);
    le64_put(raw + 48, item->tar_offset);
    le64_put(raw + 56, item->tar_length);
    le32_put(raw + 64, item->dev_major);
    le32_put(raw + 68, item->dev_minor);
}

int item_encode(const struct item *item, struct buf *out, struct err *err)
{
    size_t start = out->len;
    uint8_t raw[LENGTH_SIZE + FIXED_SIZE] = {0};
    put_fixed(item, raw + LENGTH_SIZE);
    if (buf_add(out, raw, sizeof raw) != 0) {
        err_nomem(err);
        goto fail;
    }
    if (add_string(out, TLV_PATH, item->path, PATH_BYTES_MAX, err) != 0 ||
        add_string(out, TLV_USER, item->user, NAME_BYTES_MAX, err) != 0 ||
        add_string(out, TLV_GROUP, item->group, NAME_BYTES_MAX, err) != 0 ||
        add_string(out, TLV_LINK, item->link, PATH_BYTES_MAX, err) != 0)
        goto fail;
    if (item->type == ITEM_HARDLINK) {
        uint8_t value[8];
        le64_put(value, item->link_offset);
        if (add_tlv(out, TLV_LINK_OFFSET, value, sizeof value, err) != 0)
            goto fail;
    }
    le32_put(out->p + start, (uint32_t)(out->len - start));
    return 0;

fail:
    out->len = start;
    return -1;
}

/* ---- decode ---- */

static int damaged(struct err *err, const char *why)
{
    return err_set(err, ERR_DAMAGED, "an entry of the archive's list is damaged: %s",
                   why);
}

static int get_fixed(const uint8_t *raw, struct item *item, struct err *err)
{
    memset(item, 0, sizeof *item);
    item->type = raw[0];
    item->flags = le16_get(raw + 2);
    item->mode = le32_get(raw + 4);
    item->uid = le32_get(raw + 8);
    item->gid = le32_get(raw + 12);
    item->mtime = (int64_t)le64_get(raw + 16);
    item->mtime_ns = le32_get(raw + 24);
    item->size = le64_get(raw + 32);
    item->stored = le64_get(raw + 40);
    item->tar_offset = le64_get(raw + 48);
    item->tar_length = le64_get(raw + 56);
    item->dev_major = le32_get(raw + 64);
    item->dev_minor = le32_get(raw + 68);

    bool device = item->type == ITEM_CHAR || item->type == ITEM_BLOCK;
    if (item->type < ITEM_FILE || item->type > ITEM_BLOCK)
        return damaged(err, "its type is unknown");
    if (item->flags & ~FLAGS_KNOWN)
        return damaged(err, "it has an unknown flag");
    if (raw[1] != 0 || le32_get(raw + 28) != 0)
        return damaged(err, "reserved bytes are not zero");
    if (item->mode & ~MODE_KNOWN)
        return damaged(err, "its mode is out of range");
    if (item->uid == UINT32_MAX || item->gid == UINT32_MAX)
        return damaged(err, "its owner is out of range");
    if (item->mtime_ns >= NSEC_PER_SEC)
        return damaged(err, "its time is out of range");
    if (item->type != ITEM_FILE && (item->size != 0 || item->stored != 0))
        return damaged(err, "it is no file and has content");
    if (item->stored > item->size)
        return damaged(err, "more is stored than its size");
    if (!device && (item->dev_major != 0 || item->dev_minor != 0))
        return damaged(err, "it is no device and has a device number");
    if (item->tar_offset + item->tar_length < item->tar_offset)
        return damaged(err, "its place is out of range");
    return 0;
}

/* A string value: its NUL at the end and nowhere else. NULL if it is not one. */
static const char *get_string(const uint8_t *value, size_t len, size_t max)
{
    if (len < 2 || len > max + 1 || memchr(value, '\0', len) != value + len - 1)
        return NULL;
    return (const char *)value;
}

static int get_tlv(unsigned type, const uint8_t *value, size_t len, struct item *item,
                   struct err *err)
{
    const char **string;
    size_t max = PATH_BYTES_MAX;

    switch (type) {
    case TLV_PATH:
        string = &item->path;
        break;
    case TLV_USER:
        string = &item->user;
        max = NAME_BYTES_MAX;
        break;
    case TLV_GROUP:
        string = &item->group;
        max = NAME_BYTES_MAX;
        break;
    case TLV_LINK:
        string = &item->link;
        break;
    case TLV_LINK_OFFSET:
        if (item->type != ITEM_HARDLINK || len != 8)
            return damaged(err, "its link is not as it must be");
        item->link_offset = le64_get(value);
        return 0;
    default:
        if (type & TLV_SKIPPABLE)
            return 0;
        return damaged(err, "it has a field of an unknown type");
    }
    *string = get_string(value, len, max);
    if (*string == NULL)
        return damaged(err, "a name in it is not as it must be");
    return 0;
}

/* What must be there, and must not, once all fields have been seen. */
static int check_strings(const struct item *item, bool link_offset, struct err *err)
{
    if (item->path == NULL || !path_valid(item->path, strlen(item->path)))
        return damaged(err, "its path is not a path");

    bool hard = item->type == ITEM_HARDLINK;
    bool linked = hard || item->type == ITEM_SYMLINK;
    if (linked != (item->link != NULL) || hard != link_offset)
        return damaged(err, "its link is not as it must be");
    if (hard && (!path_valid(item->link, strlen(item->link)) ||
                 item->link_offset >= item->tar_offset))
        return damaged(err, "it is a link to what does not come before it");
    return 0;
}

int item_decode(const uint8_t *p, size_t len, struct item *item, size_t *used,
                struct err *err)
{
    if (len < LENGTH_SIZE + FIXED_SIZE)
        return damaged(err, "it is cut");
    size_t size = le32_get(p);
    if (size < LENGTH_SIZE + FIXED_SIZE || size > len || size > ITEM_MAX)
        return damaged(err, "its length is out of range");
    if (get_fixed(p + LENGTH_SIZE, item, err) != 0)
        return -1;

    unsigned last = 0; /* types ascend, so none comes twice */
    bool link_offset = false;
    for (size_t at = LENGTH_SIZE + FIXED_SIZE; at < size;) {
        if (size - at < TLV_HEAD_SIZE)
            return damaged(err, "a field in it is cut");
        unsigned type = le16_get(p + at);
        size_t n = le16_get(p + at + 2);
        at += TLV_HEAD_SIZE;
        if (n > size - at)
            return damaged(err, "a field in it is cut");
        if (type <= last)
            return damaged(err, "its fields are out of order");
        if (get_tlv(type, p + at, n, item, err) != 0)
            return -1;
        link_offset |= type == TLV_LINK_OFFSET;
        last = type;
        at += n;
    }
    if (check_strings(item, link_offset, err) != 0)
        return -1;
    *used = size;
    return 0;
}

/* ---- compare ---- */

static bool same(const char *a, const char *b)
{
    if (a == NULL || b == NULL)
        return a == b;
    return strcmp(a, b) == 0;
}

bool item_equal(const struct item *a, const struct item *b)
{
    return a->type == b->type && a->mode == b->mode && a->uid == b->uid &&
           a->gid == b->gid && a->mtime == b->mtime && a->mtime_ns == b->mtime_ns &&
           a->size == b->size && a->stored == b->stored &&
           ((a->flags ^ b->flags) & ITEM_SPARSE) == 0 && a->dev_major == b->dev_major &&
           a->dev_minor == b->dev_minor && a->tar_offset == b->tar_offset &&
           same(a->path, b->path) && same(a->user, b->user) &&
           same(a->group, b->group) && same(a->link, b->link);
}
