/* Times as text, always UTC. The time itself is a parameter: nothing here asks a clock.
 */
#ifndef UTIL_UTC_H
#define UTIL_UTC_H

#include <stdint.h>

#define UTC_STAMP_SIZE 24 /* room for any of the texts below with its NUL */

/* Seconds since 1970 as "20261124T030724Z" (archive names), or "?" for a time that the
 * calendar of this machine does not reach. Returns out. */
char *utc_stamp(char out[UTC_STAMP_SIZE], int64_t t);

/* Seconds since 1970 as "2026-11-24T03:07:24Z" (RFC 3339), or "?" as above. Returns
 * out. */
char *utc_rfc3339(char out[UTC_STAMP_SIZE], int64_t t);

/* The inverse of utc_rfc3339. Returns 0, or -1 if `s` is not exactly of that form, or
 * of a day that does not exist. */
int utc_parse(const char *s, int64_t *t);

#endif
