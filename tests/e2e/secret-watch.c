/*
 * Preloaded into the program: learns the passphrase and every key from the calls of
 * libsodium, and looks for them where they must not be.
 *
 *   descriptor 9   what was found, a line each: secrets in a block that is freed, in
 * memory that is unmapped, at the end of the program, or compared by memcmp; and
 * "learnt N" at the end descriptor 7   each sealing: "seal KEY NONCE OUTPUT" (hashes),
 * in hex
 *
 * What it knows it keeps masked, so that it does not find itself.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define FOUND  9
#define SEALED 7
#define MAX    512
#define PART   16
#define MASK   0xa5

typedef unsigned char byte;
typedef unsigned long long ull;

void *__libc_malloc(size_t);
void __libc_free(void *);

static struct {
    const char *what;
    byte masked[PART];
} secrets[MAX];
static atomic_uint nsecrets;
static atomic_flag learning = ATOMIC_FLAG_INIT;
static _Atomic uint8_t first[8192]; /* a bit for each first two bytes */

static int is_secret(unsigned i, const byte *p)
{
    for (unsigned k = 0; k < PART; k++)
        if ((byte)(p[k] ^ MASK) != secrets[i].masked[k])
            return 0;
    return 1;
}

static void learn(const char *what, const void *bytes, size_t len)
{
    const byte *p = bytes;
    byte same = 0;
    if (len < PART)
        return;
    for (unsigned k = 1; k < PART; k++)
        same |= p[k] ^ p[0];
    if (same == 0)
        return;
    while (atomic_flag_test_and_set(&learning))
        continue;
    unsigned n = atomic_load(&nsecrets), i = 0;
    while (i < n && !is_secret(i, p))
        i++;
    if (i == n && n < MAX) {
        for (unsigned k = 0; k < PART; k++)
            secrets[n].masked[k] = p[k] ^ MASK;
        secrets[n].what = what;
        unsigned two = p[0] | p[1] << 8;
        atomic_fetch_or(&first[two / 8], (uint8_t)(1 << two % 8));
        atomic_store(&nsecrets, n + 1);
    }
    atomic_flag_clear(&learning);
}

static void learn_key(const char *what, const byte *key)
{
    learn(what, key, PART);
    learn(what, key + PART, PART);
}

static void say(const char *where, const char *what, const void *at)
{
    char line[200];
    int n = snprintf(line, sizeof line, "%s %s %p\n", where, what, at);
    if (write(FOUND, line, (size_t)n) != n)
        abort();
}

static void scan(const char *where, const byte *p, size_t len)
{
    unsigned n = atomic_load(&nsecrets);
    for (size_t i = 0; n > 0 && i + PART <= len; i++) {
        unsigned two = p[i] | p[i + 1] << 8;
        if ((atomic_load_explicit(&first[two / 8], memory_order_relaxed) >> two % 8 &
             1) == 0)
            continue;
        for (unsigned k = 0; k < n; k++)
            if (is_secret(k, p + i))
                say(where, secrets[k].what, p + i);
    }
}

/* Memory that may not be there, or not be readable. */
static void scan_carefully(const char *where, uintptr_t from, size_t len)
{
    static _Thread_local byte copy[1 << 16];
    for (size_t done = 0; done < len;) {
        size_t want = len - done < sizeof copy ? len - done : sizeof copy;
        struct iovec to = {copy, want}, at = {(void *)(from + done), want};
        ssize_t got = syscall(SYS_process_vm_readv, getpid(), &to, 1, &at, 1, 0);
        if (got > 0)
            scan(where, copy, (size_t)got);
        memset(copy, 0, want);
        size_t step = got > 0 ? (size_t)got : 4096 - (from + done) % 4096;
        /* A secret may lie across two pieces. */
        done += step > PART && done + step < len ? step - PART : step;
    }
}

/* ---- what is given back ---- */

void free(void *p)
{
    if (p == NULL)
        return;
    int saved = errno;
    scan("free", p, malloc_usable_size(p));
    __libc_free(p);
    errno = saved;
}

void *realloc(void *p, size_t size)
{
    if (p == NULL)
        return __libc_malloc(size);
    size_t had = malloc_usable_size(p);
    void *q = __libc_malloc(size);
    if (q == NULL)
        return NULL;
    memcpy(q, p, had < size ? had : size);
    scan("realloc", p, had);
    __libc_free(p);
    return q;
}

int munmap(void *p, size_t len)
{
    int saved = errno;
    scan_carefully("munmap", (uintptr_t)p, len);
    errno = saved;
    return (int)syscall(SYS_munmap, p, len);
}

__attribute__((destructor)) static void at_end(void)
{
    char line[512];
    unsigned long from, to;
    FILE *maps = fopen("/proc/self/maps", "re");
    while (maps != NULL && fgets(line, sizeof line, maps) != NULL) {
        char rights[8];
        if (sscanf(line, "%lx-%lx %7s", &from, &to, rights) == 3 && rights[0] == 'r' &&
            strstr(line, "[v") == NULL)
            scan_carefully("end", from, to - from);
    }
    if (maps == NULL)
        say("end", "cannot-look", NULL);
    else
        fclose(maps);
    dprintf(FOUND, "learnt %u\n", atomic_load(&nsecrets));
}

/* ---- what is compared ---- */

int memcmp(const void *a, const void *b, size_t n)
{
    const byte *p = a, *q = b;
    if (n >= PART)
        for (unsigned i = 0; i < atomic_load(&nsecrets); i++)
            if (is_secret(i, p) || is_secret(i, q))
                say("memcmp", secrets[i].what, a);
    for (size_t i = 0; i < n; i++)
        if (p[i] != q[i])
            return p[i] < q[i] ? -1 : 1;
    return 0;
}

/* ---- where secrets are made and used ---- */

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int crypto_pwhash(byte *out, ull len, const char *pass, ull passlen, const byte *salt,
                  ull ops, size_t mem, int alg)
{
    int r = NEXT(crypto_pwhash)(out, len, pass, passlen, salt, ops, mem, alg);
    learn("passphrase", pass, passlen);
    learn_key("key-of-the-passphrase", out);
    return r;
}

int crypto_kdf_derive_from_key(byte *out, size_t len, uint64_t id, const char *context,
                               const byte *key)
{
    int r = NEXT(crypto_kdf_derive_from_key)(out, len, id, context, key);
    learn_key("master-key", key);
    if (id > 1) /* the key check stands in the header */
        learn_key("subkey", out);
    return r;
}

int crypto_generichash(byte *out, size_t len, const byte *in, ull inlen,
                       const byte *key, size_t keylen)
{
    int r = NEXT(crypto_generichash)(out, len, in, inlen, key, keylen);
    if (keylen == 32)
        learn_key("hash-key", key);
    if (keylen == 32 && len == 64)
        learn_key("wrap-key", out + 32);
    return r;
}

/* Only the file key is made in parts. */
int crypto_generichash_final(void *state, byte *out, size_t len)
{
    int r = NEXT(crypto_generichash_final)(state, out, len);
    learn_key("file-key", out);
    return r;
}

static void hash(const byte *p, size_t len, char hex[33])
{
    uint64_t a = 14695981039346656037u, b = 0x9e3779b97f4a7c15u;
    for (size_t i = 0; i < len; i++) {
        a = (a ^ p[i]) * 1099511628211u;
        b = ((b ^ p[i]) * 0xff51afd7ed558ccdu) ^ (b >> 29);
    }
    snprintf(hex, 33, "%016llx%016llx", (ull)a, (ull)b);
}

static void sealed(const char *how, const byte *key, const byte *nonce, const byte *out,
                   size_t len)
{
    char k[33], o[33], line[200], n[49];
    hash(key, 32, k);
    hash(out, len, o);
    for (unsigned i = 0; i < 24; i++)
        snprintf(n + 2 * i, 3, "%02x", nonce[i]);
    int size = snprintf(line, sizeof line, "%s %s %s %s\n", how, k, n, o);
    if (write(SEALED, line, (size_t)size) != size && errno != EBADF)
        abort();
    learn_key("sealing-key", key);
}

/* libsodium makes the one from the other. */
static _Thread_local int nested;

int crypto_aead_xchacha20poly1305_ietf_encrypt(byte *c, ull *clen, const byte *m,
                                               ull mlen, const byte *ad, ull adlen,
                                               const byte *nsec, const byte *npub,
                                               const byte *k)
{
    nested++;
    int r = NEXT(crypto_aead_xchacha20poly1305_ietf_encrypt)(c, clen, m, mlen, ad,
                                                             adlen, nsec, npub, k);
    nested--;
    sealed("seal", k, npub, c, mlen + 16);
    return r;
}

int crypto_aead_xchacha20poly1305_ietf_encrypt_detached(byte *c, byte *mac, ull *maclen,
                                                        const byte *m, ull mlen,
                                                        const byte *ad, ull adlen,
                                                        const byte *nsec,
                                                        const byte *npub, const byte *k)
{
    int r = NEXT(crypto_aead_xchacha20poly1305_ietf_encrypt_detached)(
        c, mac, maclen, m, mlen, ad, adlen, nsec, npub, k);
    if (!nested)
        sealed("seal", k, npub, mac, 16);
    return r;
}

int crypto_stream_xchacha20(byte *c, ull clen, const byte *n, const byte *k)
{
    int r = NEXT(crypto_stream_xchacha20)(c, clen, n, k);
    sealed("stream", k, n, c, clen);
    return r;
}
