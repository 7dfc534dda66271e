/*
 * The header: 4096 x n bytes at the front of an archive, and again before the tail.
 * Bytes <-> struct only. The checksum and the MAC are computed in seal/.
 */
#ifndef FORMAT_HEADER_H
#define FORMAT_HEADER_H

#include <stddef.h>
#include <stdint.h>

#include "format/limits.h"
#include "util/err.h"

#define HEADER_MAGIC                                                                   \
    "\x89"                                                                             \
    "pmmseal\r\n\x1a\n" /* 12 bytes */
#define HEADER_MAGIC_SIZE 12u

/* Offsets in the raw bytes, for those who hash ranges of it. */
#define HEADER_OFF_ID        32u
#define HEADER_OFF_KEY_CHECK 96u
#define HEADER_OFF_SLOTS     160u
#define HEADER_CHECKSUM_SIZE 32u
#define HEADER_MAC_SIZE      32u

struct header {
    uint16_t version, suite;
    uint8_t chunk_log2; /* chunk is 1 << chunk_log2 bytes */
    uint32_t incompat, compat;
    uint8_t id[16]; /* archive id */
    uint8_t key_check[32];
    uint16_t units;      /* header size in 4096s */
    uint64_t generation; /* grows by one with each rekey */
    uint16_t slots_len;  /* bytes used of slots[] */
    uint8_t slots[HEADER_MAX - HEADER_OFF_SLOTS - 64];
};

/* Room for slots in a header of `units`, bytes. */
size_t header_slot_room(unsigned units);

/* From the first HEADER_UNIT bytes: is it an archive, and how big is its header?
 * Returns 0 and *size (bytes), or -1 with ERR_DAMAGED and a text that tells apart: not
 * an archive, an archive mangled on its way (CR LF, as `docker exec -t` does; hint
 * set), and a damaged header (size field out of range). Depends on no version. */
int header_probe(const uint8_t first[HEADER_UNIT], size_t *size, struct err *err);

/* Parse `size` bytes whose checksum is known to be good. ERR_DAMAGED with "needs a
 * newer pmm-seal" for an unknown version, suite or incompat bit, else "damaged" for
 * anything out of range: reserved bytes not zero, slots that overrun, a passphrase slot
 * of another length or with flags. */
int header_parse(const uint8_t *raw, size_t size, struct header *h, struct err *err);

/* Write h into raw[0 .. h->units*4096), with checksum and MAC left zero. */
void header_encode(const struct header *h, uint8_t *raw);

#endif
