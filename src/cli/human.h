/* Numbers as people read them. */
#ifndef CLI_HUMAN_H
#define CLI_HUMAN_H

#include <stdint.h>

#define HUMAN_SIZE 32 /* room for any of the texts below with its NUL */

/* "512 B", "1.10 GiB", "290 MiB": three digits that count. Returns out. */
char *human_bytes(char out[HUMAN_SIZE], uint64_t n);

/* "0.04 s", "3.4 s", "2 min 05 s", "1 h 02 min". Returns out. */
char *human_seconds(char out[HUMAN_SIZE], double seconds);

/* An age in its largest unit: "12 s", "5 min", "3 h", "12 d", "2 y"; "-" if negative.
 * Returns out. */
char *human_age(char out[HUMAN_SIZE], int64_t seconds);

/* As a clock that runs down: "0:07", "12:34", "1:02:03". Returns out. */
char *human_clock(char out[HUMAN_SIZE], uint64_t seconds);

/* `bytes` in `seconds` as "330 MiB/s". Returns out. */
char *human_rate(char out[HUMAN_SIZE], uint64_t bytes, double seconds);

#endif
