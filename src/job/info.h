/*
 * `pmm-seal info`: what a header says without a key, and with one what the manifest
 * says.
 *
 * Facts without a key: archive, version, suite, chunk_bytes, archive_id (hex),
 * key_check (first 8 bytes, hex), generation, header_bytes, archive_bytes, slots
 * (number), and for each slot i a text slot.<i>; header, header_copy ("good", "stale",
 * "damaged"); authenticated (bool). With a key (END authenticated): those of
 * opened_facts, tool, finished, level, entries, files, dirs, links, others, bytes,
 * stored, disk_bytes, tar_bytes, records, chunks, carried.
 */
#ifndef JOB_INFO_H
#define JOB_INFO_H

#include <stdbool.h>

#include "job/job.h"
#include "util/buf.h"
#include "util/err.h"

/* A file only ("-" is ERR_USAGE). With `use_key` false no passphrase is asked for. With
 * `attached` (and a key) the text of the file of that name that was taken along is
 * appended to `content`, with a NUL; ERR_FAIL if there is none. */
int info_run(const struct job *job, const char *archive, bool use_key,
             const char *attached, struct buf *content, struct err *err);

#endif
