/*
 * `pmm-seal rekey`: change, add or remove a passphrase, and heal damaged or stale
 * headers. The data is untouched. Whoever held the old passphrase and has an old copy
 * of the archive can still read it: see docs/THREAT-MODEL.md.
 *
 * Facts: archive (the one that was written), action, generation, slots, healed (bool).
 */
#ifndef JOB_REKEY_H
#define JOB_REKEY_H

#include <stdbool.h>

#include "job/job.h"
#include "job/key.h"
#include "util/err.h"

enum rekey_action {
    REKEY_CHANGE, /* the slot of the passphrase given is replaced by one for the new
                     passphrase */
    REKEY_ADD,    /* one more slot for the new passphrase */
    REKEY_REMOVE, /* the slot of the passphrase given goes; never the last one */
    REKEY_HEAL,   /* only bring both headers to the current state */
};

struct rekey_opts {
    const char *archive; /* a file; with `output` also "-" */
    enum rekey_action action;
    struct passphrase_opts new_passphrase; /* CHANGE and ADD */
    bool allow_weak;
    struct kdf_cost cost; /* of the new slot */
    const char *output;   /* NULL: in place; else a copy to this file, to "-", or into
                             this directory under the archive's own name */
    bool force;           /* overwrite output */
};

/* Returns 0, or -1 with the archive as it was, or healed; if writing the headers was
 * cut short, err->state_told and the hint tells which passphrases to keep. ERR_REFUSED:
 * the new passphrase is weak or opens the archive already, the last slot would go,
 * output exists. ERR_USAGE: a stream in place. ERR_KEY, ERR_DAMAGED, ERR_BUSY,
 * ERR_FAIL. */
int rekey_run(const struct job *job, const struct rekey_opts *opts, struct err *err);

/* The two passphrases of a run, each got when it is first needed, and the salt of the
 * new slots. Zero-initialise. */
struct rekey_keys {
    struct key old, new;
    uint8_t salt[KDF_SALT_SIZE];
};

/* Get those that `opts` needs now. */
int rekey_keys_get(struct rekey_keys *keys, const struct job *job,
                   const struct rekey_opts *opts, struct err *err);

/* The same for one archive of several that share their keys. */
int rekey_one(const struct job *job, const struct rekey_opts *opts,
              struct rekey_keys *keys, struct err *err);

void rekey_keys_free(struct rekey_keys *keys);

#endif
