#include "fuzz.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void fuzz_broken(const char *file, int line, const char *what)
{
    fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
    abort();
}

void fuzz_tell(const struct err *err)
{
    if (getenv("FUZZ_TELL") != NULL)
        fprintf(stderr, "%s\n", err->cls == ERR_NONE ? "taken" : err->text);
}

static char dir[256];

/* By whole paths: fuzz_tar has an opinion of what src/store may name. */
static int remove_one(const char *path, const struct stat *st, int type,
                      struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static void remove_dir(void)
{
    (void)nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

const char *fuzz_dir(void)
{
    const char *where = getenv("FUZZ_TMP");
    if (dir[0] != '\0')
        return dir;
    if (where == NULL)
        where = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : getenv("TMPDIR");
    snprintf(dir, sizeof dir, "%s/pmm-seal-fuzz.XXXXXX", where ? where : "/tmp");
    FUZZ_CHECK(mkdtemp(dir) != NULL);
    FUZZ_CHECK(atexit(remove_dir) == 0);
    return dir;
}

uint8_t fuzz_u8(struct fuzz_input *in)
{
    if (in->len == 0)
        return 0;
    in->len--;
    return *in->p++;
}

uint16_t fuzz_u16(struct fuzz_input *in)
{
    unsigned low = fuzz_u8(in);
    return (uint16_t)(low | (unsigned)fuzz_u8(in) << 8);
}

struct fuzz_input fuzz_bytes(struct fuzz_input *in)
{
    size_t n = fuzz_u16(in);
    struct fuzz_input out = {in->p, n < in->len ? n : in->len};
    in->p += out.len;
    in->len -= out.len;
    return out;
}
