/*
 * What the fuzz targets have in common. Each is a file fuzz_NAME.c with the entry point
 * that libFuzzer calls. `scripts/fuzz NAME SECONDS` lets clang's fuzzer drive it; in
 * `make check` main.c gives it the inputs of corpus/NAME and those of make-seeds.
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

#include "util/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A promise that the input has broken: tells it and ends the program. */
#define FUZZ_CHECK(what)                                                               \
    do {                                                                               \
        if (!(what))                                                                   \
            fuzz_broken(__FILE__, __LINE__, #what);                                    \
    } while (0)

_Noreturn void fuzz_broken(const char *file, int line, const char *what);

/* With FUZZ_TELL in the environment: what became of the input. */
void fuzz_tell(const struct err *err);

/* A directory of our own, made at the first call and removed at the end: in memory if
 * that is possible. FUZZ_TMP names where. */
const char *fuzz_dir(void);

/* The input, taken from the front: 0 and nothing where there is no more. */
struct fuzz_input {
    const uint8_t *p;
    size_t len;
};

uint8_t fuzz_u8(struct fuzz_input *in);
uint16_t fuzz_u16(struct fuzz_input *in);

/* As many as a u16 in front of them says, or all that is left. */
struct fuzz_input fuzz_bytes(struct fuzz_input *in);

#endif
