#include "format/header.h"

#include <string.h>

#include "format/slot.h"
#include "util/io.h"
#include "util/le.h"

/* Offsets of what limits.h and header.h do not name. */
#define OFF_VERSION    12u
#define OFF_SUITE      14u
#define OFF_CHUNK      16u
#define OFF_INCOMPAT   20u
#define OFF_COMPAT     24u
#define OFF_UNITS      128u
#define OFF_SLOTS_LEN  130u
#define OFF_GENERATION 136u

size_t header_slot_room(unsigned units)
{
    return units * HEADER_UNIT - HEADER_OFF_SLOTS - HEADER_CHECKSUM_SIZE -
           HEADER_MAC_SIZE;
}

static int begins(const uint8_t *first, const char *bytes, size_t len)
{
    return memcmp(first, bytes, len) == 0;
}

/* The magic is wrong: say what most likely happened to it. */
static int wrong_magic(const uint8_t *first, struct err *err)
{
    static const char name[] = "\x89pmmseal";
    const size_t n = sizeof name - 1;
    size_t same = 0;

    if (begins(first, name, n) && begins(first + n, "\r\r\n\x1a\r\n", 6)) {
        err_set(err, ERR_DAMAGED,
                "this archive was mangled on its way: a terminal turned its LF bytes "
                "into CR LF");
        return err_hint(err,
                        "in docker exec, leave out -t, and write the archive anew");
    }
    if (begins(first, name, n) &&
        (begins(first + n, "\n\x1a\n", 3) || begins(first + n, "\r\n\x1a\r\n", 5))) {
        err_set(err, ERR_DAMAGED,
                "this archive was mangled on its way: its line ends were converted as "
                "those of a text");
        return err_hint(err, "transfer the archive again, in binary mode");
    }
    for (size_t i = 0; i < HEADER_MAGIC_SIZE; i++)
        same += first[i] == (uint8_t)HEADER_MAGIC[i];
    if (same >= HEADER_MAGIC_SIZE / 2)
        return err_set(err, ERR_DAMAGED,
                       "the header is damaged: its first bytes are wrong");
    return err_set(err, ERR_DAMAGED, "this is not a pmm-seal archive");
}

int header_probe(const uint8_t first[HEADER_UNIT], size_t *size, struct err *err)
{
    if (!begins(first, HEADER_MAGIC, HEADER_MAGIC_SIZE))
        return wrong_magic(first, err);

    unsigned units = le16_get(first + OFF_UNITS);
    if (units == 0 || units > HEADER_UNITS_MAX)
        return err_set(err, ERR_DAMAGED,
                       "the header is damaged: its size is out of range");
    *size = (size_t)units * HEADER_UNIT;
    return 0;
}

/* What a later version may have changed: told apart from damage, the checksum is good.
 */
static int needs_newer(const struct header *h, struct err *err)
{
    const char *what = h->version != FORMAT_VERSION ? "version"
                       : h->suite != FORMAT_SUITE   ? "cipher suite"
                       : h->incompat != 0           ? "feature"
                                                    : NULL;
    if (what == NULL)
        return 0;
    return err_set(err, ERR_DAMAGED,
                   "this archive needs a newer pmm-seal: its format has a %s that this "
                   "one does not know (version %u, suite %u, features %#x)",
                   what, h->version, h->suite, (unsigned)h->incompat);
}

static int damaged(struct err *err, const char *why)
{
    return err_set(err, ERR_DAMAGED, "the header is damaged: %s", why);
}

/* All of them, also those behind one that will open. */
static int check_slots(const struct header *h, struct err *err)
{
    struct slot s;
    struct slot_passphrase p;
    size_t off = 0;
    int rc;
    while ((rc = slot_next(h, &off, &s, err)) == 1)
        if (s.type == SLOT_PASSPHRASE && slot_parse_passphrase(&s, &p, err) != 0)
            return -1;
    return rc;
}

int header_parse(const uint8_t *raw, size_t size, struct header *h, struct err *err)
{
    size_t probed = 0;
    if (header_probe(raw, &probed, err) != 0)
        return -1;
    if (probed != size)
        return damaged(err, "its size is not what was read");

    memset(h, 0, sizeof *h);
    h->version = le16_get(raw + OFF_VERSION);
    h->suite = le16_get(raw + OFF_SUITE);
    h->incompat = le32_get(raw + OFF_INCOMPAT);
    h->compat = le32_get(raw + OFF_COMPAT);
    if (needs_newer(h, err) != 0)
        return -1;

    h->chunk_log2 = raw[OFF_CHUNK];
    if (h->chunk_log2 < CHUNK_LOG2_MIN || h->chunk_log2 > CHUNK_LOG2_MAX)
        return damaged(err, "its chunk size is out of range");
    h->units = le16_get(raw + OFF_UNITS);
    h->slots_len = le16_get(raw + OFF_SLOTS_LEN);
    size_t room = header_slot_room(h->units);
    if (h->slots_len > room)
        return damaged(err, "its key slots are out of range");
    if (!io_is_zero(raw + 17, 3) || !io_is_zero(raw + 28, 4) ||
        !io_is_zero(raw + 48, 48) || !io_is_zero(raw + 132, 4) ||
        !io_is_zero(raw + 144, 16) ||
        !io_is_zero(raw + HEADER_OFF_SLOTS + h->slots_len, room - h->slots_len))
        return damaged(err, "reserved bytes are not zero");

    memcpy(h->id, raw + HEADER_OFF_ID, sizeof h->id);
    memcpy(h->key_check, raw + HEADER_OFF_KEY_CHECK, sizeof h->key_check);
    h->generation = le64_get(raw + OFF_GENERATION);
    memcpy(h->slots, raw + HEADER_OFF_SLOTS, h->slots_len);
    return check_slots(h, err);
}

void header_encode(const struct header *h, uint8_t *raw)
{
    memset(raw, 0, (size_t)h->units * HEADER_UNIT);
    memcpy(raw, HEADER_MAGIC, HEADER_MAGIC_SIZE);
    le16_put(raw + OFF_VERSION, h->version);
    le16_put(raw + OFF_SUITE, h->suite);
    raw[OFF_CHUNK] = h->chunk_log2;
    le32_put(raw + OFF_INCOMPAT, h->incompat);
    le32_put(raw + OFF_COMPAT, h->compat);
    memcpy(raw + HEADER_OFF_ID, h->id, sizeof h->id);
    memcpy(raw + HEADER_OFF_KEY_CHECK, h->key_check, sizeof h->key_check);
    le16_put(raw + OFF_UNITS, h->units);
    le16_put(raw + OFF_SLOTS_LEN, h->slots_len);
    le64_put(raw + OFF_GENERATION, h->generation);
    memcpy(raw + HEADER_OFF_SLOTS, h->slots, h->slots_len);
}
