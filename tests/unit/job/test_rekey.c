/* A rekey that is cut short anywhere leaves an archive that one of the two passphrases
 * opens. */
#include "../container/memory.h"

#include "container/reheader.h"
#include "format/slot.h"
#include "job/newheader.h"

static const char OLD[] = "the old passphrase", NEW[] = "the new passphrase";

struct world {
    struct memory m;
    struct keyring *old, *new;
    size_t budget; /* bytes that still reach the disk */
    uint8_t new_raw[HEADER_UNIT];
};

static struct keyring *ring(const char *passphrase)
{
    struct kdf_limits limits;
    struct keyring *k = NULL;
    struct err err = {0};
    kdf_limits_default(&limits);
    assert_int_equal(keyring_new(&k, passphrase, strlen(passphrase), &limits, &err), 0);
    return k;
}

/* The last write before the power went may have arrived in part. */
static int torn_pwrite(void *ctx, const void *buf, size_t len, uint64_t off,
                       struct err *err)
{
    struct world *w = ctx;
    size_t n = len < w->budget ? len : w->budget;
    memcpy(w->m.b.p + off, buf, n);
    w->budget -= n;
    return n == len ? 0 : err_set(err, ERR_FAIL, "the power went");
}

/* What is written and not yet synced may reach the disk in any order, or not at all. */
struct disk {
    struct world *w;
    bool dirty;
    unsigned writes;
};

static int ordered_pwrite(void *ctx, const void *buf, size_t len, uint64_t off,
                          struct err *err)
{
    struct disk *d = ctx;
    (void)err;
    if (d->dirty)
        fail_msg("a write while the one before may not be on the disk");
    memcpy(d->w->m.b.p + off, buf, len);
    d->dirty = true;
    d->writes++;
    return 0;
}

static int ordered_sync(void *ctx, struct err *err)
{
    struct disk *d = ctx;
    (void)err;
    d->dirty = false;
    return 0;
}

static int no_sync(void *ctx, struct err *err)
{
    (void)ctx, (void)err;
    return 0;
}

static void make_archive(struct world *w)
{
    static const struct kdf_cost cost = {KDF_PASSES_MIN, KDF_MEMORY_KIB_MIN};
    struct err err = {0};
    struct newheader *h = NULL;
    struct writer *writer = NULL;
    const struct writer_opts opts = {.level = 1, .threads = 1};
    struct writer_totals totals;

    assert_int_equal(newheader_make(&h, w->old, NULL, &cost, 1000, &err), 0);
    assert_int_equal(writer_open(&writer, newheader_header(h), newheader_raw(h),
                                 newheader_keys(h), &opts, memory_sink, &w->m, "{}", 2,
                                 &err),
                     0);
    assert_int_equal(writer_data(writer, "content", 7, &err), 0);
    assert_int_equal(writer_finish(writer, "{}", 2, 0, &totals, &err), 0);
    writer_free(writer, &err);
    newheader_free(h);
}

static struct reader *open_with(struct world *w, struct keyring *k)
{
    struct err err = {0};
    struct reader *r = NULL;
    struct index *ix = NULL;
    const struct reader_io io = {.read = memory_read,
                                 .pread = memory_pread,
                                 .ctx = &w->m,
                                 .size = (int64_t)w->m.b.len};
    if (reader_open(&r, &io, &err) != 0)
        return NULL;
    if (reader_unlock(r, k, &err) == 0 && index_open(&ix, r, &err) == 0 &&
        reader_spare(r, ix->end.offset, &err) == 0) {
        index_free(ix);
        return r;
    }
    index_free(ix);
    reader_free(r);
    return NULL;
}

/* The header after a change from OLD to NEW, as job/rekey makes it. */
static void make_new_header(struct world *w)
{
    static const struct kdf_cost cost = {KDF_PASSES_MIN, KDF_MEMORY_KIB_MIN};
    struct err err = {0};
    struct slot_passphrase p = {.passes = cost.passes, .memory_kib = cost.memory_kib};
    uint8_t slot[SLOT_PASSPHRASE_SIZE];
    const uint8_t *kek;
    struct reader *r = open_with(w, w->old);
    assert_non_null(r);
    struct header h = r->header;
    h.generation++;
    slot_remove(&h, r->unlocked.slot_off);
    memset(p.salt, 7, sizeof p.salt);
    assert_int_equal(keyring_kek(w->new, p.salt, &cost, &kek, &err), 0);
    assert_int_equal(keys_wrap(&p, 2000, kek, r->raw, r->keys->file_key, &err), 0);
    slot_encode_passphrase(&p, 2000, slot);
    assert_int_equal(slot_add(&h, slot, sizeof slot, &err), 0);
    header_encode(&h, w->new_raw);
    keys_header_finish(w->new_raw, sizeof w->new_raw, r->keys);
    reader_free(r);
}

/* Heal, then change, as long as the budget lasts. */
static void change(struct world *w, size_t budget)
{
    struct err err = {0};
    bool healed;
    const struct reheader_io io = {torn_pwrite, no_sync, w};
    struct reader *r = open_with(w, w->old);
    assert_non_null(r);
    w->budget = budget;
    if (reheader_heal(r, &io, &healed, &err) == 0)
        reheader_in_place(r, &io, w->new_raw, &err);
    reader_free(r);
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    struct err err = {0};
    if (w == NULL || secret_init(&err) != 0)
        return -1;
    w->old = ring(OLD);
    w->new = ring(NEW);
    make_archive(w);
    make_new_header(w);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    keyring_free(w->old);
    keyring_free(w->new);
    memory_free(&w->m);
    free(w);
    return 0;
}

/* From a whole archive and from each kind of damage that is healed first. */
static void test_a_rekey_cut_at_any_byte_leaves_an_archive_that_opens(void **state)
{
    struct world *w = *state;
    size_t len = w->m.b.len, copy = len - TAIL_SIZE - HEADER_UNIT;
    uint8_t *whole = malloc(len);
    assert_non_null(whole);
    memcpy(whole, w->m.b.p, len);
    const size_t damage[] = {SIZE_MAX, 300, copy + 300, len - 5};

    for (size_t d = 0; d < sizeof damage / sizeof *damage; d++) {
        bool old_opened = false, new_opened = false;
        for (size_t budget = 0; budget < 3 * HEADER_UNIT + 64;
             budget += budget % HEADER_UNIT < HEADER_UNIT - 80 ? 79 : 1) {
            memcpy(w->m.b.p, whole, len);
            if (damage[d] != SIZE_MAX)
                w->m.b.p[damage[d]] ^= 0x55;
            change(w, budget);
            struct reader *by_old = open_with(w, w->old);
            struct reader *by_new = open_with(w, w->new);
            if (by_old == NULL && by_new == NULL)
                fail_msg("damage %zu, %zu bytes written: nothing opens", d, budget);
            old_opened |= by_old != NULL;
            new_opened |= by_new != NULL;
            reader_free(by_old);
            reader_free(by_new);
        }
        assert_true(old_opened);
        assert_true(new_opened);
    }
    memcpy(w->m.b.p, whole, len);
    free(whole);
}

static void test_one_header_is_on_the_disk_before_the_other_is_touched(void **state)
{
    struct world *w = *state;
    struct err err = {0};
    struct disk d = {.w = w};
    bool healed;
    const struct reheader_io io = {ordered_pwrite, ordered_sync, &d};
    uint8_t *whole = malloc(w->m.b.len);
    assert_non_null(whole);
    memcpy(whole, w->m.b.p, w->m.b.len);

    w->m.b.p[w->m.b.len - 5] ^= 0x55; /* a tail to be healed first */
    struct reader *r = open_with(w, w->old);
    assert_non_null(r);
    assert_int_equal(reheader_heal(r, &io, &healed, &err), 0);
    assert_true(healed);
    assert_int_equal(reheader_in_place(r, &io, w->new_raw, &err), 0);
    assert_int_equal(d.writes, 3);
    assert_false(d.dirty);
    reader_free(r);
    memcpy(w->m.b.p, whole, w->m.b.len);
    free(whole);
}

/* A header with a higher generation, a good checksum and slots of its own is anybody's
 * work: it must not lock the owner out. */
static void test_a_forged_copy_does_not_lock_the_archive(void **state)
{
    struct world *w = *state;
    struct err err = {0};
    static const uint8_t key[FILE_KEY_SIZE] = "somebody else's";
    struct keys *theirs = NULL;
    size_t copy = w->m.b.len - TAIL_SIZE - HEADER_UNIT;
    uint8_t kept[HEADER_UNIT];

    memcpy(kept, w->m.b.p + copy, HEADER_UNIT);
    memcpy(w->m.b.p + copy, w->new_raw, HEADER_UNIT);
    w->m.b.p[copy + 136] += 7; /* the generation */
    assert_int_equal(keys_derive(&theirs, key, w->m.b.p + copy, &err), 0);
    keys_header_finish(w->m.b.p + copy, HEADER_UNIT, theirs);
    keys_free(theirs);

    struct reader *r = open_with(w, w->old);
    assert_non_null(r);
    assert_int_equal(r->front, READER_GOOD);
    assert_int_equal(r->copy, READER_DAMAGED);
    reader_free(r);
    memcpy(w->m.b.p + copy, kept, HEADER_UNIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_rekey_cut_at_any_byte_leaves_an_archive_that_opens),
        cmocka_unit_test(test_one_header_is_on_the_disk_before_the_other_is_touched),
        cmocka_unit_test(test_a_forged_copy_does_not_lock_the_archive),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
