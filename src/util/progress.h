/*
 * How far a run is: written by whoever does the work, read by the thread that draws.
 * All counters only grow.
 */
#ifndef UTIL_PROGRESS_H
#define UTIL_PROGRESS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct progress {
    _Atomic(const char *)
        phase; /* "reading", "checking", ...: static strings, or NULL */
    atomic_uint_least64_t bytes;   /* file content handled so far, bytes */
    atomic_uint_least64_t entries; /* entries handled so far */
    atomic_uint_least64_t
        total;         /* file content in all, bytes; a lower bound until known */
    atomic_bool known; /* `total` is final */
};

#endif
