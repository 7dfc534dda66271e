#include "victim.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/tarout.h"
#include "archive/walk.h"
#include "container/writer.h"
#include "format/record.h"
#include "format/slot.h"
#include "report/manifest.h"
#include "seal/keyring.h"
#include "util/io.h"

/* ---- what its bytes are ---- */

static int add_region(struct victim *v, enum region_kind kind, size_t len,
                      struct err *err)
{
    size_t from = v->nregions == 0 ? 0 : v->regions[v->nregions - 1].to;
    if (v->nregions == VICTIM_REGIONS_MAX || len > v->bytes.len - from)
        return err_set(err, ERR_FAIL, "%s has more regions than expected", v->name);
    v->regions[v->nregions++] = (struct region){kind, from, from + len};
    return 0;
}

static int add_header(struct victim *v, size_t slots, bool copy, struct err *err)
{
    enum region_kind rest = copy ? REGION_COPY : REGION_HEADER;
    if (add_region(v, rest, HEADER_OFF_SLOTS, err) != 0 ||
        add_region(v, copy ? REGION_COPY_SLOTS : REGION_SLOTS, slots, err) != 0)
        return -1;
    return add_region(v, rest, HEADER_UNIT - HEADER_OFF_SLOTS - slots, err);
}

static enum region_kind kind_of(const struct record_head *h, uint64_t part_chunk)
{
    switch (h->type) {
    case REC_DATA:
        return h->pos == part_chunk ? REGION_DATA_OF_PART : REGION_DATA;
    case REC_ENTRIES:
        return REGION_ENTRIES;
    case REC_TABLE:
        return REGION_TABLE;
    case REC_MANIFEST:
        return h->pos == 0 ? REGION_FIRST_MANIFEST : REGION_MANIFEST;
    case REC_ROOT:
        return REGION_ROOT;
    case REC_END:
        return REGION_END;
    default:
        return REGION_ANCILLARY;
    }
}

/* By the heads of its records. `slots`: bytes of slots in its header. */
static int find_regions(struct victim *v, size_t slots, uint64_t part_chunk,
                        struct err *err)
{
    const uint8_t *p = v->bytes.p;
    struct record_head h = {.type = 0};
    if (v->bytes.len < 2 * HEADER_UNIT + TAIL_SIZE ||
        add_header(v, slots, false, err) != 0)
        return -1;
    for (size_t at = HEADER_UNIT; h.type != REC_END;
         at += RECORD_HEAD_SIZE + h.body_len) {
        if (at + RECORD_HEAD_SIZE > v->bytes.len)
            return err_set(err, ERR_FAIL, "%s has no end", v->name);
        if (record_head_parse(p + at, p + HEADER_OFF_ID, 1u << 16, &h, err) != 0 ||
            add_region(v, kind_of(&h, part_chunk), RECORD_HEAD_SIZE + h.body_len,
                       err) != 0)
            return -1;
    }
    if (add_header(v, slots, true, err) != 0 ||
        add_region(v, REGION_TAIL, TAIL_SIZE, err) != 0)
        return -1;
    return v->regions[v->nregions - 1].to == v->bytes.len
               ? 0
               : err_set(err, ERR_FAIL, "%s has bytes of no region", v->name);
}

/* ---- written by ourselves ---- */

#define PASSPHRASE "the passphrase of the archive that is damaged"
#define ANOTHER    "another passphrase that opens it as well"
#define CREATED    1700000000

struct writing {
    struct victim *v;
    struct keyring *ring, *another;
    struct header header;
    uint8_t raw[HEADER_UNIT];
    struct keys *keys;
    struct writer *writer;
    struct tarout *tar;
    struct manifest_totals totals;
};

static int put_file(int dir, const char *name, const char *text, size_t len)
{
    int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    const struct timespec times[] = {{.tv_sec = CREATED}, {.tv_sec = CREATED}};
    int rc =
        fd < 0 || io_write(fd, text, len) != 0 || futimens(fd, times) != 0 ? -1 : 0;
    if (fd >= 0)
        close(fd);
    return rc;
}

/* About 150000 bytes that pack well, so that an archive of three chunks is short. */
static int put_long_file(int dir)
{
    size_t len = 150000;
    char *text = malloc(len + 64);
    if (text == NULL)
        return -1;
    for (size_t at = 0; at < len; at += 50)
        snprintf(text + at, 64, "%-49s\n", at % 30000 == 0 ? "another part" : "a line");
    int rc = put_file(dir, "long", text, len);
    free(text);
    return rc;
}

static int make_tree(int dir, struct err *err)
{
    if (put_long_file(dir) != 0 || mkdirat(dir, "dir", 0750) != 0 ||
        put_file(dir, "dir/empty", "", 0) != 0 ||
        linkat(dir, "long", dir, "long.hard", 0) != 0 ||
        symlinkat("dir/empty", dir, "soft") != 0 ||
        put_file(dir, "zeta", "the last one\n", 13) != 0)
        return err_sys(err, ERR_FAIL, "cannot make the tree");
    return 0;
}

static int sink(void *ctx, const void *buf, size_t len, struct err *err)
{
    struct writing *w = ctx;
    return buf_add(&w->v->bytes, buf, len) == 0 ? 0 : err_nomem(err);
}

static int add_slot(struct writing *w, struct keyring *ring, uint8_t salt,
                    const uint8_t *file_key, struct err *err)
{
    static const struct kdf_cost cost = {KDF_PASSES_MIN, KDF_MEMORY_KIB_MIN};
    struct slot_passphrase p = {.passes = cost.passes, .memory_kib = cost.memory_kib};
    uint8_t slot[SLOT_PASSPHRASE_SIZE];
    const uint8_t *kek;
    memset(p.salt, salt, sizeof p.salt);
    if (keyring_kek(ring, p.salt, &cost, &kek, err) != 0 ||
        keys_wrap(&p, CREATED, kek, w->raw, file_key, err) != 0)
        return -1;
    slot_encode_passphrase(&p, CREATED, slot);
    return slot_add(&w->header, slot, sizeof slot, err);
}

static int make_header(struct writing *w, struct err *err)
{
    static const uint8_t file_key[FILE_KEY_SIZE] = "a file key that is known to all";
    struct header *h = &w->header;
    *h = (struct header){.version = FORMAT_VERSION,
                         .suite = FORMAT_SUITE,
                         .chunk_log2 = CHUNK_LOG2_MIN,
                         .units = 1,
                         .generation = 1};
    memcpy(h->id, "0123456789abcdef", sizeof h->id);
    header_encode(h, w->raw);
    if (keys_derive(&w->keys, file_key, w->raw, err) != 0 ||
        add_slot(w, w->another, 1, file_key, err) != 0 ||
        add_slot(w, w->ring, 2, file_key, err) != 0)
        return -1;
    memcpy(h->key_check, w->keys->check, sizeof h->key_check);
    header_encode(h, w->raw);
    keys_header_finish(w->raw, sizeof w->raw, w->keys);
    return 0;
}

static int store_entry(void *ctx, struct entry *e, int fd, struct err *err)
{
    struct writing *w = ctx;
    /* The same archive on every machine and day: a failure names a byte. */
    e->item.uid = e->item.gid = 1000;
    e->item.mtime = CREATED;
    e->item.mtime_ns = 0;
    if (writer_mark(w->writer, err) != 0 || tarout_entry(w->tar, e, fd, err) != 0 ||
        writer_entry(w->writer, &e->item, err) != 0)
        return -1;
    manifest_count(&w->totals, &e->item);
    return 0;
}

static struct manifest manifest(const struct writing *w, bool final)
{
    return (struct manifest){.tool = "test",
                             .host = "host",
                             .name = "name",
                             .source = "/srv",
                             .created = CREATED,
                             .level = 3,
                             .final = final,
                             .finished = CREATED,
                             .totals = w->totals};
}

static int begin(struct writing *w, struct err *err)
{
    const struct writer_opts opts = {.level = 3, .threads = 1};
    const struct manifest m = manifest(w, false);
    struct buf json = {0};
    int rc = manifest_encode(&m, NULL, MANIFEST_MAX, &json, err);
    if (rc == 0)
        rc = writer_open(&w->writer, &w->header, w->raw, w->keys, &opts, sink, w,
                         json.p, json.len, err);
    buf_free(&json);
    return rc;
}

static int finish(struct writing *w, struct err *err)
{
    const struct manifest m = manifest(w, true);
    struct writer_totals totals;
    struct report *none = NULL;
    struct buf json = {0};
    int rc = report_new(&none, err);
    if (rc == 0)
        rc = manifest_encode(&m, none, MANIFEST_MAX, &json, err);
    if (rc == 0)
        rc = writer_finish(w->writer, json.p, json.len, 0, &totals, err);
    report_free(none);
    buf_free(&json);
    return rc;
}

static int write_archive(struct writing *w, int tree, struct err *err)
{
    static const struct notice_sink silent;
    const struct walk_opts opts = {.excludes = NULL};
    struct walk_counts counts;
    struct kdf_limits limits;
    kdf_limits_default(&limits);
    if (keyring_new(&w->ring, PASSPHRASE, strlen(PASSPHRASE), &limits, err) != 0 ||
        keyring_new(&w->another, ANOTHER, strlen(ANOTHER), &limits, err) != 0 ||
        make_header(w, err) != 0 || begin(w, err) != 0 ||
        tarout_open(&w->tar, writer_data, w->writer, &silent, NULL, err) != 0 ||
        walk_tree(tree, &opts, store_entry, w, &silent, &counts, err) != 0 ||
        tarout_finish(w->tar, &w->totals.tar_bytes, err) != 0)
        return -1;
    return finish(w, err);
}

int victim_written(struct victim *v, int dir, struct err *err)
{
    struct writing w = {.v = v};
    *v = (struct victim){.name = "an archive of container/writer",
                         .passphrase = PASSPHRASE,
                         .part = "zeta",
                         .check = "the last one\n"};
    if (mkdirat(dir, "tree", 0700) != 0)
        return err_sys(err, ERR_FAIL, "cannot make the tree");
    int tree = openat(dir, "tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = make_tree(tree, err) != 0 ? -1 : write_archive(&w, tree, err);
    close(tree);
    tarout_free(w.tar);
    writer_free(w.writer, err);
    keys_free(w.keys);
    keyring_free(w.ring);
    keyring_free(w.another);
    v->entries = w.totals.entries;
    /* The file of 150000 bytes ends in the third chunk, and so does all behind it. */
    return rc != 0 ? -1 : find_regions(v, 2 * SLOT_PASSPHRASE_SIZE, 2, err);
}

/* ---- the example of docs/FORMAT.md ---- */

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Append what stands behind "    name = ", on as many lines as it takes. */
static int append(struct victim *v, const char *text, const char *name, struct err *err)
{
    char key[32];
    snprintf(key, sizeof key, "\n    %-14s = ", name);
    const char *p = strstr(text, key);
    if (p == NULL)
        return err_set(err, ERR_FAIL, "docs/FORMAT.md has no %s", name);
    for (p += strlen(key); hex_digit(*p) >= 0;) {
        for (; hex_digit(p[0]) >= 0 && hex_digit(p[1]) >= 0; p += 2) {
            uint8_t byte = (uint8_t)(hex_digit(p[0]) << 4 | hex_digit(p[1]));
            if (buf_add(&v->bytes, &byte, 1) != 0)
                return err_nomem(err);
        }
        size_t blanks = *p == '\n' ? strspn(p + 1, " ") : 0;
        if (blanks >= 8)
            p += 1 + blanks;
    }
    return 0;
}

static int append_header(struct victim *v, const char *text, struct err *err)
{
    static const uint8_t zeros[HEADER_UNIT];
    size_t used = HEADER_OFF_SLOTS + SLOT_PASSPHRASE_SIZE + HEADER_CHECKSUM_SIZE +
                  HEADER_MAC_SIZE;
    if (append(v, text, "header_0_159", err) != 0 || append(v, text, "slot", err) != 0)
        return -1;
    if (buf_add(&v->bytes, zeros, HEADER_UNIT - used) != 0)
        return err_nomem(err);
    if (append(v, text, "checksum", err) != 0)
        return -1;
    return append(v, text, "mac", err);
}

static int append_all(struct victim *v, const char *text, struct err *err)
{
    char name[32];
    if (append_header(v, text, err) != 0)
        return -1;
    for (unsigned i = 0; i < 9; i++) {
        snprintf(name, sizeof name, "head_%u", i);
        if (append(v, text, name, err) != 0)
            return -1;
        snprintf(name, sizeof name, "body_%u", i);
        if (append(v, text, name, err) != 0)
            return -1;
    }
    if (append_header(v, text, err) != 0)
        return -1;
    return append(v, text, "tail", err);
}

int victim_example(struct victim *v, const char *srcdir, struct err *err)
{
    char path[4096];
    struct buf text = {0};
    *v = (struct victim){.name = "the example of docs/FORMAT.md",
                         .passphrase = "correct horse battery staple",
                         .entries = 2,
                         .part = "hello.txt",
                         .check = "Hello.\n"};
    snprintf(path, sizeof path, "%s/docs/FORMAT.md", srcdir);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_sys(err, ERR_FAIL, "cannot open: %s", path);
    ssize_t n = 1;
    while (n > 0 && buf_reserve(&text, 65536) == 0) {
        n = read(fd, text.p + text.len, 65536);
        text.len += n > 0 ? (size_t)n : 0;
    }
    close(fd);
    int rc = n != 0 || buf_add(&text, "", 1) != 0
                 ? err_set(err, ERR_FAIL, "cannot read: %s", path)
                 : append_all(v, (const char *)text.p, err);
    buf_free(&text);
    return rc != 0 ? -1 : find_regions(v, SLOT_PASSPHRASE_SIZE, 0, err);
}

void victim_free(struct victim *v)
{
    buf_free(&v->bytes);
}
