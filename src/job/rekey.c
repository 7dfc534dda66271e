#include "job/rekey.h"

#include <stdlib.h>
#include <string.h>

#include "container/reheader.h"
#include "format/slot.h"
#include "job/opened.h"
#include "job/strength.h"
#include "secret/secret.h"
#include "store/archives.h"
#include "store/output.h"
#include "util/random.h"

struct rekey {
    const struct job *job;
    const struct rekey_opts *opts;
    struct rekey_keys *keys;
    struct opened o;
    struct header header; /* as it shall be */
    uint8_t *raw;
};

static bool needs_new(const struct rekey_opts *opts)
{
    return opts->action == REKEY_CHANGE || opts->action == REKEY_ADD;
}

/* Once in a run, and none that was refused. */
static int get_new(struct rekey_keys *keys, const struct job *job,
                   const struct rekey_opts *opts, struct err *err)
{
    if (keys->new.ring != NULL)
        return 0;
    if (random_bytes(keys->salt, sizeof keys->salt, err) == 0 &&
        key_get(&keys->new, &opts->new_passphrase, job, err) == 0 &&
        strength_check(&keys->new.pass, opts->allow_weak, err) == 0)
        return 0;
    key_free(&keys->new);
    return -1;
}

static int get_old(struct rekey_keys *keys, const struct job *job, struct err *err)
{
    return keys->old.ring != NULL ? 0 : key_get(&keys->old, &job->passphrase, job, err);
}

/* A passphrase slot for the new passphrase. */
static int add_slot(struct rekey *k, struct err *err)
{
    const struct reader *r = k->o.reader;
    struct slot_passphrase p = {.passes = k->opts->cost.passes,
                                .memory_kib = k->opts->cost.memory_kib};
    uint8_t slot[SLOT_PASSPHRASE_SIZE];
    const uint8_t *kek;

    memcpy(p.salt, k->keys->salt, sizeof p.salt);
    if (keyring_kek(k->keys->new.ring, p.salt, &k->opts->cost, &kek, err) != 0 ||
        keys_wrap(&p, k->job->now, kek, r->raw, r->keys->file_key, err) != 0)
        return -1;
    slot_encode_passphrase(&p, k->job->now, slot);
    return slot_add(&k->header, slot, sizeof slot, err);
}

static size_t passphrase_slots(const struct header *h)
{
    struct err ignored = {0};
    struct slot s;
    size_t off = 0, n = 0;
    while (slot_next(h, &off, &s, &ignored) == 1)
        n += s.type == SLOT_PASSPHRASE;
    return n;
}

/* Whether `ring` opens the header as it shall be. 1 and its slot's offset, 0, -1. */
static int opens(const struct rekey *k, struct keyring *ring, size_t *slot,
                 struct err *err)
{
    const struct reader *r = k->o.reader;
    struct err why = {0};
    struct header parsed;
    struct unlocked u;
    struct keys *keys = NULL;
    int found = -1;
    uint8_t *raw = calloc(1, r->header_size);
    if (raw == NULL)
        return err_nomem(err);
    header_encode(&k->header, raw);
    keys_header_finish(raw, r->header_size, r->keys);
    if (header_parse(raw, r->header_size, &parsed, err) != 0)
        goto out;
    if (keys_unlock(ring, &parsed, raw, r->header_size, &keys, &u, &why) == 0) {
        *slot = u.slot_off;
        found = 1;
    } else if (why.cls == ERR_KEY) {
        found = 0;
    } else {
        *err = why;
    }
    keys_free(keys);
out:
    free(raw);
    return found;
}

/* A passphrase that opens the archive already would get a second slot, and removing it
 * once would not be enough. */
static int check_new(const struct rekey *k, struct err *err)
{
    size_t slot;
    int found = opens(k, k->keys->new.ring, &slot, err);
    if (found <= 0)
        return found;
    return err_set(err, ERR_REFUSED,
                   "the new passphrase already opens the archive: nothing was changed");
}

/* All slots that the passphrase given opens; an earlier program may have made several.
 */
static int remove_old(struct rekey *k, struct err *err)
{
    size_t slot = k->o.reader->unlocked.slot_off;
    int found = 0;
    do
        slot_remove(&k->header, slot);
    while (passphrase_slots(&k->header) > 0 &&
           (found = opens(k, k->keys->old.ring, &slot, err)) == 1);
    if (passphrase_slots(&k->header) > 0)
        return found;
    if (k->opts->action != REKEY_REMOVE)
        return 0;
    err_set(err, ERR_REFUSED,
            "this is the archive's last passphrase; without it nobody "
            "could open it");
    return err_hint(err, "add another one first (rekey --add)");
}

static int change_slots(struct rekey *k, struct err *err)
{
    k->header = k->o.reader->header;
    if (k->header.generation == UINT64_MAX)
        return err_set(err, ERR_REFUSED,
                       "the archive's generation cannot grow any more");
    k->header.generation++;
    if (needs_new(k->opts) && check_new(k, err) != 0)
        return -1;
    if (k->opts->action != REKEY_ADD && remove_old(k, err) != 0)
        return -1;
    return needs_new(k->opts) ? add_slot(k, err) : 0;
}

/* The new header must open with the passphrase that shall open it: tried in memory,
 * before anything is written. */
static int build(struct rekey *k, struct err *err)
{
    const struct reader *r = k->o.reader;
    struct keys *keys = NULL;
    struct header parsed;

    k->raw = calloc(1, r->header_size);
    if (k->raw == NULL)
        return err_nomem(err);
    header_encode(&k->header, k->raw);
    keys_header_finish(k->raw, r->header_size, r->keys);
    if (!needs_new(k->opts))
        return 0;
    if (!keys_header_checksum_ok(k->raw, r->header_size) ||
        header_parse(k->raw, r->header_size, &parsed, err) != 0 ||
        keys_unlock(k->keys->new.ring, &parsed, k->raw, r->header_size, &keys, NULL,
                    err) != 0)
        return -1;
    bool same = secret_equal(keys->file_key, r->keys->file_key, FILE_KEY_SIZE);
    keys_free(keys);
    return same ? 0
                : err_set(err, ERR_FAIL, "the new header does not open the archive");
}

static int in_place(struct rekey *k, bool *healed, struct err *err)
{
    struct reader *r = k->o.reader;
    const struct reheader_io io = {
        .pwrite = input_pwrite, .sync = input_sync, .ctx = k->o.in};

    if (r->foreign) {
        err_set(err, ERR_DAMAGED,
                "the archive's copy of the header belongs to another "
                "archive; it is not overwritten");
        return err_hint(err, "-o FILE writes a clean copy of the archive");
    }
    const struct reader_place first = {.type = REC_MANIFEST};
    /* Both ends of the archive belong to this key, or nothing is written. */
    if (opened_index(&k->o, err) != 0 ||
        reader_record(r, &k->o.index->scratch, &first, err) != 0 ||
        reader_spare(r, k->o.end.offset, err) != 0 ||
        reheader_heal(r, &io, healed, err) != 0)
        return -1;
    if (k->opts->action == REKEY_HEAL) {
        k->header = r->header;
        return 0;
    }
    if (change_slots(k, err) != 0 || build(k, err) != 0)
        return -1;
    if (reheader_in_place(r, &io, k->raw, err) == 0)
        return 0;
    return err_state(
        err, "the archive is whole, but it may open with the new passphrase only, "
             "or with the old one only: keep both, make room, and run "
             "`pmm-seal rekey --heal` with the one that opens it");
}

/* The name of the copy where only a directory was given. */
static const char *copy_name(const struct rekey *k)
{
    const char *archive = k->opts->archive, *slash = strrchr(archive, '/');
    if (strcmp(archive, "-") == 0)
        return "rekeyed" ARCHIVES_SUFFIX;
    return slash != NULL ? slash + 1 : archive;
}

static int into_copy(struct rekey *k, struct err *err)
{
    struct output *out = NULL;
    int rc = -1;
    if (k->opts->action == REKEY_HEAL) {
        k->header = k->o.reader->header;
    } else if (change_slots(k, err) != 0) {
        return -1;
    }
    if (build(k, err) == 0 &&
        output_open(&out, k->opts->output, copy_name(k), k->opts->force, err) == 0 &&
        reheader_copy(k->o.reader, k->raw, output_write, out, err) == 0)
        rc = output_commit(out, err);
    if (rc == 0)
        report_text(k->job->report, "archive", output_path(out));
    output_free(out);
    return rc;
}

static int run(struct rekey *k, struct err *err)
{
    static const char *const names[] = {"change", "add", "remove", "heal"};
    const struct job *job = k->job;
    const char *output = k->opts->output;
    bool healed = false;

    if (opened_open(&k->o, k->opts->archive, output == NULL, err) != 0)
        return -1;
    if (output == NULL && k->o.reader->io.pread == NULL) {
        err_set(err, ERR_USAGE, "rekey changes a file in place: %s is a stream",
                input_path(k->o.in));
        return err_hint(err, "say -o FILE to write a copy with the new passphrase");
    }
    if (get_old(k->keys, job, err) != 0 ||
        opened_unlock_by(&k->o, &k->keys->old, err) != 0 ||
        (needs_new(k->opts) && get_new(k->keys, job, k->opts, err) != 0))
        return -1;
    if ((output == NULL ? in_place(k, &healed, err) : into_copy(k, err)) != 0)
        return -1;
    if (output == NULL)
        report_text(job->report, "archive", input_path(k->o.in));
    report_text(job->report, "action", names[k->opts->action]);
    report_u64(job->report, "generation", k->header.generation);
    report_u64(job->report, "slots", passphrase_slots(&k->header));
    report_bool(job->report, "healed", healed);
    return 0;
}

int rekey_one(const struct job *job, const struct rekey_opts *opts,
              struct rekey_keys *keys, struct err *err)
{
    struct rekey *k = calloc(1, sizeof *k);
    if (k == NULL)
        return err_nomem(err);
    k->job = job;
    k->opts = opts;
    k->keys = keys;
    int rc = run(k, err);
    free(k->raw);
    opened_close(&k->o);
    free(k);
    return rc;
}

int rekey_run(const struct job *job, const struct rekey_opts *opts, struct err *err)
{
    struct rekey_keys keys = {.old = {.ring = NULL}};
    int rc = rekey_one(job, opts, &keys, err);
    rekey_keys_free(&keys);
    return rc;
}

int rekey_keys_get(struct rekey_keys *keys, const struct job *job,
                   const struct rekey_opts *opts, struct err *err)
{
    if (get_old(keys, job, err) != 0)
        return -1;
    return needs_new(opts) ? get_new(keys, job, opts, err) : 0;
}

void rekey_keys_free(struct rekey_keys *keys)
{
    key_free(&keys->old);
    key_free(&keys->new);
}
