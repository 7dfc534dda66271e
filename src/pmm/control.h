/*
 * PostgreSQL's global/pg_control: who a cluster is and whether it was shut down.
 * Layout: src/include/catalog/pg_control.h of PostgreSQL 9.3 to 18; the fields read
 * here have stood at the same place in all of them.
 */
#ifndef PMM_CONTROL_H
#define PMM_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#include "util/err.h"

#define CONTROL_BYTES 512u /* the first ones; PostgreSQL writes them in one sector */

enum control_state { /* enum DBState */
                     CONTROL_STARTUP = 0,
                     CONTROL_SHUTDOWN = 1,
                     CONTROL_SHUTDOWN_IN_RECOVERY = 2,
                     CONTROL_SHUTTING_DOWN = 3,
                     CONTROL_CRASH_RECOVERY = 4,
                     CONTROL_ARCHIVE_RECOVERY = 5,
                     CONTROL_PRODUCTION = 6,
};

struct control {
    uint64_t system_id;
    uint32_t version; /* pg_control_version: 1300 for PostgreSQL 13 to 16 */
    uint32_t state;   /* enum control_state, or a number of a later PostgreSQL */
    int64_t time; /* when the server last wrote it, by its clock: seconds since 1970 */
    uint8_t raw[CONTROL_BYTES]; /* to see whether anything has changed */
};

/* Whether `name` is one that PMM gives to a cluster's directory: postgres, postgres14
 * ("postgres" and digits). */
bool control_cluster_name(const char *name);

/* The first number in `pgdir`/PG_VERSION: 14, and 9 of "9.6". Returns 1 and *major, 0
 * in it if the file holds no version or is no file; 0 if there is none; -1 with
 * ERR_FAIL when it cannot be read. */
int control_major(int rootfd, const char *pgdir, uint32_t *major, struct err *err);

/* Read `pgdir`/global/pg_control below rootfd, no symlink followed. Returns 1 and *c; 0
 * if there is none, or what is there is no pg_control of this byte order; -1 with
 * ERR_FAIL when it cannot be read. */
int control_read(int rootfd, const char *pgdir, struct control *c, struct err *err);

#endif
