#include "archive/digest.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "util/le.h"

struct digest {
    XXH3_state_t *state;
};

int digest_new(struct digest **out, struct err *err)
{
    struct digest *d = calloc(1, sizeof *d);
    if (d == NULL)
        return err_nomem(err);
    d->state = XXH3_createState();
    if (d->state == NULL) {
        digest_free(d);
        return err_nomem(err);
    }
    digest_start(d);
    *out = d;
    return 0;
}

void digest_free(struct digest *d)
{
    if (d == NULL)
        return;
    XXH3_freeState(d->state);
    free(d);
}

void digest_start(struct digest *d)
{
    XXH3_128bits_reset(d->state);
}

void digest_data(struct digest *d, const void *p, size_t len)
{
    XXH3_128bits_update(d->state, p, len);
}

void digest_hole(struct digest *d, uint64_t off, uint64_t len)
{
    static const uint8_t zeros[16384];
    if (len > DIGEST_SHORT_HOLE) {
        uint8_t mark[16];
        le64_put(mark, off);
        le64_put(mark + 8, len);
        digest_data(d, mark, sizeof mark);
        return;
    }
    while (len > 0) {
        size_t n = len < sizeof zeros ? (size_t)len : sizeof zeros;
        digest_data(d, zeros, n);
        len -= n;
    }
}

void digest_end(const struct digest *d, uint8_t hash[DIGEST_SIZE])
{
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(d->state));
    memcpy(hash, canonical.digest, DIGEST_SIZE);
}

uint64_t digest_short(uint64_t seed, const void *p, size_t len)
{
    return XXH3_64bits_withSeed(p, len, seed);
}
