/*
 * What a PMM data volume is, told from its files alone. Nothing outside the directory
 * is looked at, no symlink is followed.
 */
#ifndef PMM_VOLUME_H
#define PMM_VOLUME_H

#include <stddef.h>

#include "report/volumefacts.h"
#include "util/err.h"
#include "util/notice.h"

/* Look at the directory `rootfd`. It is a PMM volume if it has pmm-distribution, or
 * grafana/PERCONA_DASHBOARDS_VERSION, or a PostgreSQL cluster of a name PMM uses beside
 * victoriametrics/data, prometheus/data or clickhouse. Of several clusters (postgres,
 * postgresNN with PG_VERSION and global/pg_control) the one that a server last wrote to
 * counts, by the time in pg_control: after a migration that is the new one, after the
 * way back the old one. Of equal ones it is the one of the highest PG_VERSION. Files
 * that hold something else than expected leave a field unknown; an empty key or
 * password is none. Returns 0, or -1 with ERR_FAIL (I/O, no right to read; where that
 * right is missing and neither of the two files is there, it is no PMM volume). */
int volume_look(int rootfd, struct volume_facts *v, struct err *err);

/* "PMM 2.44.1 (docker), PostgreSQL 14, VictoriaMetrics, ClickHouse" or "plain files, no
 * PMM volume", into buf (cap bytes, cut if need be). Returns buf. */
#define VOLUME_LINE 256u
const char *volume_line(const struct volume_facts *v, char *buf, size_t cap);

/* Major version of PMM: from `version`; without one, 3 if there is an encryption key;
 * else 0. */
unsigned volume_major(const struct volume_facts *v);

/* -1, 0, 1: PMM version `a` below, equal to, above `b`, by their numbers; what follows
 * a '-' (a release candidate) is left out. An unknown one ("") is equal to all. */
int volume_version_cmp(const char *a, const char *b);

/* Warn of what must be in a PMM volume and is not: key-missing (PMM 3 without
 * pmm-encryption.key and without `key_added`, a key that lies elsewhere and goes in by
 * itself), password-missing (PMM 3.7 and later without .postgres_password),
 * store-elsewhere (a store is a symlink), database-external (a PMM volume without a
 * PostgreSQL cluster), vm-restore-unfinished (VictoriaMetrics' marker
 * restore-in-progress). Returns 0, or -1 with ERR_FAIL (I/O, no right to read). */
int volume_complete(int rootfd, const struct volume_facts *v, bool key_added,
                    const struct notice_sink *notices, struct err *err);

#endif
