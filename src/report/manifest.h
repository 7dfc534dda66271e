/*
 * The manifest: JSON inside the archive, sealed. The first record holds the one of the
 * start (who, when, what), so that a reader of a pipe can refuse at once; the one
 * before ROOT is the same with totals and the first REPORT_KEPT_MAX warnings. Unknown
 * keys are ignored, so later versions may add; known keys never change their meaning.
 */
#ifndef REPORT_MANIFEST_H
#define REPORT_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "format/item.h"
#include "report/extras.h"
#include "report/report.h"
#include "report/volumefacts.h"
#include "util/buf.h"
#include "util/err.h"
#include "util/idmap.h"

struct manifest_totals {
    uint64_t entries, files, dirs, links, others; /* links: symlinks and hard links */
    uint64_t bytes;      /* sum of sizes of files, holes included */
    uint64_t stored;     /* bytes of content in the tar, without holes */
    uint64_t disk_bytes; /* what a restore needs: stored rounded up to 4096 a file, 4096
                            a dir */
    uint64_t tar_bytes;
    uint64_t warnings;
};

/* In what state the servers were whose files these are. */
enum manifest_state {
    STATE_UNKNOWN, /* not looked at yet, or no PMM volume */
    STATE_STOPPED,
    STATE_CRASHED, /* PostgreSQL had not been shut down; it recovers when it starts */
    STATE_LIVE,    /* not consistent: a server ran, or was started, while it was read */
};

/* "unknown", "stopped", "crashed", "live". */
const char *manifest_state_name(enum manifest_state state);

/* Strings are owned by the manifest when it was parsed; borrowed when it is built. */
struct manifest {
    const char *tool; /* "pmm-seal 0.1.0" */
    const char *host, *name;
    const char *source; /* absolute path of SOURCE, raw bytes */
    int64_t created;    /* seconds since 1970 */
    uint32_t level;     /* zstd level */
    struct volume_facts volume;
    struct extras extras;
    struct idmap idmap; /* in which the owners were read */
    bool final;         /* totals, state, finished, result are there */
    enum manifest_state state;
    int64_t finished;
    struct manifest_totals totals;
    void *priv; /* parsed: the JSON itself, for manifest_warnings */
};

/* Count one entry: all totals but tar_bytes and warnings. */
void manifest_count(struct manifest_totals *t, const struct item *item);

/* Append the JSON to `out`; for a final one, the warnings of `report`, as many as keep
 * it under `max` bytes. Returns 0, or -1 with ERR_FAIL. */
int manifest_encode(const struct manifest *m, const struct report *report, size_t max,
                    struct buf *out, struct err *err);

/* Parse authenticated JSON of at most MANIFEST_MAX bytes. ERR_DAMAGED if it is no
 * manifest. */
int manifest_parse(const uint8_t *p, size_t len, struct manifest *m, struct err *err);

/* Whether the two manifests of an archive, both parsed, agree: what the first one says,
 * the final one repeats. Returns 0, or -1 with ERR_DAMAGED. */
int manifest_agree(const struct manifest *first, const struct manifest *final,
                   struct err *err);

/* Hand each warning carried in a parsed final manifest to report_carried, and, if they
 * were not all kept, one more that says so. */
void manifest_carry(const struct manifest *m, struct report *report);

/* Set the facts entries, files, dirs, links, others, bytes, stored and tar_bytes. */
void manifest_facts(const struct manifest_totals *t, struct report *report);

void manifest_free(struct manifest *m);

#endif
