/*
 * What a run has to tell: notes, warnings and facts. Jobs fill it, cli prints it, as
 * text or as one JSON object; the final manifest takes its warnings. Main thread only.
 */
#ifndef REPORT_REPORT_H
#define REPORT_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/err.h"
#include "util/notice.h"

#define REPORT_KEPT_MAX 1000u /* warnings and notes kept in full; all are counted */

struct report_line {
    enum notice_level level;
    bool carried;                 /* came with the archive, not from this run */
    const char *id, *path, *text; /* path NULL if none; owned by the report */
};

struct report;

int report_new(struct report **r, struct err *err);
void report_free(struct report *r);

/* Warnings of these ids ("a,b,c") are notes in this run. ERR_USAGE if an id is not a
 * word. */
int report_accept(struct report *r, const char *ids, struct err *err);

/* The sink that jobs hand to the rooms below. `live` (or NULL) is told each line at
 * once, as it was accepted or not: cli prints from it. */
typedef void report_live_fn(void *ctx, const struct report_line *line);
void report_set_live(struct report *r, report_live_fn *fn, void *ctx);
const struct notice_sink *report_sink(struct report *r);

/* A warning that the archive carried from its backup. --accept applies as well. */
void report_carried(struct report *r, const char *id, const char *path,
                    const char *text);

/* Counted in all, kept or not. */
uint64_t report_warnings(const struct report *r);
uint64_t report_notes(const struct report *r);
size_t report_lines(const struct report *r); /* kept */
const struct report_line *report_line(const struct report *r, size_t i);

/* Facts: ordered keys with a value; setting a key again replaces it. Keys are static
 * strings with stable names, documented in the man page; a dot makes an object
 * ("totals.bytes"). Memory that runs short drops the fact silently. */
void report_u64(struct report *r, const char *key, uint64_t v);
void report_i64(struct report *r, const char *key, int64_t v);
void report_bool(struct report *r, const char *key, bool v);
void report_double(struct report *r, const char *key, double v);
void report_text(struct report *r, const char *key,
                 const char *v); /* copied; any bytes */

/* Read back for the text form; 0, false or NULL where there is none. */
uint64_t report_get_u64(const struct report *r, const char *key);
int64_t report_get_i64(const struct report *r, const char *key);
bool report_get_bool(const struct report *r, const char *key);
double report_get_double(const struct report *r, const char *key);
const char *report_get_text(const struct report *r, const char *key);
bool report_has(const struct report *r, const char *key);

/* One JSON object on one line: {"command":..., "exit":N, facts..., "warnings":N,
 * "notes":N, "messages":[{"level","id","path","text","carried"}],
 * "error":{"text","hint"} if err->cls}. Allocated; NULL when memory is short. */
char *report_json(const struct report *r, const char *command, int exit_status,
                  const struct err *failure);

/* Only the facts, as one object on one line. Allocated; NULL when memory is short. */
char *report_facts_json(const struct report *r);

#endif
