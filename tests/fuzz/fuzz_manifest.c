/*
 * The JSON of a manifest, authentic and made by somebody who means harm. What is taken
 * can be written, and says the same when it is read again.
 */
#include <string.h>

#include "format/limits.h"
#include "fuzz.h"
#include "report/manifest.h"

/* Write *m, with the warnings it carries. */
static void write_it(const struct manifest *m, struct buf *out)
{
    struct report *r = NULL;
    struct err err = {0};
    FUZZ_CHECK(report_new(&r, &err) == 0);
    manifest_carry(m, r);
    FUZZ_CHECK(manifest_encode(m, r, 4 * MANIFEST_MAX, out, &err) == 0);
    manifest_facts(&m->totals, r);
    report_free(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct manifest first, second;
    struct buf once = {0}, twice = {0};
    struct err err = {0};
    int rc = manifest_parse(data, size, &first, &err);
    fuzz_tell(&err);
    if (rc != 0) {
        FUZZ_CHECK(err.cls == ERR_DAMAGED);
        return 0;
    }
    FUZZ_CHECK(first.tool != NULL && first.host != NULL && first.name != NULL &&
               first.source != NULL);
    write_it(&first, &once);
    if (once.len <= MANIFEST_MAX) {
        if (manifest_parse(once.p, once.len, &second, &err) != 0)
            fuzz_broken(__FILE__, __LINE__, err.text);
        FUZZ_CHECK(strcmp(first.name, second.name) == 0 &&
                   strcmp(first.host, second.host) == 0 &&
                   strcmp(first.source, second.source) == 0 &&
                   first.created == second.created && first.final == second.final &&
                   first.level == second.level);
        FUZZ_CHECK(memcmp(&first.totals, &second.totals, sizeof first.totals) == 0);
        write_it(&second, &twice);
        FUZZ_CHECK(once.len == twice.len && memcmp(once.p, twice.p, once.len) == 0);
        manifest_free(&second);
    }
    buf_free(&once);
    buf_free(&twice);
    manifest_free(&first);
    return 0;
}
