/*
 * A passphrase from a file, a descriptor or a variable, by the first byte of the input:
 * exactly its bytes without one line end, or none.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"
#include "secret/passphrase.h"
#include "secret/secret.h"

/* What must come of it: the length, or 0 for a refusal. */
static size_t wanted(const uint8_t *p, size_t len)
{
    if (len > 0 && p[len - 1] == '\n') {
        len--;
        if (len > 0 && p[len - 1] == '\r')
            len--;
    }
    return len > PASSPHRASE_MAX ? 0 : len;
}

/* `measure`: how strong it is takes far longer than to get it. */
static void check(const struct passphrase_opts *opts, const uint8_t *p, size_t len,
                  bool measure)
{
    struct passphrase pass;
    struct err err = {0};
    size_t want = wanted(p, len);
    if (passphrase_get(opts, &pass, &err) != 0) {
        FUZZ_CHECK(want == 0 && err.cls == ERR_KEY && pass.bytes == NULL);
        return;
    }
    FUZZ_CHECK(want == pass.len && memcmp(pass.bytes, p, want) == 0);
    double bits = measure ? passphrase_bits(&pass) : 0;
    FUZZ_CHECK(bits >= 0 && bits < 10000);
    passphrase_free(&pass);
    FUZZ_CHECK(getenv("FUZZ_PASSPHRASE") == NULL);
}

/* A descriptor that holds the bytes. */
static int hold(const uint8_t *p, size_t len)
{
    int fd = memfd_create("passphrase", MFD_CLOEXEC);
    FUZZ_CHECK(fd >= 0 && fchmod(fd, 0600) == 0);
    FUZZ_CHECK(len == 0 || write(fd, p, len) == (ssize_t)len);
    FUZZ_CHECK(lseek(fd, 0, SEEK_SET) == 0);
    return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    struct err err = {0};
    struct passphrase_opts opts = {.fd = -1,
                                   .what = "passphrase",
                                   .option_prefix = "passphrase",
                                   .env_prefix = "FUZZ_PASSPHRASE"};
    char path[64];
    FUZZ_CHECK(secret_init(&err) == 0);
    uint8_t how = fuzz_u8(&in), from = how % 3;
    bool measure = how >= 0x40 && in.len < 100;
    if (from == 0) { /* the file is closed by us, the descriptor by whom we ask */
        int fd = hold(in.p, in.len);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        opts.file = path;
        check(&opts, in.p, in.len, measure);
        close(fd);
    } else if (from == 1) {
        opts.fd = hold(in.p, in.len);
        check(&opts, in.p, in.len, measure);
    } else {
        char *value = strndup((const char *)in.p, in.len);
        FUZZ_CHECK(value != NULL && setenv("FUZZ_PASSPHRASE", value, 1) == 0);
        check(&opts, (const uint8_t *)value, strlen(value), measure);
        free(value);
    }
    return 0;
}
