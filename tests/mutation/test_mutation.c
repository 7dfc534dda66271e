/*
 * Every change of every byte of an archive, and every cut of it, through verify, list,
 * info and restore as the program runs them (src/job), from a file and from a pipe:
 * the exit status is the one that stands in `expected`, nothing is left at the target,
 * no descriptor stays open.
 *
 *   test_mutation                     a spread sample
 *   MUTATION_FULL=yes test_mutation   all: each of the eight bits of each byte flipped,
 *                                     each length (of the second archive, whose headers
 *                                     are like those of the first, each byte of
 * records) MUTATION_PART=1/2                 the first half of that, for several
 * processors
 *
 * The key of the passphrase is derived once: the linker's --wrap puts a memory around
 * kdf_derive(). The program itself knows nothing of it.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "job/info.h"
#include "job/list.h"
#include "job/restore.h"
#include "job/verify.h"
#include "secret/secret.h"
#include "store/rmtree.h"
#include "util/io.h"
#include "victim.h"

/* ---- Argon2id once for each passphrase and salt ---- */

int __real_kdf_derive(const char *passphrase, size_t len,
                      const uint8_t salt[KDF_SALT_SIZE], const struct kdf_cost *cost,
                      uint8_t kek[KEK_SIZE], struct err *err);
int __wrap_kdf_derive(const char *passphrase, size_t len,
                      const uint8_t salt[KDF_SALT_SIZE], const struct kdf_cost *cost,
                      uint8_t kek[KEK_SIZE], struct err *err);

#define KEPT_MAX 16u

struct kept {
    char passphrase[64];
    uint8_t salt[KDF_SALT_SIZE];
    struct kdf_cost cost;
    uint8_t kek[KEK_SIZE];
};

static struct kept kept[KEPT_MAX];
static size_t nkept;

int __wrap_kdf_derive(const char *passphrase, size_t len,
                      const uint8_t salt[KDF_SALT_SIZE], const struct kdf_cost *cost,
                      uint8_t kek[KEK_SIZE], struct err *err)
{
    struct kept now = {.cost = *cost};
    memcpy(now.passphrase, passphrase, len < 63 ? len : 63);
    memcpy(now.salt, salt, sizeof now.salt);
    for (size_t i = 0; i < nkept; i++)
        if (memcmp(&kept[i], &now, offsetof(struct kept, kek)) == 0) {
            memcpy(kek, kept[i].kek, KEK_SIZE);
            return 0;
        }
    if (nkept == KEPT_MAX)
        return err_set(err, ERR_FAIL, "a key is derived that no slot asks for");
    if (__real_kdf_derive(passphrase, len, salt, cost, kek, err) != 0)
        return -1;
    memcpy(now.kek, kek, KEK_SIZE);
    kept[nkept++] = now;
    return 0;
}

/* ---- what each change must lead to ---- */

enum command {
    VERIFY,
    VERIFY_PIPE,
    LIST,
    LIST_PIPE,
    INFO,
    RESTORE,
    RESTORE_PIPE,
    RESTORE_PART, /* one file of it, through the index */
    COMMANDS,
};

static const char *const command_names[COMMANDS] = {
    "verify", "verify -", "list", "list -", "info", "restore", "restore -", "part"};

static const char *const kind_names[REGION_KINDS] = {
    "header",  "its slots",   "first MANIFEST", "DATA",  "DATA of the part",
    "ENTRIES", "ancillary",   "MANIFEST",       "TABLE", "ROOT",
    "END",     "header copy", "its slots",      "tail"};

/*
 * Exit statuses. All bytes of an archive are covered: nothing that is changed is 0 for
 * who reads it.
 *   0  the command does not read that part of a file: it says nothing of it (FORMAT.md,
 *      section 11, "A file")
 *   3  the data is whole, and one of the headers or the tail is not: a warning
 *   5  damaged
 */
static const int expected[REGION_KINDS][COMMANDS] = {
    /*                       verify   list    info restore  part */
    [REGION_HEADER] = {5, 5, 3, 5, 3, 3, 5, 3},
    [REGION_SLOTS] = {5, 5, 3, 5, 3, 3, 5, 3},
    [REGION_FIRST_MANIFEST] = {5, 5, 0, 5, 0, 5, 5, 0},
    [REGION_DATA] = {5, 5, 0, 5, 0, 5, 5, 0},
    [REGION_DATA_OF_PART] = {5, 5, 0, 5, 0, 5, 5, 5},
    [REGION_ENTRIES] = {5, 5, 5, 5, 0, 5, 5, 5},
    [REGION_ANCILLARY] = {5, 5, 0, 5, 0, 5, 5, 0},
    [REGION_MANIFEST] = {5, 5, 5, 5, 5, 5, 5, 5},
    [REGION_TABLE] = {5, 5, 5, 5, 0, 5, 5, 5},
    [REGION_ROOT] = {5, 5, 5, 5, 5, 5, 5, 5},
    [REGION_END] = {5, 5, 5, 5, 5, 5, 5, 5},
    [REGION_COPY] = {5, 5, 3, 3, 3, 3, 3, 3},
    [REGION_COPY_SLOTS] = {5, 5, 3, 3, 3, 3, 3, 3},
    [REGION_TAIL] = {5, 5, 3, 3, 3, 3, 3, 3},
};

static const int cut_expected[COMMANDS] = {5, 5, 5, 5, 5, 5, 5, 5};
static const int whole_expected[COMMANDS] = {0, 0, 0, 0, 0, 0, 0, 0};

/* ---- the world ---- */

struct world {
    struct victim v;
    char dir[256];     /* all of it */
    char archive[300]; /* dir/archive */
    char pass[300];    /* dir/pass */
    char box[300];     /* dir/box: targets come and go in it */
    char target[320];  /* dir/box/t */
    int file;          /* dir/archive, open for writing */
    int boxfd;
    bool full;
    bool second;          /* see MUTATION_FULL */
    unsigned part, parts; /* this process has each byte with at % parts == part */
    char change[128];     /* what was done to the archive, for messages */
    unsigned long changes, runs, failures;
    unsigned long kinds[REGION_KINDS], cuts;
};

/* For the handler of a crash. */
static const char *change_at_hand;

static void on_crash(int sig)
{
    static const char text[] = "CRASH: ";
    ssize_t n = write(STDERR_FILENO, text, sizeof text - 1);
    n = write(STDERR_FILENO, change_at_hand, strlen(change_at_hand));
    n = write(STDERR_FILENO, "\n", 1);
    (void)n;
    signal(sig, SIG_DFL);
    raise(sig);
}

static void die(const char *what, const struct err *err)
{
    fprintf(stderr, "%s: %s\n", what, err != NULL ? err->text : "");
    exit(1);
}

static void failed(struct world *w, enum command c, const char *why)
{
    if (w->failures++ < 50)
        fprintf(stderr, "FAILED: %s, %s: %s: %s\n", w->v.name, w->change,
                command_names[c], why);
}

static size_t open_descriptors(void)
{
    DIR *d = opendir("/proc/self/fd");
    size_t n = 0;
    if (d == NULL)
        die("cannot open /proc/self/fd", NULL);
    while (readdir(d) != NULL)
        n++;
    closedir(d);
    return n;
}

static size_t entries_below(const char *path)
{
    DIR *d = opendir(path);
    struct dirent *e;
    size_t n = 0;
    if (d == NULL)
        return 0;
    while ((e = readdir(d)) != NULL) {
        char sub[600];
        struct stat st;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        snprintf(sub, sizeof sub, "%s/%s", path, e->d_name);
        n += 1 + (lstat(sub, &st) == 0 && S_ISDIR(st.st_mode) ? entries_below(sub) : 0);
    }
    closedir(d);
    return n;
}

static bool holds(const char *dir, const char *name, const char *text)
{
    char path[600], got[256] = "";
    snprintf(path, sizeof path, "%s/%s", dir, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : io_read(fd, got, sizeof got - 1);
    if (fd >= 0)
        close(fd);
    return n == (ssize_t)strlen(text) && memcmp(got, text, strlen(text)) == 0;
}

/* ---- one run of a command ---- */

static int count_item(void *ctx, const struct item *item, struct err *err)
{
    size_t *n = ctx;
    (void)item, (void)err;
    ++*n;
    return 0;
}

static int restore(const struct world *w, const struct job *job, const char *archive,
                   bool part, struct err *err)
{
    const char *const paths[] = {w->v.part};
    const struct restore_opts opts = {.archive = archive,
                                      .target = w->target,
                                      .paths = paths,
                                      .npaths = part ? 1 : 0,
                                      .owner = EXTRACT_OWNER_CALLER,
                                      .read_back = true};
    return restore_run(job, &opts, err);
}

static int run_job(const struct world *w, enum command c, const struct job *job,
                   size_t *listed, struct err *err)
{
    struct buf none = {0};
    switch (c) {
    case VERIFY:
        return verify_run(job, w->archive, err);
    case VERIFY_PIPE:
        return verify_run(job, "-", err);
    case LIST:
        return list_run(job, w->archive, NULL, 0, count_item, listed, err);
    case LIST_PIPE:
        return list_run(job, "-", NULL, 0, count_item, listed, err);
    case INFO:
        return info_run(job, w->archive, true, NULL, &none, err);
    case RESTORE:
        return restore(w, job, w->archive, false, err);
    case RESTORE_PIPE:
        return restore(w, job, "-", false, err);
    case RESTORE_PART:
        return restore(w, job, w->archive, true, err);
    case COMMANDS:
        break;
    }
    abort();
}

/* As run_status() in src/cli, for the classes that can come here. */
static int status_of(const struct job *job, const struct err *err)
{
    static const int statuses[] = {
        [ERR_FAIL] = 1, [ERR_USAGE] = 2,   [ERR_KEY] = 4,     [ERR_DAMAGED] = 5,
        [ERR_BUSY] = 6, [ERR_REFUSED] = 7, [ERR_SIGNAL] = 128};
    if (err->cls != ERR_NONE)
        return statuses[err->cls];
    return report_warnings(job->report) > 0 ? 3 : 0;
}

static bool from_pipe(enum command c)
{
    return c == VERIFY_PIPE || c == LIST_PIPE || c == RESTORE_PIPE;
}

static bool restores(enum command c)
{
    return c == RESTORE || c == RESTORE_PIPE || c == RESTORE_PART;
}

/* The archive as it is now, as standard input. A pipe takes it whole. */
static void fill_stdin(const struct world *w)
{
    int p[2];
    if (pipe2(p, O_CLOEXEC) != 0 || w->v.bytes.len > 65536 ||
        io_write(p[1], w->v.bytes.p, w->v.bytes.len) != 0 ||
        dup2(p[0], STDIN_FILENO) < 0)
        die("cannot make a pipe", NULL);
    close(p[0]);
    close(p[1]);
}

static void check_target(struct world *w, enum command c, int status)
{
    struct err err = {0};
    bool whole = c != RESTORE_PART;
    if (status != 0 && status != 3) {
        if (entries_below(w->box) != 0)
            failed(w, c, "something is left beside or at the target");
    } else if (!holds(w->target, w->v.part, w->v.check) ||
               (whole && entries_below(w->target) + 1 != w->v.entries) ||
               entries_below(w->box) != entries_below(w->target) + 1) {
        failed(w, c, "what was restored is not what was stored");
    }
    if (rmtree_at(w->boxfd, "t", &err) != 0)
        die("cannot remove the target", &err);
}

static void run(struct world *w, enum command c, int want)
{
    struct progress progress = {.known = false};
    struct err err = {0};
    struct job job = {.progress = &progress,
                      .passphrase = {.file = w->pass,
                                     .fd = -1,
                                     .what = "passphrase",
                                     .option_prefix = "passphrase",
                                     .env_prefix = "PMM_SEAL_PASSPHRASE"},
                      .threads = 1,
                      .now = 1700000000,
                      .tool = "test"};
    size_t listed = 0;
    kdf_limits_default(&job.kdf_limits);
    if (report_new(&job.report, &err) != 0)
        die("no memory", &err);
    if (from_pipe(c))
        fill_stdin(w);
    int rc = run_job(w, c, &job, &listed, &err);
    int status = status_of(&job, &err);
    if ((rc == 0) != (err.cls == ERR_NONE))
        failed(w, c, "success and an error");
    if (status != want) {
        char why[2048];
        snprintf(why, sizeof why, "status %d, expected %d: %s", status, want, err.text);
        failed(w, c, why);
    }
    if (rc == 0 && (c == LIST || c == LIST_PIPE) && listed != w->v.entries)
        failed(w, c, "not all was listed");
    if (restores(c))
        check_target(w, c, status);
    report_free(job.report);
    w->runs++;
}

/* Every command over the archive as it is now. */
static void run_all(struct world *w, const int want[COMMANDS])
{
    size_t before = open_descriptors();
    w->changes++;
    for (enum command c = 0; c < COMMANDS; c++) {
        run(w, c, want[c]);
        if (open_descriptors() != before) {
            failed(w, c, "it left a descriptor open");
            before = open_descriptors();
        }
    }
}

/* ---- changes ---- */

static void store(const struct world *w, size_t from, size_t len)
{
    if (io_pwrite(w->file, w->v.bytes.p + from, len, from) != 0)
        die("cannot write the archive", NULL);
}

static void flip(struct world *w, const struct region *r, size_t at, unsigned bit)
{
    snprintf(w->change, sizeof w->change, "byte %zu (%s + %zu), bit %u", at,
             kind_names[r->kind], at - r->from, bit);
    w->v.bytes.p[at] ^= (uint8_t)(1u << bit);
    store(w, at, 1);
    run_all(w, expected[r->kind]);
    w->kinds[r->kind]++;
    w->v.bytes.p[at] ^= (uint8_t)(1u << bit);
    store(w, at, 1);
}

static bool is_header(enum region_kind kind)
{
    return kind == REGION_HEADER || kind == REGION_SLOTS || kind == REGION_COPY ||
           kind == REGION_COPY_SLOTS;
}

/* In a sample: the first and the last byte of each region, and some between. */
static bool chosen(const struct world *w, const struct region *r, size_t at)
{
    size_t step = r->to - r->from > 1000 ? 901 : 97;
    if (at % w->parts != w->part)
        return false;
    return (w->full && !(w->second && is_header(r->kind))) || at == r->from ||
           at == r->to - 1 || (at - r->from) % step == 31;
}

static void flip_region(struct world *w, const struct region *r)
{
    for (size_t at = r->from; at < r->to; at++) {
        if (!chosen(w, r, at))
            continue;
        for (unsigned bit = 0; bit < 8; bit++)
            if (w->full || bit == (at * 5 + 3) % 8)
                flip(w, r, at, bit);
    }
}

/* The archive at another length: cut, or with `more` behind it. */
static void at_length(struct world *w, size_t len)
{
    size_t whole = w->v.bytes.len;
    snprintf(w->change, sizeof w->change, "%zu of %zu bytes", len, whole);
    w->v.bytes.len = len;
    if (ftruncate(w->file, (off_t)len) != 0)
        die("cannot cut the archive", NULL);
    run_all(w, cut_expected);
    w->cuts++;
    w->v.bytes.len = whole;
}

static bool is_edge(const struct victim *v, size_t len)
{
    for (size_t i = 0; i < v->nregions; i++)
        if (len + 1 >= v->regions[i].from && len <= v->regions[i].from + 1)
            return true;
    return false;
}

static void cut_everywhere(struct world *w)
{
    for (size_t len = w->v.bytes.len; len-- > 0;)
        if (len % w->parts == w->part && ((w->full && !w->second) || len % 997 == 7 ||
                                          (len % 3 == 0 && is_edge(&w->v, len))))
            at_length(w, len);
    store(w, 0, w->v.bytes.len);
}

/* Zeros, a copy of the tail, all of the archive once more. */
static void grow(struct world *w)
{
    static const uint8_t zeros[64];
    size_t whole = w->v.bytes.len;
    struct buf *b = &w->v.bytes;
    const struct {
        size_t from, len;
    } more[] = {{SIZE_MAX, 1},
                {SIZE_MAX, sizeof zeros},
                {whole - TAIL_SIZE, TAIL_SIZE},
                {whole - 1, 1},
                {0, 1},
                {0, HEADER_UNIT},
                {0, whole}};
    if (buf_reserve(b, whole) != 0)
        die("no memory", NULL);
    for (size_t i = 0; i < sizeof more / sizeof *more; i++) {
        const uint8_t *p = more[i].from == SIZE_MAX ? zeros : b->p + more[i].from;
        memcpy(b->p + whole, p, more[i].len);
        b->len = whole + more[i].len;
        store(w, whole, more[i].len);
        snprintf(w->change, sizeof w->change, "%zu bytes behind its end", more[i].len);
        run_all(w, cut_expected);
        b->len = whole;
        if (ftruncate(w->file, (off_t)whole) != 0)
            die("cannot cut the archive", NULL);
    }
}

/* ---- all of it ---- */

static void put(const char *path, const void *bytes, size_t len, int *keep)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || io_write(fd, bytes, len) != 0)
        die("cannot write the archive", NULL);
    if (keep != NULL)
        *keep = fd;
    else
        close(fd);
}

static void tell(const struct world *w)
{
    printf("%s: %zu bytes, %lu changes, %lu runs, %lu failures\n", w->v.name,
           w->v.bytes.len, w->changes, w->runs, w->failures);
    for (size_t i = 0; i < REGION_KINDS; i++) {
        size_t bytes = 0;
        for (size_t j = 0; j < w->v.nregions; j++)
            if (w->v.regions[j].kind == i)
                bytes += w->v.regions[j].to - w->v.regions[j].from;
        if (bytes > 0)
            printf("  %-18s %5zu bytes %6lu flips\n", kind_names[i], bytes,
                   w->kinds[i]);
    }
    printf("  %-18s %20lu\n", "lengths", w->cuts);
}

static unsigned long damage(struct world *w)
{
    put(w->archive, w->v.bytes.p, w->v.bytes.len, &w->file);
    put(w->pass, w->v.passphrase, strlen(w->v.passphrase), NULL);
    snprintf(w->change, sizeof w->change, "unchanged");
    change_at_hand = w->change;
    run_all(w, whole_expected);
    for (size_t i = 0; i < w->v.nregions; i++)
        flip_region(w, &w->v.regions[i]);
    cut_everywhere(w);
    grow(w);
    snprintf(w->change, sizeof w->change, "unchanged again");
    run_all(w, whole_expected);
    close(w->file);
    tell(w);
    victim_free(&w->v);
    return w->failures;
}

/* In memory where that is possible: restores sync their file system. */
static void make_dirs(struct world *w)
{
    const char *tmp = getenv("TMPDIR");
    const char *where = access("/dev/shm", W_OK) == 0 ? "/dev/shm"
                        : tmp != NULL                 ? tmp
                                                      : "/tmp";
    snprintf(w->dir, sizeof w->dir, "%s/pmm-seal-mutation.XXXXXX", where);
    if (mkdtemp(w->dir) == NULL)
        die("cannot make a directory", NULL);
    snprintf(w->archive, sizeof w->archive, "%s/archive", w->dir);
    snprintf(w->pass, sizeof w->pass, "%s/pass", w->dir);
    snprintf(w->box, sizeof w->box, "%s/box", w->dir);
    snprintf(w->target, sizeof w->target, "%s/box/t", w->dir);
    if (mkdir(w->box, 0700) != 0)
        die("cannot make a directory", NULL);
    w->boxfd = open(w->box, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void take_environment(struct world *w)
{
    const char *full = getenv("MUTATION_FULL"), *part = getenv("MUTATION_PART");
    w->full = full != NULL && strcmp(full, "yes") == 0;
    w->parts = 1;
    if (part == NULL)
        return;
    if (sscanf(part, "%u/%u", &w->part, &w->parts) != 2 || w->part < 1 ||
        w->part > w->parts)
        die("MUTATION_PART is not PART/PARTS", NULL);
    w->part--;
}

int main(void)
{
    struct world first = {.file = -1}, w;
    struct err err = {0};
    const char *srcdir = getenv("srcdir");
    unsigned long failures = 0;

    for (size_t i = 0; i < 4; i++)
        signal((const int[]){SIGSEGV, SIGBUS, SIGABRT, SIGFPE}[i], on_crash);
    if (secret_init(&err) != 0)
        die("cannot start", &err);
    make_dirs(&first);
    take_environment(&first);

    w = first;
    int dir = open(w.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (victim_written(&w.v, dir, &err) != 0)
        die("cannot make the archive", &err);
    failures += damage(&w);
    w = first;
    w.second = true;
    if (victim_example(&w.v, srcdir != NULL ? srcdir : ".", &err) != 0)
        die("cannot make the example", &err);
    failures += damage(&w);

    close(w.boxfd);
    close(dir);
    if (rmtree_at(AT_FDCWD, w.dir, &err) != 0)
        die("cannot remove the directory", &err);
    return failures == 0 ? 0 : 1;
}
