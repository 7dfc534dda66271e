/* Whether a passphrase that is used for the first time is hard enough to guess. */
#ifndef JOB_STRENGTH_H
#define JOB_STRENGTH_H

#include <stdbool.h>

#include "secret/passphrase.h"
#include "util/err.h"

#define STRENGTH_BITS_MIN 50.0

/* ERR_REFUSED under STRENGTH_BITS_MIN, unless `allow_weak`. */
int strength_check(const struct passphrase *pass, bool allow_weak, struct err *err);

#endif
