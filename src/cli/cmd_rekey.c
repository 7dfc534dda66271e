#include "cli/cmd_rekey.h"

#include <inttypes.h>
#include <string.h>

#include "cli/prompt.h"
#include "cli/summary.h"
#include "cli/text.h"
#include "job/directory.h"
#include "job/rekey.h"

static enum rekey_action action(const struct options *o)
{
    if (o->add)
        return REKEY_ADD;
    if (o->remove)
        return REKEY_REMOVE;
    return o->heal ? REKEY_HEAL : REKEY_CHANGE;
}

/* A directory_done_fn: the summary tells of the others. */
static void show_unchanged(void *ctx, const char *file, const struct err *why,
                           uint64_t warnings)
{
    const struct run *r = ctx;
    (void)warnings;
    if (why == NULL || r->opts->json)
        return;
    text_put(r->out, file);
    fputs(": NOT CHANGED: ", r->out);
    text_put(r->out, why->text);
    fputc('\n', r->out);
}

int cmd_rekey_run(struct run *r, struct err *err)
{
    const struct options *o = r->opts;
    struct rekey_opts k = {
        .archive = o->archive,
        .action = action(o),
        .new_passphrase = o->new_source,
        .allow_weak = o->allow_weak,
        .cost = o->cost,
        .output = o->output,
        .force = o->force,
    };
    k.new_passphrase.prompt = prompt_ask;
    k.new_passphrase.prompt_ctx = r->message;
    r->directory = directory_is(o->archive);
    if (!r->directory)
        return rekey_run(&r->job, &k, err);
    if (o->output != NULL)
        return err_set(err, ERR_USAGE,
                       "-o is for one archive: a directory is rekeyed in place");
    return directory_rekey(&r->job, &k, o->lock_wait, show_unchanged, r, err);
}

static void warn_of_copies(const struct run *r, const char *of)
{
    fprintf(r->out,
            "Older copies of %s still open with the old passphrase: destroy them if it "
            "is known to others.\n",
            of);
}

static void print_directory(const struct run *r)
{
    static const char *const done[] = {
        [REKEY_CHANGE] = "the passphrase was changed",
        [REKEY_ADD] = "the passphrase was added",
        [REKEY_REMOVE] = "the passphrase was removed",
        [REKEY_HEAL] = "the headers are good",
    };
    enum rekey_action a = action(r->opts);
    uint64_t n = report_get_u64(r->report, "good");
    summary_text(r, "archive");
    fprintf(r->out, ": %s in %" PRIu64 " %s", done[a], n,
            n == 1 ? "archive" : "archives");
    summary_warnings(r);
    if (a == REKEY_CHANGE || a == REKEY_REMOVE)
        warn_of_copies(r, "these archives");
}

void cmd_rekey_print(const struct run *r)
{
    static const char *const done[] = {
        [REKEY_CHANGE] = "the passphrase was changed",
        [REKEY_ADD] = "the passphrase was added",
        [REKEY_REMOVE] = "the passphrase was removed",
        [REKEY_HEAL] = "nothing to heal, both headers are good",
    };
    if (r->directory) {
        print_directory(r);
        return;
    }
    enum rekey_action a = action(r->opts);
    bool healed = report_get_bool(r->report, "healed");
    uint64_t slots = report_get_u64(r->report, "slots");
    summary_text(r, "archive");
    fprintf(r->out, ": %s; %" PRIu64 " %s",
            a != REKEY_HEAL           ? done[a]
            : r->opts->output != NULL ? "a copy with two good headers was written"
            : healed                  ? "a header was healed"
                                      : done[a],
            slots, slots == 1 ? "passphrase opens it" : "passphrases open it");
    if (healed && a != REKEY_HEAL)
        fputs(" (a damaged or stale header was healed on the way)", r->out);
    summary_warnings(r);
    if (a == REKEY_CHANGE || a == REKEY_REMOVE)
        warn_of_copies(r, "this archive");
}
