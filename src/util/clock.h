/* Time that only goes forward, for how long something took or may take. */
#ifndef UTIL_CLOCK_H
#define UTIL_CLOCK_H

#include <stdint.h>

/* Milliseconds by CLOCK_MONOTONIC: of no meaning but in a difference. Any thread. */
int64_t clock_ms(void);

#endif
