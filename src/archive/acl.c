#include "archive/acl.h"

#include <stdbool.h>
#include <stdlib.h>

#include "util/le.h"

#define VERSION  2u
#define HEAD     4u /* u32 version */
#define ROW      8u /* u16 tag, u16 perm, u32 id */
#define NAMED    (2u | 8u)
#define TAGS     (1u | 2u | 4u | 8u | 16u | 32u)
#define NO_ID    0xffffffffu
#define LEN_MAX  65536u /* no attribute is longer */
#define ROWS_MAX ((LEN_MAX - HEAD) / ROW)

static int cmp(const void *va, const void *vb)
{
    const struct acl_row *a = va, *b = vb;
    if (a->tag != b->tag)
        return a->tag < b->tag ? -1 : 1;
    return a->id < b->id ? -1 : a->id > b->id;
}

static bool row_valid(const struct acl_row *r)
{
    bool one_tag = (r->tag & (r->tag - 1u)) == 0 && (r->tag & TAGS) != 0;
    bool named = (r->tag & NAMED) != 0;
    return one_tag && r->perm <= 7 && named == (r->id != NO_ID);
}

int acl_decode(const uint8_t *value, size_t len, struct acl_row **rows, size_t *n)
{
    if (len < HEAD || len > LEN_MAX || (len - HEAD) % ROW != 0 ||
        le32_get(value) != VERSION)
        return -1;
    size_t count = (len - HEAD) / ROW;
    struct acl_row *r = calloc(count > 0 ? count : 1, sizeof *r);
    if (r == NULL)
        return -1;
    for (size_t i = 0; i < count; i++) {
        const uint8_t *p = value + HEAD + i * ROW;
        r[i] = (struct acl_row){le16_get(p), le16_get(p + 2), le32_get(p + 4)};
        if (!row_valid(&r[i]) || (i > 0 && cmp(&r[i - 1], &r[i]) >= 0)) {
            free(r);
            return -1;
        }
    }
    *rows = r;
    *n = count;
    return 0;
}

int acl_encode(struct acl_row *rows, size_t n, uint8_t **value, size_t *len,
               struct err *err)
{
    if (n > ROWS_MAX)
        return err_set(err, ERR_FAIL, "an ACL has too many entries: %zu", n);
    uint8_t *v = malloc(HEAD + n * ROW);
    if (v == NULL)
        return err_nomem(err);
    if (n > 1)
        qsort(rows, n, sizeof *rows, cmp);
    le32_put(v, VERSION);
    for (size_t i = 0; i < n; i++) {
        uint8_t *p = v + HEAD + i * ROW;
        le16_put(p, rows[i].tag);
        le16_put(p + 2, rows[i].perm);
        le32_put(p + 4, rows[i].id);
    }
    *value = v;
    *len = HEAD + n * ROW;
    return 0;
}
