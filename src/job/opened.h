/*
 * An archive opened for reading, as every reading command does it: header, passphrase,
 * keys, and for a file the index and the final manifest.
 */
#ifndef JOB_OPENED_H
#define JOB_OPENED_H

#include <stdbool.h>

#include "container/index.h"
#include "container/reader.h"
#include "job/job.h"
#include "job/key.h"
#include "report/manifest.h"
#include "store/input.h"

struct opened {
    struct input *in;
    struct reader *reader;
    struct key key;      /* opened_unlock's */
    struct index *index; /* files only */
    struct manifest
        manifest; /* files: the final one; streams: set by unpack as it passes */
    bool have_manifest;
    struct end end; /* once authenticated: by opened_index or unpack_all */
};

/* Open without a key: reader->header is known. `writable` as in store/input.h. */
int opened_open(struct opened *o, const char *path, bool writable, struct err *err);

/* The same of a file that is known to be damaged: what its medium cannot give reads as
 * zeros. ERR_USAGE for what is no file. */
int opened_open_damaged(struct opened *o, const char *path, struct err *err);

/* Get the passphrase, confine this process (job/confined.h) and unlock. A wrong
 * passphrase is reported with its source. */
int opened_unlock(struct opened *o, const struct job *job, struct err *err);

/* The same with a key that is there already (borrowed for the call). */
int opened_unlock_by(struct opened *o, const struct key *key, struct err *err);

/* For a file: authenticate END, read the index and the final manifest. For a stream:
 * nothing. */
int opened_index(struct opened *o, struct err *err);

/* Whether the final manifest and END say the same of the whole: entries, tar bytes,
 * warnings. ERR_DAMAGED otherwise. */
int opened_check_totals(const struct opened *o, struct err *err);

/* After END was authenticated: look at what follows it, and tell of a damaged or stale
 * header or tail as warnings (header-damaged, header-stale, header-copy-damaged,
 * header-copy-stale, tail-damaged), or with `strict` as ERR_DAMAGED for the damaged
 * ones. */
int opened_spare(struct opened *o, const struct job *job, bool strict, struct err *err);

/* Set the facts every reading command shares (archive, name, host, source, created,
 * those of source_facts, state, uid_map, gid_map, environment, needed, attached: names,
 * one a line) and hand the carried warnings to the report. */
void opened_facts(const struct opened *o, const struct job *job);

/* Begin a phase (a static string); for a file the total is known. */
void opened_progress(const struct opened *o, const struct job *job, const char *phase);

void opened_close(struct opened *o);

#endif
