#include "store/proven.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "store/dirlock.h"
#include "store/textfile.h"
#include "util/buf.h"
#include "util/utc.h"

#define FILE_MAX (4u * 1024 * 1024)
#define ID_HEX   (2 * PROVEN_ID)
#define TIME_LEN 20u /* "2026-11-24T03:07:24Z" */

struct fact {
    char *name; /* of the file */
    uint8_t id[PROVEN_ID];
    uint64_t bytes;
    int64_t when;
};

struct proven {
    struct fact *facts; /* a later one of the same name is the one that holds */
    size_t n, cap;
    int64_t now;
};

static int hex(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *p = c != '\0' ? strchr(digits, c) : NULL;
    return p != NULL ? (int)(p - digits) : -1;
}

static bool parse_id(const char *s, uint8_t id[PROVEN_ID])
{
    for (size_t i = 0; i < PROVEN_ID; i++) {
        int high = hex(s[2 * i]), low = high >= 0 ? hex(s[2 * i + 1]) : -1;
        if (low < 0)
            return false;
        id[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

/* `line` is a string; f->name points into it. */
static bool parse_line(char *line, struct fact *f)
{
    char time[UTC_STAMP_SIZE], *end;
    if (strlen(line) < ID_HEX + 3 || !parse_id(line, f->id) || line[ID_HEX] != ' ' ||
        !isdigit((unsigned char)line[ID_HEX + 1]))
        return false;
    errno = 0;
    f->bytes = strtoull(line + ID_HEX + 1, &end, 10);
    if (errno != 0 || *end != ' ' || strlen(end) < 1 + TIME_LEN + 2 ||
        end[1 + TIME_LEN] != ' ')
        return false;
    end[1 + TIME_LEN] = '\0';
    f->name = end + 1 + TIME_LEN + 1;
    /* There and back: utc_parse lets blanks and a February 30 pass. */
    return utc_parse(end + 1, &f->when) == 0 && f->when > 0 &&
           strcmp(utc_rfc3339(time, f->when), end + 1) == 0;
}

/* A copy of `f`, with its name. */
static int append(struct proven *p, const struct fact *f)
{
    if (p->n == p->cap) {
        size_t cap = p->cap ? p->cap * 2 : 64;
        struct fact *v = realloc(p->facts, cap * sizeof *v);
        if (v == NULL)
            return -1;
        p->facts = v;
        p->cap = cap;
    }
    char *name = strdup(f->name);
    if (name == NULL)
        return -1;
    p->facts[p->n] = *f;
    p->facts[p->n++].name = name;
    return 0;
}

/* A line without its end has been cut. */
static int parse(struct proven *p, struct buf *text)
{
    char *s = (char *)text->p, *nl;
    for (size_t left = text->len; left > 0 && (nl = memchr(s, '\n', left)) != NULL;
         left -= (size_t)(nl + 1 - s), s = nl + 1) {
        struct fact f;
        *nl = '\0';
        if (strlen(s) == (size_t)(nl - s) && parse_line(s, &f) && append(p, &f) != 0)
            return -1;
    }
    return 0;
}

/* Whether what stands under the name can be such a file, or nothing does. Otherwise it
 * is not worth failing for: it will be replaced, if it can be. */
static bool readable(int dirfd)
{
    struct stat st;
    return fstatat(dirfd, PROVEN_FILE, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
           (S_ISREG(st.st_mode) && st.st_size <= FILE_MAX);
}

int proven_load(struct proven **out, int dirfd, int64_t now, struct err *err)
{
    struct buf text = {0};
    int r = 0;
    struct proven *p = calloc(1, sizeof *p);
    if (p == NULL)
        return err_nomem(err);
    p->now = now;
    if (readable(dirfd))
        r = textfile_read(dirfd, PROVEN_FILE, FILE_MAX, &text, err);
    if (r > 0 && parse(p, &text) != 0)
        r = err_nomem(err);
    buf_free(&text);
    if (r < 0) {
        proven_free(p);
        return -1;
    }
    *out = p;
    return 0;
}

static struct fact *find(const struct proven *p, const char *name)
{
    for (size_t i = p->n; i-- > 0;)
        if (strcmp(p->facts[i].name, name) == 0)
            return &p->facts[i];
    return NULL;
}

int64_t proven_when(const struct proven *p, const char *name,
                    const uint8_t id[PROVEN_ID], uint64_t bytes)
{
    const struct fact *f = find(p, name);
    bool same = f != NULL && f->bytes == bytes && memcmp(f->id, id, PROVEN_ID) == 0;
    return same && f->when <= p->now + PROVEN_SLACK ? f->when : 0;
}

int proven_set(struct proven *p, const char *name, const uint8_t id[PROVEN_ID],
               uint64_t bytes, int64_t when, struct err *err)
{
    /* Its line could not be read again. */
    if (strchr(name, '\n') != NULL)
        return 0;
    struct fact new = {.name = (char *)name, .bytes = bytes, .when = when};
    struct fact *old = find(p, name);
    memcpy(new.id, id, PROVEN_ID);
    if (old == NULL)
        return append(p, &new) == 0 ? 0 : err_nomem(err);
    new.name = old->name;
    *old = new;
    return 0;
}

void proven_forget(struct proven *p, const char *name)
{
    size_t kept = 0;
    for (size_t i = 0; i < p->n; i++) {
        if (strcmp(p->facts[i].name, name) != 0)
            p->facts[kept++] = p->facts[i];
        else
            free(p->facts[i].name);
    }
    p->n = kept;
}

static int print(const struct fact *f, struct buf *out)
{
    char time[UTC_STAMP_SIZE];
    for (size_t i = 0; i < PROVEN_ID; i++)
        if (buf_printf(out, "%02x", f->id[i]) != 0)
            return -1;
    return buf_printf(out, " %" PRIu64 " %s %s\n", f->bytes, utc_rfc3339(time, f->when),
                      f->name);
}

int proven_save(const struct proven *p, int dirfd, struct err *err)
{
    struct buf text = {0};
    int r = 0;
    for (size_t i = 0; r == 0 && i < p->n; i++)
        r = print(&p->facts[i], &text);
    r = r == 0 ? textfile_write(dirfd, PROVEN_FILE, 0600, &text, err) : err_nomem(err);
    buf_free(&text);
    return r;
}

void proven_free(struct proven *p)
{
    if (p == NULL)
        return;
    for (size_t i = 0; i < p->n; i++)
        free(p->facts[i].name);
    free(p->facts);
    free(p);
}

int proven_keep(int dirfd, const char *path, unsigned wait, const struct proof *proofs,
                size_t n, int64_t now, struct err *err)
{
    struct dirlock *lock = NULL;
    struct proven *p = NULL;
    int r = dirlock_take(&lock, dirfd, path, wait, err);
    if (r == 0)
        r = proven_load(&p, dirfd, now, err);
    for (size_t i = 0; i < n && r == 0; i++)
        r = proven_set(p, proofs[i].file, proofs[i].id, proofs[i].bytes, proofs[i].when,
                       err);
    if (r == 0)
        r = proven_save(p, dirfd, err);
    proven_free(p);
    dirlock_free(lock);
    return r;
}
