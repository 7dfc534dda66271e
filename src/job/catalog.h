/*
 * The archives of a directory: what can be known of each without reading its data. Of
 * every file that ends in ".pmmseal" the header is read; with a key also its end and
 * its manifest. Nothing is changed, and nothing else in the directory is looked at.
 */
#ifndef JOB_CATALOG_H
#define JOB_CATALOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "job/key.h"
#include "report/manifest.h"
#include "store/proven.h"
#include "util/err.h"

enum catalog_state {
    CATALOG_LOCKED,     /* no key was used: the header only */
    CATALOG_GOOD,       /* header, end and manifest are authentic; not the data */
    CATALOG_OTHER_KEY,  /* the passphrase does not open it */
    CATALOG_DAMAGED,    /* or no archive */
    CATALOG_UNREADABLE, /* rights, in use by a rekey, an I/O error, a KDF cost over the
                           limit */
};

struct catalog_entry {
    char *file; /* its name in the directory */
    enum catalog_state state;
    char *why; /* of the last three states; else NULL */
    uint64_t bytes;
    dev_t dev; /* with ino: which file it was */
    ino_t ino;
    bool have_id;    /* the header could be read: */
    uint8_t id[16];  /* the archive's */
    int64_t created; /* by the manifest if GOOD, else as the file's name has it; 0:
                        neither */
    unsigned number; /* by the file's name, for two of one second; else 1 */
    int64_t proven;  /* when all of it was last proved; 0: never */
    bool bad;        /* found damaged when it was last verified; state says so, too */
    bool twin;       /* another file here is a copy of the same archive */
    /* GOOD: */
    char *name;
    int64_t slot_created; /* of the slot that the passphrase opened */
    struct volume_facts volume;
    enum manifest_state servers;
    struct manifest_totals totals;
};

struct catalog {
    char *dir;
    int fd;
    struct proven *proven;
    struct catalog_entry *entries; /* newest first */
    size_t n;
};

/* Read `dir`. `key` NULL: what is public. `name` NULL: all; else only files named as
 * archives of that name are. Proofs later than `now` (seconds since 1970) are not
 * believed. Returns 0 and *c (catalog_free it), or -1: ERR_FAIL,
 * ERR_SIGNAL. What is wrong with one archive is in its entry. */
int catalog_read(struct catalog **c, const char *dir, const char *name,
                 const struct key *key, int64_t now, struct err *err);

void catalog_free(struct catalog *c);

/* Whether one that is GOOD was made of servers that had been shut down, or of plain
 * files. One of a server that had crashed is to recover from that, which can fail. */
bool catalog_consistent(const struct catalog_entry *e);

/* "locked", "good", "other-key", "damaged", "unreadable". */
const char *catalog_state_name(enum catalog_state state);

#endif
