/*
 * The passphrase of a run, read once, and the keys derived from it: for as many
 * archives as the run opens.
 */
#ifndef JOB_KEY_H
#define JOB_KEY_H

#include "job/job.h"
#include "seal/keyring.h"
#include "secret/passphrase.h"
#include "util/err.h"

/* Zero-initialise. */
struct key {
    struct passphrase pass;
    struct keyring *ring;
};

/* Get the passphrase of `opts` (asking for it, if that is where it comes from). Returns
 * 0, or -1 as passphrase_get; key_free either way. */
int key_get(struct key *k, const struct passphrase_opts *opts, const struct job *job,
            struct err *err);

void key_free(struct key *k);

#endif
