#include "seal/keys.h"

#include <sodium.h>
#include <string.h>

#include "secret/secret.h"
#include "util/le.h"

#define KDF_CONTEXT "pmmseal_"
#define WRAP_SIZE   (FILE_KEY_SIZE + crypto_aead_xchacha20poly1305_ietf_ABYTES)

enum { SUBKEY_CHECK = 1, SUBKEY_MAC = 2, SUBKEY_DATA = 3, SUBKEY_META = 4 };

_Static_assert(crypto_kdf_KEYBYTES == 32, "master key");
_Static_assert(crypto_kdf_CONTEXTBYTES == sizeof KDF_CONTEXT - 1, "context");
_Static_assert(WRAP_SIZE == sizeof((struct slot_passphrase *)0)->wrapped, "wrap");

void keys_make_file_key(const uint8_t random[32], const uint8_t id[16], int64_t time,
                        const uint8_t *kek, uint8_t file_key[FILE_KEY_SIZE])
{
    crypto_generichash_state st;
    uint8_t t[8];
    le64_put(t, (uint64_t)time);

    crypto_generichash_init(&st, random, 32, FILE_KEY_SIZE);
    crypto_generichash_update(&st, id, 16);
    crypto_generichash_update(&st, t, sizeof t);
    if (kek != NULL)
        crypto_generichash_update(&st, kek, KEK_SIZE);
    crypto_generichash_final(&st, file_key, FILE_KEY_SIZE);
    sodium_memzero(&st, sizeof st);
}

int keys_derive(struct keys **out, const uint8_t file_key[FILE_KEY_SIZE],
                const uint8_t binding[HEADER_BINDING], struct err *err)
{
    struct keys *k = secret_alloc(sizeof *k, err);
    if (k == NULL)
        return -1;

    uint8_t master[crypto_kdf_KEYBYTES];
    crypto_generichash(master, sizeof master, binding, HEADER_BINDING, file_key,
                       FILE_KEY_SIZE);
    crypto_kdf_derive_from_key(k->check, 32, SUBKEY_CHECK, KDF_CONTEXT, master);
    crypto_kdf_derive_from_key(k->mac, 32, SUBKEY_MAC, KDF_CONTEXT, master);
    crypto_kdf_derive_from_key(k->data, 32, SUBKEY_DATA, KDF_CONTEXT, master);
    crypto_kdf_derive_from_key(k->meta, 32, SUBKEY_META, KDF_CONTEXT, master);
    sodium_memzero(master, sizeof master);
    memcpy(k->file_key, file_key, FILE_KEY_SIZE);
    *out = k;
    return 0;
}

void keys_free(struct keys *k)
{
    secret_free(k);
}

/* ---- wrapping the file key ---- */

/* Everything a passphrase slot's commitment and wrap bind: the archive, and the slot up
 * to the commitment. */
#define BOUND_SIZE (HEADER_BINDING + SLOT_COMMIT_OFF)

/* Secret: what a slot's key-encrypting key gives for one archive and one slot. */
struct wrap_keys {
    uint8_t commitment[32];
    uint8_t key[32];
};

_Static_assert(sizeof(struct wrap_keys) == crypto_generichash_BYTES_MAX, "one hash");

static void wrap_keys_make(struct wrap_keys *w, const uint8_t bound[BOUND_SIZE],
                           const uint8_t kek[KEK_SIZE])
{
    crypto_generichash((uint8_t *)w, sizeof *w, bound, BOUND_SIZE, kek, KEK_SIZE);
}

int keys_wrap(struct slot_passphrase *p, int64_t created, const uint8_t kek[KEK_SIZE],
              const uint8_t binding[HEADER_BINDING],
              const uint8_t file_key[FILE_KEY_SIZE], struct err *err)
{
    /* What is bound names the archive and the time, so a wrap key is used for one file
     * key only. Should a cloned machine draw the same random bytes twice, then either
     * the time differs, and so does the wrap key, or the file key is the same one. */
    static const uint8_t nonce[24];
    uint8_t bound[BOUND_SIZE], raw[SLOT_PASSPHRASE_SIZE];
    struct wrap_keys *w = secret_alloc(sizeof *w, err);
    if (w == NULL)
        return -1;

    slot_encode_passphrase(p, created, raw);
    memcpy(bound, binding, HEADER_BINDING);
    memcpy(bound + HEADER_BINDING, raw, SLOT_COMMIT_OFF);
    wrap_keys_make(w, bound, kek);
    memcpy(p->commitment, w->commitment, sizeof p->commitment);
    crypto_aead_xchacha20poly1305_ietf_encrypt(p->wrapped, NULL, file_key,
                                               FILE_KEY_SIZE, bound, sizeof bound, NULL,
                                               nonce, w->key);
    secret_free(w);
    return 0;
}

/* ---- unlocking ---- */

/* Does this slot open with the passphrase? 1 and the file key, 0 if it is another's,
 * -1. */
static int try_slot(struct keyring *ring, const struct slot *s, const uint8_t *raw,
                    struct unlocked *u, uint8_t file_key[FILE_KEY_SIZE],
                    struct err *err)
{
    static const uint8_t nonce[24];
    struct slot_passphrase p;
    const uint8_t *kek;
    uint8_t bound[BOUND_SIZE];

    if (slot_parse_passphrase(s, &p, err) != 0)
        return -1;
    u->cost = (struct kdf_cost){p.passes, p.memory_kib};
    u->created = s->created;
    memcpy(u->salt, p.salt, sizeof u->salt);
    if (keyring_kek(ring, p.salt, &u->cost, &kek, err) != 0)
        return -1;

    struct wrap_keys *w = secret_alloc(sizeof *w, err);
    if (w == NULL)
        return -1;
    int rc = 0;
    memcpy(bound, raw, HEADER_BINDING);
    memcpy(bound + HEADER_BINDING, s->raw, SLOT_COMMIT_OFF);
    wrap_keys_make(w, bound, kek);
    if (sodium_memcmp(w->commitment, p.commitment, sizeof p.commitment) == 0) {
        rc = 1;
        if (crypto_aead_xchacha20poly1305_ietf_decrypt(
                file_key, NULL, NULL, p.wrapped, sizeof p.wrapped, bound, sizeof bound,
                nonce, w->key) != 0)
            rc = err_set(
                err, ERR_DAMAGED,
                "the header is damaged: the passphrase is right, but its slot's "
                "key is not");
    }
    secret_free(w);
    return rc;
}

/* A slot that could not be tried, for its cost or this machine's memory, must not hide
 * one that can: keep the first such error for the case that nothing opens. */
static bool may_wait(const struct err *why)
{
    return why->cls == ERR_REFUSED || why->cls == ERR_FAIL;
}

/* The file key from whichever slot opens. 0 or -1. */
static int open_slots(struct keyring *ring, const struct header *h, const uint8_t *raw,
                      struct unlocked *u, uint8_t file_key[FILE_KEY_SIZE],
                      struct err *err)
{
    struct err untried = {0};
    struct slot s;
    size_t off = 0;
    int more;

    for (u->slot_off = 0; (more = slot_next(h, &off, &s, err)) == 1;
         u->slot_off = off) {
        struct err why = {0};
        if (err_stopped(err) != 0)
            return -1;
        if (s.type != SLOT_PASSPHRASE)
            continue;
        int rc = try_slot(ring, &s, raw, u, file_key, &why);
        if (rc == 1)
            return 0;
        if (rc == -1 && !may_wait(&why)) {
            *err = why;
            return -1;
        }
        if (rc == -1 && untried.cls == ERR_NONE)
            untried = why;
    }
    if (more == -1)
        return -1;
    if (untried.cls != ERR_NONE) {
        *err = untried;
        return -1;
    }
    return err_set(err, ERR_KEY,
                   "wrong passphrase: it opens none of the archive's key slots");
}

/* The header must be the work of somebody who holds the key. */
static int check_header(const struct keys *k, const struct header *h,
                        const uint8_t *raw, size_t size, struct err *err)
{
    if (sodium_memcmp(k->check, h->key_check, sizeof k->check) != 0)
        return err_set(
            err, ERR_DAMAGED,
            "the header is damaged: the passphrase is right, but the key does "
            "not belong to this archive");
    if (!keys_header_mac_ok(raw, size, k))
        return err_set(err, ERR_DAMAGED,
                       "the header is damaged: the passphrase is right, but the header "
                       "was changed without it");
    return 0;
}

int keys_unlock(struct keyring *ring, const struct header *h, const uint8_t *raw,
                size_t size, struct keys **out, struct unlocked *u, struct err *err)
{
    uint8_t file_key[FILE_KEY_SIZE] = {0};
    struct unlocked found;
    struct keys *k = NULL;

    if (open_slots(ring, h, raw, &found, file_key, err) != 0 ||
        keys_derive(&k, file_key, raw, err) != 0 ||
        check_header(k, h, raw, size, err) != 0)
        goto fail;
    sodium_memzero(file_key, sizeof file_key);
    if (u != NULL)
        *u = found;
    *out = k;
    return 0;

fail:
    keys_free(k);
    sodium_memzero(file_key, sizeof file_key);
    return -1;
}

/* ---- the two sums at the end of a header ---- */

static void checksum(const uint8_t *raw, size_t size, uint8_t sum[HEADER_CHECKSUM_SIZE])
{
    crypto_generichash(sum, HEADER_CHECKSUM_SIZE, raw,
                       size - HEADER_CHECKSUM_SIZE - HEADER_MAC_SIZE, NULL, 0);
}

bool keys_header_checksum_ok(const uint8_t *raw, size_t size)
{
    uint8_t sum[HEADER_CHECKSUM_SIZE];
    checksum(raw, size, sum);
    return memcmp(raw + size - HEADER_CHECKSUM_SIZE - HEADER_MAC_SIZE, sum,
                  sizeof sum) == 0;
}

static void header_mac(const uint8_t *raw, size_t size, const struct keys *k,
                       uint8_t mac[HEADER_MAC_SIZE])
{
    crypto_generichash(mac, HEADER_MAC_SIZE, raw, size - HEADER_MAC_SIZE, k->mac,
                       sizeof k->mac);
}

bool keys_header_mac_ok(const uint8_t *raw, size_t size, const struct keys *k)
{
    uint8_t mac[HEADER_MAC_SIZE];
    header_mac(raw, size, k, mac);
    bool ok = sodium_memcmp(mac, raw + size - HEADER_MAC_SIZE, sizeof mac) == 0;
    sodium_memzero(mac, sizeof mac);
    return ok;
}

void keys_header_finish(uint8_t *raw, size_t size, const struct keys *k)
{
    checksum(raw, size, raw + size - HEADER_CHECKSUM_SIZE - HEADER_MAC_SIZE);
    header_mac(raw, size, k, raw + size - HEADER_MAC_SIZE);
}
