/*
 * The example of docs/FORMAT.md, made by another program (tests/reference/example.py),
 * held against this code: every derived key, and every record of the archive.
 */
#include "seal/keys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/codec.h"
#include "format/end.h"
#include "format/frame.h"
#include "format/item.h"
#include "format/table.h"
#include "seal/aead.h"
#include "util/buf.h"
#include "util/le.h"

#define RECORDS 9u
#define CHUNK   65536u

struct example {
    struct buf text; /* docs/FORMAT.md, NUL-terminated */
    struct keyring *ring;
    struct header h;
    uint8_t raw[HEADER_UNIT];
    struct keys *keys;
    uint8_t plain[CHUNK];
};

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The bytes after "    name = ", over as many lines as they take. */
static size_t value(const struct example *x, const char *name, uint8_t *out, size_t cap)
{
    char key[64];
    snprintf(key, sizeof key, "\n    %-14s = ", name);
    const char *p = strstr((const char *)x->text.p, key);
    if (p == NULL)
        fail_msg("docs/FORMAT.md has no %s", name);
    size_t n = 0;
    for (p += strlen(key);;) {
        while (hex_digit(p[0]) >= 0 && hex_digit(p[1]) >= 0) {
            assert_true(n < cap);
            out[n++] = (uint8_t)(hex_digit(p[0]) << 4 | hex_digit(p[1]));
            p += 2;
        }
        const char *next = p + 1;
        while (*next == ' ')
            next++;
        if (*p != '\n' || next - p < 8 || hex_digit(*next) < 0)
            return n;
        p = next;
    }
}

static size_t numbered(const struct example *x, const char *name, unsigned i,
                       uint8_t *out, size_t cap)
{
    char key[32];
    snprintf(key, sizeof key, "%s_%u", name, i);
    return value(x, key, out, cap);
}

static void assert_value(const struct example *x, const char *name, const void *got,
                         size_t len)
{
    uint8_t want[512];
    assert_int_equal(value(x, name, want, sizeof want), len);
    assert_memory_equal(want, got, len);
}

static int load(struct example *x)
{
    char path[4096];
    const char *dir = getenv("srcdir");
    snprintf(path, sizeof path, "%s/docs/FORMAT.md", dir != NULL ? dir : ".");
    FILE *f = fopen(path, "r");
    if (f == NULL) {
        fprintf(stderr, "cannot open %s; set srcdir to the folder of the sources\n",
                path);
        return -1;
    }
    char part[4096];
    size_t n;
    while ((n = fread(part, 1, sizeof part, f)) > 0)
        if (buf_add(&x->text, part, n) != 0)
            break;
    fclose(f);
    return buf_add(&x->text, "", 1);
}

/* The header as the document shows it: bytes 0..159, slot, zeros, checksum, MAC. */
static void make_header(struct example *x)
{
    memset(x->raw, 0, sizeof x->raw);
    assert_int_equal(value(x, "header_0_159", x->raw, 160), 160);
    assert_int_equal(value(x, "slot", x->raw + 160, 120), 120);
    assert_int_equal(value(x, "checksum", x->raw + 4096 - 64, 32), 32);
    assert_int_equal(value(x, "mac", x->raw + 4096 - 32, 32), 32);
}

static int set_up(void **state)
{
    struct example *x = calloc(1, sizeof *x);
    struct kdf_limits limits;
    struct err err = {0};
    uint8_t pass[64];
    if (x == NULL || load(x) != 0)
        return -1;
    *state = x;
    size_t n = value(x, "passphrase", pass, sizeof pass);
    kdf_limits_default(&limits);
    if (keyring_new(&x->ring, (const char *)pass, n, &limits, &err) != 0)
        return -1;
    make_header(x);
    if (header_parse(x->raw, sizeof x->raw, &x->h, &err) != 0 ||
        keys_unlock(x->ring, &x->h, x->raw, sizeof x->raw, &x->keys, NULL, &err) != 0) {
        fprintf(stderr, "the example does not open: %s\n", err.text);
        return -1;
    }
    return 0;
}

static int tear_down(void **state)
{
    struct example *x = *state;
    keys_free(x->keys);
    keyring_free(x->ring);
    buf_free(&x->text);
    free(x);
    return 0;
}

static const uint8_t *derive_kek(struct example *x)
{
    const struct kdf_cost cost = {2, 65536};
    struct err err = {0};
    const uint8_t *kek;
    uint8_t salt[KDF_SALT_SIZE];
    assert_int_equal(value(x, "salt", salt, sizeof salt), sizeof salt);
    assert_int_equal(keyring_kek(x->ring, salt, &cost, &kek, &err), 0);
    return kek;
}

static void test_all_keys_are_those_of_the_document(void **state)
{
    struct example *x = *state;
    uint8_t rnd[32], id[16], time[8], file_key[FILE_KEY_SIZE];
    const uint8_t *kek = derive_kek(x);
    assert_value(x, "kek", kek, KEK_SIZE);
    assert_int_equal(value(x, "random", rnd, sizeof rnd), sizeof rnd);
    assert_int_equal(value(x, "archive_id", id, sizeof id), sizeof id);
    assert_int_equal(value(x, "time", time, sizeof time), sizeof time);
    keys_make_file_key(rnd, id, (int64_t)le64_get(time), kek, file_key);
    assert_value(x, "file_key", file_key, sizeof file_key);
    assert_value(x, "binding", x->raw, HEADER_BINDING);
    assert_value(x, "key_check", x->keys->check, 32);
    assert_value(x, "mac_key", x->keys->mac, 32);
    assert_value(x, "data_key", x->keys->data, 32);
    assert_value(x, "meta_key", x->keys->meta, 32);
}

static void test_the_slot_is_made_as_the_document_shows(void **state)
{
    struct example *x = *state;
    struct err err = {0};
    struct slot_passphrase p = {.passes = 2, .memory_kib = 65536};
    uint8_t file_key[FILE_KEY_SIZE], time[8], slot[SLOT_PASSPHRASE_SIZE];
    value(x, "salt", p.salt, sizeof p.salt);
    value(x, "file_key", file_key, sizeof file_key);
    value(x, "time", time, sizeof time);
    int64_t created = (int64_t)le64_get(time);
    assert_int_equal(keys_wrap(&p, created, derive_kek(x), x->raw, file_key, &err), 0);
    slot_encode_passphrase(&p, created, slot);
    assert_value(x, "commitment", p.commitment, sizeof p.commitment);
    assert_value(x, "wrapped", p.wrapped, sizeof p.wrapped);
    assert_value(x, "slot", slot, sizeof slot);
}

static void test_the_header_is_made_as_the_document_shows(void **state)
{
    struct example *x = *state;
    uint8_t raw[HEADER_UNIT];
    header_encode(&x->h, raw);
    keys_header_finish(raw, sizeof raw, x->keys);
    assert_memory_equal(raw, x->raw, sizeof raw);
}

/* Open record i of the document; its plaintext is compared and then in x->plain. */
static size_t open_record(struct example *x, unsigned i, struct record_head *head)
{
    struct err err = {0};
    uint8_t raw[RECORD_HEAD_SIZE], nonce[24], want_nonce[24], want[1024], body[1024];
    assert_int_equal(numbered(x, "head", i, raw, sizeof raw), sizeof raw);
    assert_int_equal(record_head_parse(raw, x->h.id, CHUNK, head, &err), 0);
    assert_int_equal(head->seq, i);
    record_nonce(head, nonce);
    assert_int_equal(numbered(x, "nonce", i, want_nonce, 24), 24);
    assert_memory_equal(nonce, want_nonce, 24);
    size_t len = numbered(x, "body", i, body, sizeof body);
    assert_int_equal(len, head->body_len);
    assert_int_equal(aead_open(x->keys, x->raw, head, body), 0);
    assert_int_equal(numbered(x, "plain", i, want, sizeof want), len - TAG_SIZE);
    assert_memory_equal(body, want, len - TAG_SIZE);
    memcpy(x->plain, want, len - TAG_SIZE);
    return len - TAG_SIZE;
}

static void test_every_record_opens_to_the_plaintext_shown(void **state)
{
    struct example *x = *state;
    static const uint8_t types[RECORDS] = {REC_MANIFEST, REC_DATA, REC_ENTRIES,
                                           0xbf,         0xff,     REC_MANIFEST,
                                           REC_TABLE,    REC_ROOT, REC_END};
    for (unsigned i = 0; i < RECORDS; i++) {
        struct record_head head;
        open_record(x, i, &head);
        assert_int_equal(head.type, types[i]);
    }
}

static void test_every_record_is_sealed_as_shown(void **state)
{
    struct example *x = *state;
    for (unsigned i = 0; i < RECORDS; i++) {
        struct record_head head;
        uint8_t want[1024];
        size_t len = open_record(x, i, &head);
        aead_seal(x->keys, x->raw, &head, x->plain, len);
        assert_int_equal(numbered(x, "body", i, want, sizeof want), len + TAG_SIZE);
        assert_memory_equal(x->plain, want, len + TAG_SIZE);
    }
}

/* Unpack record i, whose plaintext begins with `skip` bytes that are not its frame. */
static size_t unpack(struct example *x, unsigned i, size_t skip, uint8_t *out,
                     size_t cap)
{
    struct err err = {0};
    struct record_head head;
    struct codec *c;
    size_t n, used, len = open_record(x, i, &head);
    assert_int_equal(codec_new(&c, 0, 16, &err), 0);
    assert_int_equal(
        codec_unpack(c, x->plain + skip, len - skip, out, cap, &n, &used, &err), 0);
    assert_int_equal(used, len - skip);
    codec_free(c);
    return n;
}

static void test_the_contents_say_what_they_must(void **state)
{
    struct example *x = *state;
    struct err err = {0};
    uint8_t out[4096];
    uint32_t first;

    assert_int_equal(unpack(x, 1, FRAME_SIZE, out, sizeof out), 2560);
    assert_int_equal(frame_parse(x->plain, FRAME_SIZE, &first, &err), 0);
    assert_int_equal(first, 0);
    assert_memory_equal(out + 1024, "Hello.\n", 7);

    struct item item;
    size_t root, used, n = unpack(x, 2, 0, out, sizeof out);
    assert_int_equal(item_decode(out, n, &item, &root, &err), 0);
    assert_string_equal(item.path, ".");
    assert_int_equal(item.type, ITEM_DIR);
    assert_int_equal(item_decode(out + root, n - root, &item, &used, &err), 0);
    assert_int_equal(root + used, n);
    assert_string_equal(item.path, "hello.txt");
    assert_string_equal(item.user, "root");
    assert_int_equal(item.size, 7);
    assert_int_equal(item.tar_length, 1024);
}

static void test_table_root_and_end_lead_to_each_other(void **state)
{
    struct example *x = *state;
    struct err err = {0};
    struct record_head head;
    struct table_root root;
    struct end end;
    uint8_t out[256];
    uint64_t offset = 0;

    assert_int_equal(unpack(x, 6, 0, out, sizeof out), 6 * TABLE_ENTRY_SIZE);
    for (unsigned i = 0; i < 6; i++) {
        uint32_t row = le32_get(out + TABLE_ENTRY_SIZE * (size_t)i);
        open_record(x, i, &head);
        assert_int_equal(table_entry_len(row), head.body_len);
        assert_int_equal(table_entry_type(row), head.type);
        offset += RECORD_HEAD_SIZE + head.body_len;
    }
    assert_int_equal(unpack(x, 7, 0, out, sizeof out), TABLE_ROOT_SIZE);
    table_root_decode(out, &root);
    assert_int_equal(root.offset, offset);
    assert_int_equal(root.seq, 6);

    open_record(x, 6, &head);
    offset += RECORD_HEAD_SIZE + head.body_len;
    open_record(x, 7, &head);
    size_t root_len = head.body_len;
    open_record(x, 8, &head);
    assert_int_equal(end_decode(x->plain, &end, &err), 0);
    assert_int_equal(end.root_offset, offset);
    assert_int_equal(end.root_len, root_len);
    assert_int_equal(end.offset, offset + RECORD_HEAD_SIZE + root_len);
    assert_int_equal(end.records, RECORDS);
    assert_int_equal(end.tar_bytes, 2560);

    uint8_t tail[TAIL_SIZE];
    unsigned units;
    uint64_t len;
    assert_int_equal(value(x, "tail", tail, sizeof tail), sizeof tail);
    assert_int_equal(end_tail_decode(tail, &units, &len), 0);
    assert_int_equal(units, 1);
    assert_int_equal(len, 2 * HEADER_UNIT + end.offset + 304 + TAIL_SIZE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_keys_are_those_of_the_document),
        cmocka_unit_test(test_the_slot_is_made_as_the_document_shows),
        cmocka_unit_test(test_the_header_is_made_as_the_document_shows),
        cmocka_unit_test(test_every_record_opens_to_the_plaintext_shown),
        cmocka_unit_test(test_every_record_is_sealed_as_shown),
        cmocka_unit_test(test_the_contents_say_what_they_must),
        cmocka_unit_test(test_table_root_and_end_lead_to_each_other),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, set_up, tear_down);
}
