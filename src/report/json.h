/*
 * Raw bytes as JSON text. File names need not be UTF-8: what is valid goes in as it is;
 * in what is not, each bad byte becomes U+FFFD and a second key "<key>_hex" holds the
 * exact bytes.
 */
#ifndef REPORT_JSON_H
#define REPORT_JSON_H

#include <jansson.h>

#include "format/item.h"

/* Set obj[key] to the string `s` by that rule. Returns 0, or -1 when memory is short.
 */
int json_set_bytes(json_t *obj, const char *key, const char *s);

/* The exact bytes of obj[key], by that rule in reverse. Allocated; NULL if absent or
 * bad. */
char *json_get_bytes(const json_t *obj, const char *key);

/* `json` as text without blanks. Allocated; NULL when memory is short. */
char *json_text(const json_t *json);

/* One entry as one line of JSON, for `list --json`: keys path, type ("file", "dir",
 * "symlink", "hardlink", "fifo", "char", "block"), mode (octal text "0644"), uid, gid,
 * user, group, size, stored, mtime (RFC 3339 with nanoseconds), link, device
 * ("major:minor"), changed, incomplete (true, only when set). Allocated; NULL when
 * memory is short. */
char *json_item(const struct item *item);

#endif
