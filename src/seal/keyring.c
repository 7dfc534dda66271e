#include "seal/keyring.h"

#include <sodium.h>
#include <string.h>

#include "secret/secret.h"

/* One derived key; a list of them, newest first, each in locked memory of its own. */
struct derived {
    struct derived *next;
    uint8_t salt[KDF_SALT_SIZE];
    struct kdf_cost cost;
    uint8_t kek[KEK_SIZE];
};

struct keyring {
    struct derived *derived;
    struct kdf_limits limits;
    uint64_t spent; /* KiB x passes of the derivations for this archive so far */
    size_t len;
    char passphrase[];
};

int keyring_new(struct keyring **out, const char *passphrase, size_t len,
                const struct kdf_limits *limits, struct err *err)
{
    /* secret_alloc's memory ends at a page's end: only a round size is aligned. */
    struct keyring *k = secret_alloc((sizeof *k + len + 15) & ~(size_t)15, err);
    if (k == NULL)
        return -1;
    k->derived = NULL;
    k->limits = *limits;
    k->spent = 0;
    k->len = len;
    memcpy(k->passphrase, passphrase, len);
    *out = k;
    return 0;
}

void keyring_free(struct keyring *k)
{
    if (k == NULL)
        return;
    while (k->derived != NULL) {
        struct derived *next = k->derived->next;
        secret_free(k->derived);
        k->derived = next;
    }
    secret_free(k);
}

/* What this derivation adds to the sum, if it may be spent. A header can name many
 * slots: the sum bounds the work that a stranger's file can make us do. */
static int check_sum(const struct keyring *k, const struct kdf_cost *cost,
                     uint64_t *work, struct err *err)
{
    *work = (uint64_t)cost->memory_kib * cost->passes;
    if (*work <= k->limits.sum_max && k->spent <= k->limits.sum_max - *work)
        return 0;
    err_set(
        err, ERR_REFUSED,
        "trying all key slots would cost more than allowed: %llu MiB x passes after "
        "%llu, of at most %llu",
        (unsigned long long)(*work / 1024), (unsigned long long)(k->spent / 1024),
        (unsigned long long)(k->limits.sum_max / 1024));
    return err_hint(err, "if you trust where the archive comes from, raise the limit "
                         "with --kdf-limit");
}

void keyring_archive(struct keyring *k)
{
    k->spent = 0;
}

int keyring_kek(struct keyring *k, const uint8_t salt[KDF_SALT_SIZE],
                const struct kdf_cost *cost, const uint8_t **kek, struct err *err)
{
    for (const struct derived *d = k->derived; d != NULL; d = d->next) {
        if (d->cost.passes == cost->passes && d->cost.memory_kib == cost->memory_kib &&
            memcmp(d->salt, salt, KDF_SALT_SIZE) == 0) {
            *kek = d->kek;
            return 0;
        }
    }

    uint64_t work;
    if (kdf_check(cost, &k->limits, err) != 0 || check_sum(k, cost, &work, err) != 0)
        return -1;
    struct derived *d = secret_alloc(sizeof *d, err);
    if (d == NULL)
        return -1;
    if (kdf_derive(k->passphrase, k->len, salt, cost, d->kek, err) != 0) {
        secret_free(d);
        return -1;
    }
    k->spent += work;
    memcpy(d->salt, salt, KDF_SALT_SIZE);
    d->cost = *cost;
    d->next = k->derived;
    k->derived = d;
    *kek = d->kek;
    return 0;
}
