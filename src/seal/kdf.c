#include "seal/kdf.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/io.h"

#define STACK_WIPED 16384u /* bytes below us: deeper than Argon2id goes */

_Static_assert(crypto_pwhash_SALTBYTES == KDF_SALT_SIZE, "salt");
_Static_assert(crypto_pwhash_OPSLIMIT_INTERACTIVE == KDF_PASSES_MIN, "floor");
_Static_assert(crypto_pwhash_MEMLIMIT_INTERACTIVE == KDF_MEMORY_KIB_MIN * 1024,
               "floor");

int kdf_cost_named(const char *name, struct kdf_cost *cost)
{
    static const struct {
        const char *name;
        struct kdf_cost cost;
    } levels[] = {
        {"interactive",
         {crypto_pwhash_OPSLIMIT_INTERACTIVE,
          crypto_pwhash_MEMLIMIT_INTERACTIVE / 1024}},
        {"moderate",
         {crypto_pwhash_OPSLIMIT_MODERATE, crypto_pwhash_MEMLIMIT_MODERATE / 1024}},
        {"sensitive",
         {crypto_pwhash_OPSLIMIT_SENSITIVE, crypto_pwhash_MEMLIMIT_SENSITIVE / 1024}},
    };
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        if (strcmp(name, levels[i].name) == 0) {
            *cost = levels[i].cost;
            return 0;
        }
    }
    return -1;
}

void kdf_limits_default(struct kdf_limits *limits)
{
    limits->passes_max = KDF_PASSES_MAX;
    limits->memory_kib_max = KDF_MEMORY_KIB_MAX;
    limits->sum_max = KDF_SUM_KIB_PASSES;
}

/* ---- how much memory there is ---- */

/* One control-group hierarchy: where it is mounted and what its files are called. */
struct hierarchy {
    const char *mount;
    const char *limit, *usage;
    const char *reclaimable; /* in memory.stat: page cache that the kernel would drop */
};

static const struct hierarchy V1 = {"/sys/fs/cgroup/memory", "memory.limit_in_bytes",
                                    "memory.usage_in_bytes", "total_inactive_file"};
static const struct hierarchy V2 = {"/sys/fs/cgroup", "memory.max", "memory.current",
                                    "inactive_file"};

/* Read a small file into text[cap], NUL-terminated. 0 or -1. */
static int read_text(const char *path, char *text, size_t cap)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return -1;
    ssize_t n = io_read(fd, text, cap - 1);
    close(fd);
    if (n < 0)
        return -1;
    text[n] = '\0';
    return 0;
}

/* The number at the start of `s`. 0 or -1 ("max" is no number). */
static int number(const char *s, uint64_t *value)
{
    char *end;
    errno = 0;
    unsigned long long v = strtoull(s, &end, 10);
    if (end == s || errno != 0 || s[0] == '-')
        return -1;
    *value = v;
    return 0;
}

/* The number after `name` at the start of a line. 0 or -1. */
static int field(const char *text, const char *name, uint64_t *value)
{
    size_t n = strlen(name);
    for (const char *line = text; line != NULL;) {
        if (strncmp(line, name, n) == 0 && (line[n] == ' ' || line[n] == ':'))
            return number(line + n + 1, value);
        line = strchr(line, '\n');
        if (line != NULL)
            line++;
    }
    return -1;
}

static int group_text(const char *group, const char *file, char *text, size_t cap)
{
    char path[PATH_MAX];
    int n = snprintf(path, sizeof path, "%s/%s", group, file);
    if (n < 0 || (size_t)n >= sizeof path)
        return -1;
    return read_text(path, text, cap);
}

/* Bytes left under the limit of one group; UINT64_MAX where it has none. */
static uint64_t group_left(const struct hierarchy *h, const char *group)
{
    char text[8192];
    uint64_t limit, usage, reclaimable;

    if (group_text(group, h->limit, text, sizeof text) != 0 ||
        number(text, &limit) != 0)
        return UINT64_MAX;
    if (group_text(group, h->usage, text, sizeof text) != 0 ||
        number(text, &usage) != 0)
        usage = 0;
    if (group_text(group, "memory.stat", text, sizeof text) == 0 &&
        field(text, h->reclaimable, &reclaimable) == 0)
        usage -= reclaimable < usage ? reclaimable : usage;
    return limit > usage ? limit - usage : 0;
}

/*
 * The least that any group from ours up to the top of the mount has left. Inside a
 * container the path may be the host's view and lead nowhere here; the top of the mount
 * is then our own group, and it is always among those asked.
 */
static uint64_t hierarchy_left(const struct hierarchy *h, const char *root,
                               const char *path)
{
    char group[PATH_MAX];
    uint64_t least = UINT64_MAX;

    int top = snprintf(group, sizeof group, "%s%s", root, h->mount);
    int n = snprintf(group, sizeof group, "%s%s%s", root, h->mount, path);
    if (n < 0 || (size_t)n >= sizeof group || strstr(path, "/..") != NULL)
        n = snprintf(group, sizeof group, "%s%s", root, h->mount);
    if (n < 0 || (size_t)n >= sizeof group)
        return UINT64_MAX;

    for (;;) {
        uint64_t left = group_left(h, group);
        if (left < least)
            least = left;
        char *slash = strrchr(group, '/');
        if (slash < group + top)
            return least;
        *slash = '\0';
    }
}

/* Whether the comma-separated `list` of controllers, of `len` bytes, has "memory". */
static int has_memory(const char *list, size_t len)
{
    const char *end = list + len;
    while (list < end) {
        const char *comma = memchr(list, ',', (size_t)(end - list));
        size_t n = (size_t)((comma != NULL ? comma : end) - list);
        if (n == 6 && memcmp(list, "memory", 6) == 0)
            return 1;
        list += n + 1;
    }
    return 0;
}

/* The least left by any control group above us, from the lines "id:controllers:path".
 */
static uint64_t groups_left(const char *root, char *lines)
{
    uint64_t least = UINT64_MAX;
    char *save = NULL;

    for (char *line = strtok_r(lines, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        char *list = strchr(line, ':');
        char *path = list != NULL ? strchr(list + 1, ':') : NULL;
        if (path == NULL)
            continue;
        const struct hierarchy *h = NULL;
        size_t len = (size_t)(path - list - 1);
        if (len == 0)
            h = &V2;
        else if (has_memory(list + 1, len))
            h = &V1;
        uint64_t left = h != NULL ? hierarchy_left(h, root, path + 1) : UINT64_MAX;
        if (left < least)
            least = left;
    }
    return least;
}

uint64_t kdf_memory_available_kib(const char *root)
{
    char path[PATH_MAX], text[8192];
    uint64_t kib = UINT64_MAX;

    int n = snprintf(path, sizeof path, "%s/proc/meminfo", root);
    if (n > 0 && (size_t)n < sizeof path && read_text(path, text, sizeof text) == 0 &&
        field(text, "MemAvailable", &kib) != 0)
        kib = UINT64_MAX;

    n = snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    if (n > 0 && (size_t)n < sizeof path && read_text(path, text, sizeof text) == 0) {
        uint64_t left = groups_left(root, text);
        if (left != UINT64_MAX && left / 1024 < kib)
            kib = left / 1024;
    }
    return kib;
}

/* ---- deriving ---- */

int kdf_check(const struct kdf_cost *cost, const struct kdf_limits *limits,
              struct err *err)
{
    if (cost->passes < KDF_PASSES_MIN || cost->memory_kib < KDF_MEMORY_KIB_MIN) {
        err_set(
            err, ERR_REFUSED,
            "a key slot is too weak to be trusted: %u MiB of memory and %u passes of "
            "Argon2id, at least %u MiB and %u are required",
            cost->memory_kib / 1024, cost->passes, KDF_MEMORY_KIB_MIN / 1024,
            KDF_PASSES_MIN);
        return err_hint(err,
                        "pmm-seal never writes such a slot: somebody else made it");
    }
    if (cost->passes > limits->passes_max ||
        cost->memory_kib > limits->memory_kib_max) {
        err_set(err, ERR_REFUSED,
                "a key slot costs more than allowed: %u MiB of memory and %u passes of "
                "Argon2id, of at most %u MiB and %u",
                cost->memory_kib / 1024, cost->passes, limits->memory_kib_max / 1024,
                limits->passes_max);
        return err_hint(err,
                        "if you trust where the archive comes from, raise the limit "
                        "with --kdf-limit");
    }
    return 0;
}

/* libsodium would populate the whole mapping: inside a limit, the kernel would kill us
 * before the call could fail. */
static int check_memory(const struct kdf_cost *cost, struct err *err)
{
    uint64_t have = kdf_memory_available_kib("");
    if (have >= cost->memory_kib)
        return 0;
    err_set(err, ERR_FAIL,
            "not enough memory to derive the key: it takes %u MiB, and %llu MiB are "
            "available here",
            cost->memory_kib / 1024, (unsigned long long)(have / 1024));
    return err_hint(err,
                    "to open an archive, give this machine or container more memory; "
                    "to make one, --kdf interactive takes 64 MiB");
}

int kdf_derive(const char *passphrase, size_t len, const uint8_t salt[KDF_SALT_SIZE],
               const struct kdf_cost *cost, uint8_t kek[KEK_SIZE], struct err *err)
{
    if (check_memory(cost, err) != 0)
        return -1;
    uint64_t bytes = (uint64_t)cost->memory_kib * 1024;
    bool failed = bytes > crypto_pwhash_argon2id_MEMLIMIT_MAX ||
                  crypto_pwhash(kek, KEK_SIZE, passphrase, len, salt, cost->passes,
                                (size_t)bytes, crypto_pwhash_ALG_ARGON2ID13) != 0;
    /* libsodium leaves a copy of the result on the stack. */
    sodium_stackzero(STACK_WIPED);
    if (failed) {
        err_set(err, ERR_FAIL,
                "cannot derive the key: Argon2id with %u MiB of memory and %u passes "
                "failed",
                cost->memory_kib / 1024, cost->passes);
        return err_hint(err, "to open an archive, give this machine or container more "
                             "memory; to make one, --kdf interactive takes 64 MiB");
    }
    return 0;
}
