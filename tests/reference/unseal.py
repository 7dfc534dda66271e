#!/usr/bin/python3
"""A reader of pmm-seal archives, made from docs/FORMAT.md alone.

    unseal.py [--passphrase-file FILE] ARCHIVE|- > out.tar.zst

The passphrase comes from the file or from the variable PMM_SEAL_PASSPHRASE. Needs Debian's
python3-nacl and python3-zstandard. Nothing is written to standard output before it is
authenticated; but only exit status 0, or 3 (header copy or tail are bad), says that it was all.
"""

import hashlib
import hmac
import os
import struct
import sys

import zstandard
from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_decrypt
from nacl.exceptions import CryptoError
from nacl.pwhash import argon2id

DATA, ENTRIES, TABLE, MANIFEST, ROOT, END = 1, 2, 3, 4, 5, 6


class Failure(Exception):
    pass


def require(good, text, code=5):
    if not good:
        raise Failure(text, code)


def blake2b(size, data, key=b""):
    return hashlib.blake2b(data, digest_size=size, key=key).digest()


def subkey(master, number):
    salt, person = struct.pack("<QQ", number, 0), b"pmmseal_" + bytes(8)
    return hashlib.blake2b(b"", digest_size=32, key=master, salt=salt, person=person).digest()


def open_sealed(key, nonce, aad, sealed, text):
    try:
        return crypto_aead_xchacha20poly1305_ietf_decrypt(sealed, aad, nonce, key)
    except CryptoError:
        raise Failure(text, 5) from None


def take(stream, size):
    data = stream.read(size)
    require(len(data) == size, "the archive is cut short")
    return data


class Header:
    """Section 4, up to the point where a key is needed."""

    def __init__(self, stream):
        raw = take(stream, 4096)
        require(raw[8:14] != b"\r\r\n\x1a\r\n", "a terminal mangled it: docker exec without -t")
        require(raw[:12] == b"\x89pmmseal\r\n\x1a\n", "not an archive, or its start is damaged")
        size = struct.unpack_from("<H", raw, 128)[0] * 4096
        require(4096 <= size <= 65536, "header: size")
        self.raw = raw = raw + take(stream, size - 4096)
        require(blake2b(32, raw[:-64]) == raw[-64:-32], "header: checksum")
        known = raw[12:16] == b"\1\0\1\0" and not any(raw[20:24])  # version, suite, incompat
        require(known, "the archive needs a newer pmm-seal")
        require(16 <= raw[16] <= 22, "header: chunk size")
        self.chunk = 1 << raw[16]
        self.meta = max(2 * self.chunk, 1 << 20)
        used = struct.unpack_from("<H", raw, 130)[0]
        require(160 + used <= size - 64, "header: slots")
        for a, b in ((17, 20), (28, 32), (48, 96), (132, 136), (144, 160), (160 + used, size - 64)):
            require(not any(raw[a:b]), "header: reserved bytes")
        self.slots, packed = [], raw[160 : 160 + used]
        while packed:
            length = struct.unpack_from("<H", packed.ljust(16, b"\0"), 2)[0]
            require(16 <= length <= len(packed), "header: slots")
            well_formed = packed[:2] != b"\1\0" or packed[2:8] == b"\x78\0\0\0\0\0"
            require(well_formed, "header: passphrase slot")
            self.slots.append(packed[:length])
            packed = packed[length:]

    def unlock(self, passphrase):
        """Sections 5 and 6: set the keys."""
        refused = False
        for slot in self.slots:
            if slot[:2] != b"\1\0":
                continue
            passes, kib = struct.unpack_from("<II", slot, 32)
            if not (2 <= passes <= 10 and 65536 <= kib <= 1 << 20):
                refused = True
                continue
            kek = argon2id.kdf(32, passphrase, slot[16:32], opslimit=passes, memlimit=kib * 1024)
            bound = self.raw[:96] + slot[:40]
            both = blake2b(64, bound, kek)
            if hmac.compare_digest(both[:32], slot[40:72]):
                key = open_sealed(both[32:], bytes(24), bound, slot[72:], "header: wrapped key")
                return self.derive(key)
        require(not refused, "the cost of a slot is outside the limits", 7)
        require(False, "wrong passphrase, or none", 4)

    def derive(self, file_key):
        master = blake2b(32, self.raw[:96], file_key)
        require(hmac.compare_digest(subkey(master, 1), self.raw[96:128]), "header: key check")
        mac = blake2b(32, self.raw[:-32], subkey(master, 2))
        require(hmac.compare_digest(mac, self.raw[-32:]), "header: MAC")
        self.data_key, self.meta_key = subkey(master, 3), subkey(master, 4)


def unpack(frame, limit, window):
    """Section 8: one zstd frame. Returns its content and what follows it."""
    require(frame[:4] == b"\x28\xb5\x2f\xfd", "not a zstd frame")
    try:
        about = zstandard.get_frame_parameters(frame)
        require(about.content_size <= limit, "zstd: content size")  # unknown is 2^64 - 1
        require(about.window_size <= window and not frame[4] & 3, "zstd: window or dictionary")
        one = zstandard.ZstdDecompressor(max_window_size=window).decompressobj()
        content = one.decompress(frame)
    except zstandard.ZstdError as why:
        raise Failure("zstd: %s" % why, 5) from None
    require(one.eof and len(content) == about.content_size, "zstd: cut")
    return content, one.unused_data


class Records:
    """Sections 7 to 9: records in order, and what they must say of each other."""

    def __init__(self, header):
        self.h = header
        self.seq = self.offset = self.chunks = self.tar_bytes = self.entries = self.last = 0
        self.pos, self.rows, self.root = [0] * 256, [], b""
        self.first, self.short, self.last_table = (0, 0), False, False  # first: chunk, offset

    def next(self, stream):
        """Authenticate and check one record. Returns its type, and a DATA's plaintext."""
        where = "record %d: " % self.seq
        head = take(stream, 32)
        kind, flags, zero, size, zero2, seq, pos = struct.unpack_from("<BBHIIQQ", head, 4)
        known = 1 <= kind <= 6 or (kind & 0x80 and kind & 0x3F > 6)
        known = known and head[:4] == self.h.raw[32:36] and flags == zero == zero2 == 0
        base = self.h.chunk if kind == DATA else self.h.meta
        bound = 272 if kind == END else base + base // 8 + 4096
        known = known and 16 <= size <= bound and (kind != END or size == 272)
        require(known, where + "its head is damaged")
        require(seq == self.seq and pos == self.pos[kind], where + "out of order")
        self.placed(kind, where)
        body = take(stream, size)
        aad = self.h.raw[:128] + head
        if kind & 0x40:
            aad, body = aad + body[:-16], body[-16:]
        nonce = head[4:6] + bytes(14) + head[16:24]
        key = self.h.data_key if kind == DATA else self.h.meta_key
        plain = open_sealed(key, nonce, aad, body, where + "its tag is wrong")
        self.see(kind, plain, size)
        self.seq, self.pos[kind], self.last = seq + 1, pos + 1, kind
        self.offset += 32 + size
        self.rows.append(struct.pack("<I", size | kind << 24))
        if kind == TABLE:
            self.rows, self.first = [], (self.chunks, self.offset)
        return kind, plain

    def placed(self, kind, where):
        final, turn = self.pos[MANIFEST] == 2, self.seq % 16384 == 16383
        must = ROOT if self.last_table else TABLE if turn else None
        must = MANIFEST if self.seq == 0 else END if self.last == ROOT else must
        good = kind == must
        if must is None:
            good = final if kind == TABLE else kind < ROOT and not final or kind & 0x80
        require(good and not (kind == DATA and self.short), where + "out of place")

    def see(self, kind, plain, size):
        """Section 8: what this record holds, against what was seen before it."""
        if kind == END:
            end = struct.unpack_from("<12Q", plain)
            seen = (self.seq + 1, self.chunks, self.tar_bytes, self.offset, self.entries, end[5])
            seen += self.root_at[:2] + self.manifest_at + self.root_at[2:]
            require(end == seen and not any(plain[96:]), "END is not what was seen")
            require(self.chunks, "an archive without a chunk")
        elif kind == DATA:
            self.see_chunk(plain)
        elif kind <= ROOT:
            content, rest = unpack(plain, self.h.meta, self.h.chunk)
            require(not rest, "more than one frame")
            if kind == MANIFEST:
                require(len(content) <= 1 << 20, "the manifest is too long")
                self.manifest_at = (self.offset, self.seq, size)
            elif kind == ROOT:
                require(content == self.root, "ROOT is not what was seen")
                self.root_at = (self.offset, self.seq, size)
            elif kind == TABLE:
                require(content == b"".join(self.rows), "a TABLE is not what was seen")
                self.root += struct.pack("<QQQQ", self.offset, self.seq, *self.first)
                self.last_table = self.pos[MANIFEST] == 2
            while kind == ENTRIES and content:
                length = struct.unpack_from("<I", content.ljust(4, b"\0"))[0]
                require(76 <= length <= min(len(content), 70236), "an item's length is wrong")
                content = content[length:]
                self.entries += 1

    def see_chunk(self, plain):
        magic, length, first, zero = struct.unpack_from("<IIII", plain.ljust(16, b"\0"))
        require((magic, length, zero) == (0x184D2A50, 8, 0), "a chunk's first frame is wrong")
        content, rest = unpack(plain[16:], self.h.chunk, self.h.chunk)
        require(content and (first < len(content) or first == 2**32 - 1), "first entry")
        padding = struct.pack("<II", 0x184D2A51, max(len(rest) - 8, 0)).ljust(len(rest), b"\0")
        require(not rest or rest == padding, "a chunk is followed by more than padding")
        self.short = len(content) < self.h.chunk
        self.chunks, self.tar_bytes = self.chunks + 1, self.tar_bytes + len(content)


def unseal(stream, out, passphrase):
    header = Header(stream)
    header.unlock(passphrase)
    records, kind = Records(header), 0
    while kind != END:
        kind, plain = records.next(stream)
        if kind == DATA:
            out.write(plain)
    size = len(header.raw)
    tail = struct.pack("<HxxQ8x", size // 4096, 2 * size + records.offset + 32)
    rest = take(stream, size + 32)
    require(not stream.read(1), "there are bytes after the end of the archive")
    good = rest == header.raw + b"\x89pmmtail\r\n\x1a\n" + tail
    require(good, "all is there, but the header copy or the tail is damaged", 3)


def main(args):
    passphrase = os.environb.get(b"PMM_SEAL_PASSPHRASE", b"")
    try:
        if len(args) == 3 and args[0] == "--passphrase-file":
            with open(args[1], "rb") as f:
                passphrase = f.read()
            args = args[2:]
        if len(args) != 1:
            sys.exit(__doc__)
        passphrase = passphrase.removesuffix(b"\n").removesuffix(b"\r")
        with sys.stdin.buffer if args[0] == "-" else open(args[0], "rb") as stream:
            unseal(stream, sys.stdout.buffer, passphrase)
        sys.stdout.buffer.flush()
        return 0
    except (Failure, OSError) as why:
        text, code = why.args if isinstance(why, Failure) else (why, 1)
        sys.stderr.write("unseal.py: %s: %s\n" % (args[0], text))
        return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
