#include "cli/values.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "pipe/pipe.h"
#include "store/archives.h"

#define SLOTS                                                                          \
    8u /* passphrases, the most that a header of the usual size holds beside others */

/* A whole number and nothing else, `len` bytes, within min..max. 0 or -1, no message.
 */
static int number(const char *s, size_t len, uint64_t min, uint64_t max,
                  uint64_t *value)
{
    uint64_t v = 0;
    if (len == 0 || len > 19)
        return -1;
    for (size_t i = 0; i < len; i++) {
        if (s[i] < '0' || s[i] > '9')
            return -1;
        v = v * 10 + (uint64_t)(s[i] - '0');
    }
    if (v < min || v > max)
        return -1;
    *value = v;
    return 0;
}

/* "A:B", both within their bounds. */
static int pair(const char *s, const uint64_t bounds[4], uint64_t *a, uint64_t *b)
{
    const char *colon = strchr(s, ':');
    if (colon == NULL)
        return -1;
    if (number(s, (size_t)(colon - s), bounds[0], bounds[1], a) != 0)
        return -1;
    return number(colon + 1, strlen(colon + 1), bounds[2], bounds[3], b);
}

static int bad(const char *name, const char *arg, const char *want, struct err *err)
{
    return err_set(err, ERR_USAGE, "--%s: \"%s\" is not %s", name, arg, want);
}

/* Append to a list that ends with NULL. */
static int append(const char ***list, size_t *n, const char *arg, struct err *err)
{
    const char **more = realloc(*list, (*n + 2) * sizeof *more);
    if (more == NULL)
        return err_nomem(err);
    more[(*n)++] = arg;
    more[*n] = NULL;
    *list = more;
    return 0;
}

int values_accept(struct options *o, const char *name, const char *arg, struct err *err)
{
    if (arg[0] == '\0')
        return bad(name, arg, "a list of warning ids, like file-changed,file-vanished",
                   err);
    return append(&o->accept, &o->naccept, arg, err);
}

int values_add(struct options *o, const char *name, const char *arg, struct err *err)
{
    if (arg[0] == '\0')
        return bad(name, arg, "a file", err);
    return strcmp(name, "add") == 0 ? append(&o->add_files, &o->nadd, arg, err)
                                    : append(&o->attach_files, &o->nattach, arg, err);
}

int values_archive_name(struct options *o, const char *name, const char *arg,
                        struct err *err)
{
    if (!archives_name_ok(arg))
        return bad(name, arg,
                   "a name of 1 to 100 letters, digits, '.', '_', '-' (no '.' or '-' "
                   "in front)",
                   err);
    o->name = arg;
    return 0;
}

static int excludes(struct options *o, struct err *err)
{
    return o->excludes != NULL ? 0 : glob_new(&o->excludes, err);
}

int values_exclude(struct options *o, const char *name, const char *arg,
                   struct err *err)
{
    (void)name;
    return excludes(o, err) == 0 ? glob_add(o->excludes, arg, err) : -1;
}

int values_exclude_from(struct options *o, const char *name, const char *arg,
                        struct err *err)
{
    (void)name;
    return excludes(o, err) == 0 ? glob_add_file(o->excludes, arg, err) : -1;
}

int values_kdf(struct options *o, const char *name, const char *arg, struct err *err)
{
    if (kdf_cost_named(arg, &o->cost) != 0)
        return bad(name, arg, "interactive, moderate or sensitive", err);
    o->cost_given = true;
    return 0;
}

int values_kdf_limit(struct options *o, const char *name, const char *arg,
                     struct err *err)
{
    /* 4 TiB in KiB is the most that fits a slot. */
    static const uint64_t bounds[4] = {KDF_PASSES_MIN, UINT32_MAX,
                                       KDF_MEMORY_KIB_MIN / 1024, UINT32_MAX / 1024};
    uint64_t passes, mib;
    if (pair(arg, bounds, &passes, &mib) != 0) {
        bad(name, arg, "PASSES:MIB, at least 2:64", err);
        return err_hint(err, "pmm-seal info ARCHIVE shows what an archive asks for");
    }
    o->kdf_limits.passes_max = (uint32_t)passes;
    o->kdf_limits.memory_kib_max = (uint32_t)(mib * 1024);
    /* Room for the slots of a header, all at that cost. */
    uint64_t one = passes * mib * 1024; /* both factors are below 2^32 */
    uint64_t sum = one < UINT64_MAX / SLOTS ? one * SLOTS : UINT64_MAX;
    if (sum > o->kdf_limits.sum_max)
        o->kdf_limits.sum_max = sum;
    return 0;
}

int values_level(struct options *o, const char *name, const char *arg, struct err *err)
{
    uint64_t v;
    if (strcmp(arg, "auto") == 0)
        v = 3;
    else if (number(arg, strlen(arg), 1, 19, &v) != 0)
        return bad(name, arg, "auto or 1 to 19", err);
    o->level = (int)v;
    return 0;
}

/* --keep-last and those of calendar periods. */
int values_keep(struct options *o, const char *name, const char *arg, struct err *err)
{
    const struct {
        const char *name;
        unsigned *field;
    } rules[] = {
        {"keep-last", &o->keep.last},       {"keep-hourly", &o->keep.hourly},
        {"keep-daily", &o->keep.daily},     {"keep-weekly", &o->keep.weekly},
        {"keep-monthly", &o->keep.monthly}, {"keep-yearly", &o->keep.yearly},
    };
    uint64_t v;
    if (number(arg, strlen(arg), 1, 100000, &v) != 0)
        return bad(name, arg, "a number from 1 to 100000", err);
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (strcmp(name, rules[i].name) == 0)
            *rules[i].field = (unsigned)v;
    return 0;
}

int values_keep_within(struct options *o, const char *name, const char *arg,
                       struct err *err)
{
    if (span_parse(arg, &o->keep.within) != 0)
        return bad(name, arg, "a span such as 14d or 1y6m", err);
    return 0;
}

int values_max_deletes(struct options *o, const char *name, const char *arg,
                       struct err *err)
{
    uint64_t v;
    if (number(arg, strlen(arg), 1, 1000000, &v) != 0)
        return bad(name, arg, "a number from 1 to 1000000", err);
    o->max_deletes = (unsigned)v;
    return 0;
}

int values_lock_wait(struct options *o, const char *name, const char *arg,
                     struct err *err)
{
    uint64_t v;
    if (number(arg, strlen(arg), 0, 86400, &v) != 0)
        return bad(name, arg, "a number of seconds, at most 86400", err);
    o->lock_wait = (unsigned)v;
    return 0;
}

int values_sample(struct options *o, const char *name, const char *arg, struct err *err)
{
    uint64_t share, of;
    size_t n = strcspn(arg, "/");
    if (arg[n] != '/' || number(arg + n + 1, strlen(arg + n + 1), 1, 10000, &of) != 0 ||
        number(arg, n, 1, of, &share) != 0)
        return bad(name, arg, "a share such as 1/7", err);
    o->sample_share = (unsigned)share;
    o->sample_of = (unsigned)of;
    return 0;
}

int values_metrics_file(struct options *o, const char *name, const char *arg,
                        struct err *err)
{
    size_t n = strlen(arg);
    if (n <= 5 || strcmp(arg + n - 5, ".prom") != 0) {
        bad(name, arg, "the name of a .prom file", err);
        return err_hint(err, "call it %s.prom: the collector reads no others", arg);
    }
    o->metrics_file = arg;
    return 0;
}

int values_owner(struct options *o, const char *name, const char *arg, struct err *err)
{
    /* The last id of all is "no change" to chown(2). */
    static const uint64_t bounds[4] = {0, UINT32_MAX - 1, 0, UINT32_MAX - 1};
    uint64_t uid, gid;
    o->owner_given = true;
    if (strcmp(arg, "numeric") == 0) {
        o->owner = EXTRACT_OWNER_NUMERIC;
    } else if (strcmp(arg, "names") == 0) {
        o->owner = EXTRACT_OWNER_NAMES;
    } else if (strcmp(arg, "caller") == 0) {
        o->owner = EXTRACT_OWNER_CALLER;
    } else if (pair(arg, bounds, &uid, &gid) == 0) {
        o->owner = EXTRACT_OWNER_FIXED;
        o->uid = (uint32_t)uid;
        o->gid = (uint32_t)gid;
    } else {
        return bad(name, arg, "numeric, names, caller or UID:GID in numbers", err);
    }
    return 0;
}

int values_progress(struct options *o, const char *name, const char *arg,
                    struct err *err)
{
    static const char *const modes[] = {
        [PROGRESS_AUTO] = "auto",
        [PROGRESS_BAR] = "bar",
        [PROGRESS_LINES] = "lines",
        [PROGRESS_NONE] = "none",
    };
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        if (strcmp(arg, modes[i]) == 0) {
            o->progress = (enum progress_mode)i;
            return 0;
        }
    }
    return bad(name, arg, "auto, bar, lines or none", err);
}

int values_stall(struct options *o, const char *name, const char *arg, struct err *err)
{
    uint64_t v;
    if (number(arg, strlen(arg), 0, 86400, &v) != 0)
        return bad(name, arg, "a number of seconds up to 86400 (0: wait for ever)",
                   err);
    o->stall = (unsigned)v;
    o->stall_given = true;
    return 0;
}

int values_threads(struct options *o, const char *name, const char *arg,
                   struct err *err)
{
    uint64_t v;
    if (number(arg, strlen(arg), 1, PIPE_WORKERS_MAX, &v) != 0)
        return bad(name, arg, "1 to 64", err);
    o->threads = (unsigned)v;
    return 0;
}

_Static_assert(PIPE_WORKERS_MAX == 64, "the text says 64");

static struct passphrase_opts *source(struct options *o, const char *name)
{
    return strncmp(name, "new-", 4) == 0 ? &o->new_source : &o->passphrase;
}

static int twice(const char *name, struct err *err)
{
    return err_set(err, ERR_USAGE, "--%s: given twice", name);
}

static int empty(const char *name, const char *what, struct err *err)
{
    err_set(err, ERR_USAGE, "--%s: the %s is empty", name, what);
    return err_hint(err, "is a variable of the calling script not set?");
}

int values_file(struct options *o, const char *name, const char *arg, struct err *err)
{
    struct passphrase_opts *p = source(o, name);
    if (p->file != NULL)
        return twice(name, err);
    if (arg[0] == '\0')
        return empty(name, "file name", err);
    p->file = arg;
    return 0;
}

int values_fd(struct options *o, const char *name, const char *arg, struct err *err)
{
    struct passphrase_opts *p = source(o, name);
    uint64_t v;
    if (p->fd >= 0)
        return twice(name, err);
    if (number(arg, strlen(arg), 0, INT_MAX, &v) != 0)
        return bad(name, arg, "the number of a file descriptor", err);
    p->fd = (int)v;
    /* No child is to find what is in it. Whether it is open is found when it is read.
     */
    (void)fcntl(p->fd, F_SETFD, FD_CLOEXEC);
    return 0;
}

int values_command(struct options *o, const char *name, const char *arg,
                   struct err *err)
{
    struct passphrase_opts *p = source(o, name);
    if (p->command != NULL)
        return twice(name, err);
    if (arg[0] == '\0')
        return empty(name, "command", err);
    p->command = arg;
    return 0;
}
