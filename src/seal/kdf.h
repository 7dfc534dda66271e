/*
 * Argon2id (RFC 9106, libsodium's crypto_pwhash, p = 1): costs, their limits, and
 * whether this machine has the memory. libsodium populates the whole mapping at once,
 * so inside a memory limit the kernel would kill us rather than let the call fail: we
 * look first.
 */
#ifndef SEAL_KDF_H
#define SEAL_KDF_H

#include <stddef.h>
#include <stdint.h>

#include "format/limits.h"
#include "util/err.h"

#define KEK_SIZE 32u

struct kdf_cost {
    uint32_t passes;
    uint32_t memory_kib;
};

/* libsodium's three levels by name ("interactive", "moderate", "sensitive"). Returns 0,
 * or -1 if there is no such level (no err). */
int kdf_cost_named(const char *name, struct kdf_cost *cost);

/* Ceilings for costs that come out of a header. */
struct kdf_limits {
    uint32_t passes_max, memory_kib_max; /* per slot; default KDF_PASSES_MAX ... */
    uint64_t sum_max; /* KiB x passes over all derivations for one archive */
};
void kdf_limits_default(struct kdf_limits *limits);

/* Memory that this process may still take, in KiB: MemAvailable and every cgroup limit
 * above us (v2 memory.max - memory.current, v1 memory.limit_in_bytes - usage).
 * UINT64_MAX if unknown. `root` is prepended to /proc and /sys paths ("" in life, a
 * folder in tests). */
uint64_t kdf_memory_available_kib(const char *root);

/* Refuse a cost below the floor or above the ceilings: ERR_REFUSED with the figures. */
int kdf_check(const struct kdf_cost *cost, const struct kdf_limits *limits,
              struct err *err);

/* Derive, after comparing the need with kdf_memory_available_kib(""). ERR_FAIL names
 * both figures and the way out. `kek` should be locked memory. */
int kdf_derive(const char *passphrase, size_t len, const uint8_t salt[KDF_SALT_SIZE],
               const struct kdf_cost *cost, uint8_t kek[KEK_SIZE], struct err *err);

#endif
