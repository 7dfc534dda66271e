#include "job/strength.h"

int strength_check(const struct passphrase *pass, bool allow_weak, struct err *err)
{
    if (allow_weak)
        return 0;
    double bits = passphrase_bits(pass);
    if (bits >= STRENGTH_BITS_MIN)
        return 0;
    err_set(err, ERR_REFUSED,
            "the passphrase from %s is too easy to guess: %.0f bits of %.0f",
            pass->source, bits, STRENGTH_BITS_MIN);
    return err_hint(err, "take six or more random words, or 20 random characters "
                         "(`openssl rand -base64 24`), or say --allow-weak-passphrase");
}
