#include "seal/aead.h"

#include <sodium.h>
#include <string.h>

#include "util/le.h"

#define AAD_SIZE (HEADER_FIXED + RECORD_HEAD_SIZE)

_Static_assert(crypto_aead_xchacha20poly1305_ietf_ABYTES == TAG_SIZE, "tag");
_Static_assert(crypto_aead_xchacha20poly1305_ietf_KEYBYTES == 32, "key");
_Static_assert(crypto_aead_xchacha20poly1305_ietf_NPUBBYTES == 24, "nonce");

static void make_aad(const uint8_t fixed[HEADER_FIXED], const struct record_head *head,
                     uint8_t aad[AAD_SIZE])
{
    memcpy(aad, fixed, HEADER_FIXED);
    record_head_encode(head, aad + HEADER_FIXED);
}

static const uint8_t *key_for(const struct keys *keys, const struct record_head *head)
{
    return head->type == REC_DATA ? keys->data : keys->meta;
}

/*
 * The tag over aad || body with an empty ciphertext, as the AEAD would give it.
 * libsodium takes the AAD in one piece, which would cost a copy of the body; Poly1305
 * itself takes it in parts. Its key is the first half of keystream block 0 (RFC
 * 8439, 2.6).
 */
static void clear_tag(const uint8_t key[32], const uint8_t nonce[24],
                      const uint8_t aad[AAD_SIZE], const uint8_t *body, size_t len,
                      uint8_t tag[TAG_SIZE])
{
    static const uint8_t zeros[16];
    crypto_onetimeauth_poly1305_state st;
    uint8_t once[crypto_onetimeauth_poly1305_KEYBYTES];
    uint8_t lengths[16];

    crypto_stream_xchacha20(once, sizeof once, nonce, key);
    le64_put(lengths, AAD_SIZE + (uint64_t)len);
    le64_put(lengths + 8, 0);

    crypto_onetimeauth_poly1305_init(&st, once);
    crypto_onetimeauth_poly1305_update(&st, aad, AAD_SIZE);
    crypto_onetimeauth_poly1305_update(&st, body, len);
    crypto_onetimeauth_poly1305_update(&st, zeros, (16 - (AAD_SIZE + len) % 16) % 16);
    crypto_onetimeauth_poly1305_update(&st, lengths, sizeof lengths);
    crypto_onetimeauth_poly1305_final(&st, tag);
    sodium_memzero(once, sizeof once);
    sodium_memzero(&st, sizeof st);
}

void aead_seal(const struct keys *keys, const uint8_t fixed[HEADER_FIXED],
               const struct record_head *head, uint8_t *body, size_t len)
{
    uint8_t aad[AAD_SIZE], nonce[24];
    make_aad(fixed, head, aad);
    record_nonce(head, nonce);

    if (head->type & REC_CLEAR_BODY)
        clear_tag(key_for(keys, head), nonce, aad, body, len, body + len);
    else
        crypto_aead_xchacha20poly1305_ietf_encrypt_detached(
            body, body + len, NULL, body, len, aad, sizeof aad, NULL, nonce,
            key_for(keys, head));
}

int aead_open(const struct keys *keys, const uint8_t fixed[HEADER_FIXED],
              const struct record_head *head, uint8_t *body)
{
    uint8_t aad[AAD_SIZE], nonce[24];
    int bad = -1;

    if (head->body_len >= TAG_SIZE) {
        size_t len = head->body_len - TAG_SIZE;
        make_aad(fixed, head, aad);
        record_nonce(head, nonce);
        if (head->type & REC_CLEAR_BODY) {
            uint8_t tag[TAG_SIZE];
            clear_tag(key_for(keys, head), nonce, aad, body, len, tag);
            bad = crypto_verify_16(tag, body + len);
            sodium_memzero(tag, sizeof tag);
        } else {
            bad = crypto_aead_xchacha20poly1305_ietf_decrypt_detached(
                body, NULL, body, len, body + len, aad, sizeof aad, nonce,
                key_for(keys, head));
        }
    }
    if (bad != 0) {
        sodium_memzero(body, head->body_len);
        return -1;
    }
    return 0;
}
