/*
 * ClickHouse's tables about itself: those of the database `system` named *_log or
 * *_log_N. A server makes them again, and they can outgrow everything else.
 */
#ifndef PMM_CHLOGS_H
#define PMM_CHLOGS_H

#include "pmm/excludes.h"
#include "util/err.h"

/* Tell the patterns for the ClickHouse data in `rootfd`/clickhouse, in a fixed
 * order. A table goes as a whole or stays as a whole: in the Ordinary layout
 *
 *   metadata/system/NAME.sql  data/system/NAME/
 *
 * and in the Atomic one, where the database is named by its UUID in metadata/system.sql
 * and the table by the one in its own .sql,
 *
 *   store/DDD/DATABASE/NAME.sql  store/TTT/TABLE/  data/system/NAME
 *
 * What cannot be read or told is kept, and so is data that anything else claims.
 * Returns 0, or -1: fn's error, ERR_FAIL (memory), ERR_SIGNAL. */
int chlogs_each(int rootfd, const struct excludes_to *to, struct err *err);

#endif
