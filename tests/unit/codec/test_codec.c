#include "codec/codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#define CHUNK_LOG2 16u
#define CHUNK      (1u << CHUNK_LOG2)

struct fixture {
    struct codec *c;
    uint8_t *src, *packed, *out;
    size_t cap;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct err err = {0};
    if (f == NULL || codec_new(&f->c, 3, CHUNK_LOG2, &err) != 0)
        return -1;
    f->cap = codec_bound(4 * CHUNK);
    f->src = malloc(4 * CHUNK);
    f->packed = malloc(f->cap);
    f->out = malloc(4 * CHUNK);
    if (f->src == NULL || f->packed == NULL || f->out == NULL)
        return -1;
    uint32_t x = 1;
    for (size_t i = 0; i < 4 * CHUNK; i++) { /* half noise, half text */
        x = x * 1664525 + 1013904223;
        f->src[i] = (uint8_t)((i / 512) % 2 ? x >> 24 : (i % 61) + ' ');
    }
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    codec_free(f->c);
    free(f->src);
    free(f->packed);
    free(f->out);
    free(f);
    return 0;
}

static size_t pack(struct fixture *f, size_t len)
{
    struct err err = {0};
    size_t n = 0;
    assert_int_equal(codec_pack(f->c, f->src, len, f->packed, f->cap, &n, &err), 0);
    return n;
}

/* Unpack what is at f->packed[0..len); 0 or -1 with ERR_DAMAGED. */
static int unpack(struct fixture *f, size_t len, size_t cap, size_t *out, size_t *used)
{
    struct err err = {0};
    uint8_t *exact = malloc(len ? len : 1); /* so that a read past it is seen */
    assert_non_null(exact);
    memcpy(exact, f->packed, len);
    int rc = codec_unpack(f->c, exact, len, f->out, cap, out, used, &err);
    free(exact);
    assert_int_equal(err.cls, rc == 0 ? ERR_NONE : ERR_DAMAGED);
    return rc;
}

static void test_any_length_comes_back(void **state)
{
    struct fixture *f = *state;
    static const size_t lens[] = {0, 1, 511, CHUNK - 1, CHUNK, CHUNK + 1, 4 * CHUNK};
    for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
        size_t out, used, n = pack(f, lens[i]);
        assert_true(n <= codec_bound(lens[i]));
        assert_int_equal(unpack(f, n, 4 * CHUNK, &out, &used), 0);
        assert_int_equal(out, lens[i]);
        assert_int_equal(used, n);
        assert_memory_equal(f->out, f->src, out);
    }
}

static void test_every_level_stays_within_the_window_of_a_chunk(void **state)
{
    struct fixture *f = *state;
    for (int level = 1; level <= 19; level++) {
        struct err err = {0};
        size_t n, out, used;
        codec_free(f->c);
        f->c = NULL;
        assert_int_equal(codec_new(&f->c, level, CHUNK_LOG2, &err), 0);
        n = pack(f, 4 * CHUNK);
        assert_int_equal(unpack(f, n, 4 * CHUNK, &out, &used), 0);
        assert_int_equal(out, 4 * CHUNK);
    }
}

static void test_only_one_frame_is_taken_and_the_rest_is_left(void **state)
{
    struct fixture *f = *state;
    size_t out, used, n = pack(f, 1000);
    memcpy(f->packed + n, f->packed, n);
    assert_int_equal(unpack(f, 2 * n, 4 * CHUNK, &out, &used), 0);
    assert_int_equal(out, 1000);
    assert_int_equal(used, n);
}

static void test_more_than_the_cap_is_refused(void **state)
{
    struct fixture *f = *state;
    size_t out, used, n = pack(f, 1000);
    assert_int_equal(unpack(f, n, 1000, &out, &used), 0);
    assert_int_equal(unpack(f, n, 999, &out, &used), -1);
}

static void test_a_cut_frame_is_refused(void **state)
{
    struct fixture *f = *state;
    size_t out, used, n = pack(f, 2000);
    for (size_t len = 0; len < n; len++)
        assert_int_equal(unpack(f, len, 4 * CHUNK, &out, &used), -1);
}

static void test_a_skippable_frame_is_not_taken_for_content(void **state)
{
    struct fixture *f = *state;
    static const uint8_t skip[] = {0x50, 0x2a, 0x4d, 0x18, 8, 0, 0, 0,
                                   0,    0,    0,    0,    0, 0, 0, 0};
    size_t out, used, n = pack(f, 1000);
    memmove(f->packed + sizeof skip, f->packed, n);
    memcpy(f->packed, skip, sizeof skip);
    assert_int_equal(unpack(f, n + sizeof skip, 4 * CHUNK, &out, &used), -1);
}

/* Pack with settings of another writer. */
static size_t pack_as(struct fixture *f, size_t len, ZSTD_cParameter name, int value)
{
    ZSTD_CCtx *cctx = ZSTD_createCCtx();
    assert_non_null(cctx);
    assert_false(ZSTD_isError(ZSTD_CCtx_setParameter(cctx, name, value)));
    size_t n = ZSTD_compress2(cctx, f->packed, f->cap, f->src, len);
    assert_false(ZSTD_isError(n));
    ZSTD_freeCCtx(cctx);
    return n;
}

static void test_a_frame_without_its_size_is_refused(void **state)
{
    struct fixture *f = *state;
    size_t out, used, n = pack_as(f, 1000, ZSTD_c_contentSizeFlag, 0);
    assert_int_equal(unpack(f, n, 4 * CHUNK, &out, &used), -1);
}

static void test_a_window_larger_than_a_chunk_is_refused(void **state)
{
    struct fixture *f = *state;
    size_t out, used;
    size_t n = pack_as(f, 4 * CHUNK, ZSTD_c_windowLog, CHUNK_LOG2 + 1);
    assert_int_equal(unpack(f, n, 4 * CHUNK, &out, &used), -1);
    n = pack_as(f, 4 * CHUNK, ZSTD_c_windowLog, CHUNK_LOG2 + 2); /* one segment */
    assert_int_equal(unpack(f, n, 4 * CHUNK, &out, &used), -1);
    n = pack_as(f, 4 * CHUNK, ZSTD_c_windowLog, CHUNK_LOG2);
    assert_int_equal(unpack(f, n, 4 * CHUNK, &out, &used), 0);
    f->packed[5] |= 1; /* the window's mantissa: an eighth more than a chunk */
    assert_int_equal(unpack(f, n, 4 * CHUNK, &out, &used), -1);
}

static void test_a_frame_that_asks_for_a_dictionary_is_refused(void **state)
{
    struct fixture *f = *state;
    size_t out, used, n = pack(f, 1000);
    assert_int_equal(unpack(f, n, 4 * CHUNK, &out, &used), 0);
    assert_true(f->packed[4] & 0x20); /* one segment: no window field in between */
    memmove(f->packed + 6, f->packed + 5, n - 5);
    f->packed[4] |= 1; /* a dictionary id of one byte follows */
    f->packed[5] = 0;  /* which zstd itself would take for none */
    assert_int_equal(unpack(f, n + 1, 4 * CHUNK, &out, &used), -1);
}

static void test_a_checksum_in_a_frame_is_allowed_and_checked(void **state)
{
    struct fixture *f = *state;
    size_t out, used, n = pack_as(f, 1000, ZSTD_c_checksumFlag, 1);
    assert_int_equal(unpack(f, n, 4 * CHUNK, &out, &used), 0);
    f->packed[n - 1] ^= 1;
    assert_int_equal(unpack(f, n, 4 * CHUNK, &out, &used), -1);
}

static void test_changed_bytes_never_write_past_the_cap(void **state)
{
    struct fixture *f = *state;
    size_t out, used, n = pack(f, 3000);
    uint8_t *exact = malloc(3000);
    assert_non_null(exact);
    for (size_t i = 0; i < n; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            struct err err = {0};
            f->packed[i] ^= (uint8_t)(1u << bit);
            codec_unpack(f->c, f->packed, n, exact, 3000, &out, &used, &err);
            f->packed[i] ^= (uint8_t)(1u << bit);
        }
    }
    free(exact);
}

static void test_a_full_buffer_is_an_error_and_no_damage(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};
    size_t n;
    assert_int_equal(codec_pack(f->c, f->src, CHUNK, f->packed, 100, &n, &err), -1);
    assert_int_equal(err.cls, ERR_FAIL);
}

static void test_unpacking_needs_no_level(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};
    size_t out, used, n = pack(f, 1000);
    codec_free(f->c);
    f->c = NULL;
    assert_int_equal(codec_new(&f->c, 0, CHUNK_LOG2, &err), 0);
    assert_int_equal(unpack(f, n, 4 * CHUNK, &out, &used), 0);
    codec_free(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_any_length_comes_back),
        TEST(test_every_level_stays_within_the_window_of_a_chunk),
        TEST(test_only_one_frame_is_taken_and_the_rest_is_left),
        TEST(test_more_than_the_cap_is_refused),
        TEST(test_a_cut_frame_is_refused),
        TEST(test_a_skippable_frame_is_not_taken_for_content),
        TEST(test_a_frame_without_its_size_is_refused),
        TEST(test_a_window_larger_than_a_chunk_is_refused),
        TEST(test_a_frame_that_asks_for_a_dictionary_is_refused),
        TEST(test_a_checksum_in_a_frame_is_allowed_and_checked),
        TEST(test_changed_bytes_never_write_past_the_cap),
        TEST(test_a_full_buffer_is_an_error_and_no_damage),
        TEST(test_unpacking_needs_no_level),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
