/*
 * Every number that bounds what a byte from an archive can make us do. docs/FORMAT.md
 * is the normative text; the names here are its names.
 */
#ifndef FORMAT_LIMITS_H
#define FORMAT_LIMITS_H

#define FORMAT_VERSION 1u
#define FORMAT_SUITE   1u /* XChaCha20-Poly1305, BLAKE2b, zstd */

#define CHUNK_LOG2_MIN     16u
#define CHUNK_LOG2_MAX     22u
#define CHUNK_LOG2_DEFAULT 21u /* 2 MiB: see docs/DESIGN.md */

#define HEADER_UNIT      4096u
#define HEADER_UNITS_MAX 16u
#define HEADER_MAX       (HEADER_UNIT * HEADER_UNITS_MAX)
#define HEADER_FIXED     128u /* the immutable part, AAD of every record */
#define HEADER_BINDING   96u  /* bytes that key derivation binds */

#define TAG_SIZE         16u
#define RECORD_HEAD_SIZE 32u
#define END_SIZE         256u
#define TAIL_SIZE        32u
#define TABLE_PERIOD     16384u /* every sequence = 16383 mod 16384 is a TABLE */
#define TAR_END_SIZE     1024u  /* two zero blocks: the least that ends a tar */
#define MANIFEST_MAX     (1024u * 1024u) /* bytes of JSON */
#define PATH_BYTES_MAX   32768u
#define NAME_BYTES_MAX   256u /* user and group names */
#define ITEM_MAX                                                                       \
    (4u + 72u + 2 * (4u + PATH_BYTES_MAX) + 2 * (4u + NAME_BYTES_MAX) + 4096u)

/* Plain bytes in one record that is not DATA: at least MANIFEST_MAX, at least a chunk
 * of items and the threshold that makes a piece. */
#define META_PLAIN_MAX(chunk) ((chunk)*2u > MANIFEST_MAX ? (chunk)*2u : MANIFEST_MAX)

/* Body of a record, tag included. */
#define DATA_BODY_MAX(chunk) ((chunk) + (chunk) / 8u + 4096u)
#define META_BODY_MAX(chunk) DATA_BODY_MAX(META_PLAIN_MAX(chunk))

#define KDF_SALT_SIZE      16u
#define KDF_PASSES_MIN     2u /* libsodium INTERACTIVE */
#define KDF_MEMORY_KIB_MIN 65536u
#define KDF_PASSES_MAX     10u /* on opening, unless the user raises it */
#define KDF_MEMORY_KIB_MAX 1048576u
#define KDF_SUM_KIB_PASSES (32u * 1048576u) /* KiB x passes over all slots tried */

#endif
