#include "job/newheader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format/slot.h"
#include "secret/secret.h"
#include "util/random.h"

struct newheader {
    struct header header;
    uint8_t raw[HEADER_UNIT];
    struct keys *keys;
    char key_check[17];
};

/* Keys first: the slot and the key check need them, and the binding is bytes 0..95
 * only. */
static int make_keys(struct newheader *n, const uint8_t *kek, int64_t now,
                     uint8_t *file_key, struct err *err)
{
    uint8_t *random = secret_alloc(32, err);
    if (random == NULL)
        return -1;
    int rc = random_bytes(random, 32, err);
    if (rc == 0) {
        keys_make_file_key(random, n->header.id, now, kek, file_key);
        header_encode(&n->header, n->raw);
        rc = keys_derive(&n->keys, file_key, n->raw, err);
    }
    secret_free(random);
    return rc;
}

static int add_slot(struct newheader *n, struct slot_passphrase *p, const uint8_t *kek,
                    int64_t created, const uint8_t *file_key, struct err *err)
{
    uint8_t slot[SLOT_PASSPHRASE_SIZE];
    if (keys_wrap(p, created, kek, n->raw, file_key, err) != 0)
        return -1;
    slot_encode_passphrase(p, created, slot);
    return slot_add(&n->header, slot, sizeof slot, err);
}

static int fill(struct newheader *n, struct keyring *ring, const struct unlocked *share,
                const struct kdf_cost *cost, int64_t now, uint8_t *file_key,
                struct err *err)
{
    struct header *h = &n->header;
    if (share != NULL)
        cost = &share->cost;
    struct slot_passphrase p = {.passes = cost->passes, .memory_kib = cost->memory_kib};
    const uint8_t *kek;

    h->version = FORMAT_VERSION;
    h->suite = FORMAT_SUITE;
    h->chunk_log2 = CHUNK_LOG2_DEFAULT;
    h->units = 1;
    h->generation = 1;
    if (random_bytes(h->id, sizeof h->id, err) != 0)
        return -1;
    if (share != NULL)
        memcpy(p.salt, share->salt, sizeof p.salt);
    else if (random_bytes(p.salt, sizeof p.salt, err) != 0)
        return -1;
    if (keyring_kek(ring, p.salt, cost, &kek, err) != 0 ||
        make_keys(n, kek, now, file_key, err) != 0 ||
        add_slot(n, &p, kek, share != NULL ? share->created : now, file_key, err) != 0)
        return -1;
    memcpy(h->key_check, n->keys->check, sizeof h->key_check);
    header_encode(h, n->raw);
    keys_header_finish(n->raw, sizeof n->raw, n->keys);
    for (size_t i = 0; i < 8; i++)
        snprintf(n->key_check + 2 * i, 3, "%02x", h->key_check[i]);
    return 0;
}

int newheader_make(struct newheader **out, struct keyring *ring,
                   const struct unlocked *share, const struct kdf_cost *cost,
                   int64_t now, struct err *err)
{
    struct newheader *n = calloc(1, sizeof *n);
    if (n == NULL)
        return err_nomem(err);
    uint8_t *file_key = secret_alloc(FILE_KEY_SIZE, err);
    if (file_key == NULL || fill(n, ring, share, cost, now, file_key, err) != 0) {
        secret_free(file_key);
        newheader_free(n);
        return -1;
    }
    secret_free(file_key);
    *out = n;
    return 0;
}

const struct header *newheader_header(const struct newheader *n)
{
    return &n->header;
}

const uint8_t *newheader_raw(const struct newheader *n)
{
    return n->raw;
}

const struct keys *newheader_keys(const struct newheader *n)
{
    return n->keys;
}

const char *newheader_key_check(const struct newheader *n)
{
    return n->key_check;
}

void newheader_free(struct newheader *n)
{
    if (n == NULL)
        return;
    keys_free(n->keys);
    free(n);
}
