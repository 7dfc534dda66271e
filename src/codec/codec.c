#include "codec/codec.h"

#include <stdlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "util/le.h"

struct codec {
    ZSTD_CCtx *pack; /* NULL in a codec for unpacking only */
    ZSTD_DCtx *unpack;
    uint64_t window_max;
};

static int set_up_packing(struct codec *c, int level, unsigned chunk_log2,
                          struct err *err)
{
    const struct {
        ZSTD_cParameter name;
        int value;
    } params[] = {
        {ZSTD_c_compressionLevel, level},
        {ZSTD_c_windowLog, (int)chunk_log2},
        {ZSTD_c_contentSizeFlag, 1},
        {ZSTD_c_checksumFlag, 0}, /* the record's tag authenticates every byte */
    };

    c->pack = ZSTD_createCCtx();
    if (c->pack == NULL)
        return err_nomem(err);
    for (size_t i = 0; i < sizeof params / sizeof params[0]; i++) {
        size_t rc = ZSTD_CCtx_setParameter(c->pack, params[i].name, params[i].value);
        if (ZSTD_isError(rc))
            return err_set(err, ERR_FAIL, "cannot set up zstd: %s",
                           ZSTD_getErrorName(rc));
    }
    return 0;
}

int codec_new(struct codec **out, int level, unsigned chunk_log2, struct err *err)
{
    struct codec *c = calloc(1, sizeof *c);
    if (c == NULL)
        return err_nomem(err);
    c->window_max = UINT64_C(1) << chunk_log2;
    if (level != 0 && set_up_packing(c, level, chunk_log2, err) != 0)
        goto fail;
    c->unpack = ZSTD_createDCtx();
    if (c->unpack == NULL) {
        err_nomem(err);
        goto fail;
    }
    *out = c;
    return 0;

fail:
    codec_free(c);
    return -1;
}

void codec_free(struct codec *c)
{
    if (c == NULL)
        return;
    ZSTD_freeDCtx(c->unpack);
    ZSTD_freeCCtx(c->pack);
    free(c);
}

size_t codec_bound(size_t len)
{
    return ZSTD_compressBound(len);
}

int codec_pack(struct codec *c, const void *src, size_t len, void *dst, size_t cap,
               size_t *out_len, struct err *err)
{
    size_t rc = ZSTD_compress2(c->pack, dst, cap, src, len);
    if (ZSTD_isError(rc))
        return err_set(err, ERR_FAIL, "cannot compress: %s", ZSTD_getErrorName(rc));
    *out_len = rc;
    return 0;
}

static int damaged(struct err *err, const char *why)
{
    return err_set(err, ERR_DAMAGED, "compressed data is damaged: %s", why);
}

/* The parts of a frame's header (RFC 8878, 3.1.1.1) that the stable API does not tell:
 * that it is no skippable frame, has no dictionary, and how large its window is. A
 * frame of a single segment has no window field; its window is its content. */
static int check_frame_header(const struct codec *c, const uint8_t *p, size_t len,
                              uint64_t content, struct err *err)
{
    if (len < 6 || le32_get(p) != ZSTD_MAGICNUMBER)
        return damaged(err, "it is no zstd frame");
    uint8_t descriptor = p[4];
    if ((descriptor & 0x03) != 0)
        return damaged(err, "it asks for a dictionary");

    uint64_t window = content;
    if ((descriptor & 0x20) == 0) {
        uint64_t base = UINT64_C(1) << (10 + (p[5] >> 3));
        window = base + base / 8 * (p[5] & 7u);
    }
    if (window > c->window_max)
        return damaged(err, "its window is larger than a chunk");
    return 0;
}

int codec_unpack(struct codec *c, const void *src, size_t len, void *dst, size_t cap,
                 size_t *out_len, size_t *frame_len, struct err *err)
{
    unsigned long long content = ZSTD_getFrameContentSize(src, len);
    if (content == ZSTD_CONTENTSIZE_ERROR)
        return damaged(err, "it is no zstd frame");
    if (content == ZSTD_CONTENTSIZE_UNKNOWN || content > cap)
        return damaged(err, "its size is unknown or out of range");
    if (check_frame_header(c, src, len, content, err) != 0)
        return -1;

    /* ZSTD_decompressDCtx would go on with whatever frames follow: give it only the
     * bytes of this one. */
    size_t size = ZSTD_findFrameCompressedSize(src, len);
    if (ZSTD_isError(size))
        return damaged(err, ZSTD_getErrorName(size));
    size_t got = ZSTD_decompressDCtx(c->unpack, dst, cap, src, size);
    if (ZSTD_isError(got))
        return ZSTD_getErrorCode(got) == ZSTD_error_memory_allocation
                   ? err_nomem(err)
                   : damaged(err, ZSTD_getErrorName(got));
    if (got != content)
        return damaged(err, "its size is not what it says");
    *out_len = got;
    *frame_len = size;
    return 0;
}
