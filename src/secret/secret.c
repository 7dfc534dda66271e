#include "secret/secret.h"

#include <sodium.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

int secret_init(struct err *err)
{
    if (sodium_init() < 0)
        return err_set(err, ERR_FAIL, "the cryptographic library does not start");
    const struct rlimit none = {0, 0};
    if (setrlimit(RLIMIT_CORE, &none) != 0)
        return err_sys(err, ERR_FAIL, "cannot forbid core dumps");
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        return err_sys(err, ERR_FAIL, "cannot forbid core dumps");
    return 0;
}

/* sodium_malloc ignores a failing mlock(2): with RLIMIT_MEMLOCK used up, the memory
 * keeps its guard pages and its wiping, and may be swapped out. */
void *secret_alloc(size_t len, struct err *err)
{
    void *p = sodium_malloc(len);
    if (p == NULL) {
        err_nomem(err);
        return NULL;
    }
    memset(p, 0, len);
    return p;
}

void secret_free(void *p)
{
    sodium_free(p);
}

bool secret_equal(const void *a, const void *b, size_t len)
{
    return sodium_memcmp(a, b, len) == 0;
}

void secret_wipe(void *p, size_t len)
{
    sodium_memzero(p, len);
}
