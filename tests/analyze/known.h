/*
 * Read before each file that scripts/analyze looks at. Analyzers see one file at a
 * time; so that they know what the contract in util/err.h says: these return -1.
 */
#ifndef ANALYZE_KNOWN_H
#define ANALYZE_KNOWN_H

#include "util/err.h"

#define err_set(...)   (err_set(__VA_ARGS__), -1)
#define err_sys(...)   (err_sys(__VA_ARGS__), -1)
#define err_hint(...)  (err_hint(__VA_ARGS__), -1)
#define err_state(...) (err_state(__VA_ARGS__), -1)
#define err_nomem(err) (err_nomem(err), -1)

#endif
