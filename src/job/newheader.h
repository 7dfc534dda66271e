/*
 * The header and the keys of an archive that is about to be written.
 */
#ifndef JOB_NEWHEADER_H
#define JOB_NEWHEADER_H

#include <stdint.h>

#include "format/header.h"
#include "seal/keys.h"
#include "util/err.h"

struct newheader;

/* A fresh archive id and file key with one passphrase slot. `share` NULL: a salt is
 * drawn, at `cost`; else salt and cost are those of an earlier archive's slot, and so
 * is the key derived from them; and its date, which is that of the passphrase. `now`:
 * seconds since 1970. `ring` is borrowed for the call. Returns 0 and *n (newheader_free
 * it), or -1: ERR_FAIL, ERR_REFUSED (a cost outside the limits). */
int newheader_make(struct newheader **n, struct keyring *ring,
                   const struct unlocked *share, const struct kdf_cost *cost,
                   int64_t now, struct err *err);

/* All owned by n; raw is HEADER_UNIT bytes. */
const struct header *newheader_header(const struct newheader *n);
const uint8_t *newheader_raw(const struct newheader *n);
const struct keys *newheader_keys(const struct newheader *n);
/* First 8 bytes of the key check in hex: the same for whoever opens the archive. */
const char *newheader_key_check(const struct newheader *n);

void newheader_free(struct newheader *n);

#endif
