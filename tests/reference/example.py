#!/usr/bin/python3
"""The worked example of docs/FORMAT.md: a complete archive made from fixed inputs.

    example.py --text            print the section of docs/FORMAT.md
    example.py --check FORMAT.md compare the section in that file with what is made here
    example.py --archive FILE    write the archive itself

A second writer, independent of src/: Python, PyNaCl and the document. It never compresses:
its zstd frames are made of raw and run-length blocks, so that the bytes do not depend on
the version of a library.
"""

import hashlib
import struct
import sys
import textwrap

from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_encrypt as aead
from nacl.pwhash import argon2id

PASSPHRASE = b"correct horse battery staple"
SALT = bytes(range(16))
RANDOM = bytes(range(32, 64))
ARCHIVE_ID = bytes(range(0xA0, 0xB0))
TIME = 1700000000
PASSES, MEMORY_KIB = 2, 65536
CHUNK_LOG2 = 16
TEXT = b"Hello.\n"
START = (
    b'{"format":1,"tool":"example","created":"2023-11-14T22:13:20Z","host":"example",'
    b'"name":"example","source":"/srv","level":1,"order":"depth-first","final":false}'
)
FINAL = START.replace(b"false}", b"true,") + (
    b'"finished":"2023-11-14T22:13:20Z","totals":{"entries":2,"files":1,"dirs":1,"links":0,'
    b'"others":0,"bytes":7,"stored":7,"disk_bytes":8192,"tar_bytes":2560,"warnings":0},'
    b'"result":"whole","warnings":[]}'
)
DATA, ENTRIES, TABLE, MANIFEST, ROOT, END = 1, 2, 3, 4, 5, 6
ANCILLARY, CLEAR_BODY, EXAMPLE_KIND = 0x80, 0x40, 63


def blake2b(size, data, key=b""):
    return hashlib.blake2b(data, digest_size=size, key=key).digest()


def subkey(master, number):
    """crypto_kdf_derive_from_key: BLAKE2b with the number as salt, the context as person."""
    return hashlib.blake2b(
        b"",
        digest_size=32,
        key=master,
        salt=struct.pack("<QQ", number, 0),
        person=b"pmmseal_" + bytes(8),
    ).digest()


def zstd_frame(content):
    """One frame, content size present, a single segment, no dictionary, no checksum."""
    size = len(content)
    if size < 256:
        head = struct.pack("<IBB", 0xFD2FB528, 0x20, size)
    else:
        head = struct.pack("<IBH", 0xFD2FB528, 0x60, size - 256)
    blocks, raw, i = [], b"", 0
    while i < size:
        run = 1
        while i + run < size and content[i + run] == content[i]:
            run += 1
        if run < 16:
            raw += content[i : i + run]
        else:
            if raw:
                blocks.append((0, len(raw), raw))
            raw = b""
            blocks.append((1, run, content[i : i + 1]))
        i += run
    if raw or not blocks:
        blocks.append((0, len(raw), raw))
    for n, (kind, length, data) in enumerate(blocks):
        last = n == len(blocks) - 1
        head += struct.pack("<I", last | kind << 1 | length << 3)[:3] + data
    return head


def tar_entry(name, mode, kind, content=b""):
    """One ustar entry."""
    h = struct.pack(
        "100s8s8s8s12s12s8sc100s6s2s32s32s8s8s155s12x",
        name,
        b"%07o\0" % mode,
        b"0000000\0",
        b"0000000\0",
        b"%011o\0" % len(content),
        b"%011o\0" % TIME,
        b" " * 8,
        kind,
        b"",
        b"ustar\0",
        b"00",
        b"root",
        b"root",
        b"0000000\0",
        b"0000000\0",
        b"",
    )
    h = h[:148] + b"%06o\0 " % sum(h) + h[156:]
    return h + content + bytes(-len(content) % 512)


def tar():
    """The root of the tree, a file in it, and the end."""
    return tar_entry(b"./", 0o755, b"5") + tar_entry(b"hello.txt", 0o644, b"0", TEXT) + bytes(1024)


def tlv(kind, text):
    return struct.pack("<HH", kind, len(text) + 1) + text + b"\0"


def item(path, mode, kind, size, offset, length):
    fixed = (kind, 0, 0, mode, 0, 0, TIME, 0, 0, size, size, offset, length, 0, 0)
    raw = struct.pack("<BBHIIIqIIQQQQII", *fixed)
    raw += tlv(1, path) + tlv(2, b"root") + tlv(3, b"root")
    return struct.pack("<I", len(raw) + 4) + raw


class Example:
    """Every value of the example, in the order in which the document shows them."""

    def __init__(self):
        self.values = []  # (section, name, bytes)
        self.section = ""
        self.make_keys()
        self.make_header()
        self.make_records()
        self.make_archive()

    def show(self, name, value):
        self.values.append((self.section, name, value))
        return value

    def make_keys(self):
        self.section = "Inputs"
        show = self.show
        show("passphrase", PASSPHRASE)
        show("salt", SALT)
        show("random", RANDOM)
        show("archive_id", ARCHIVE_ID)
        show("time", struct.pack("<q", TIME))
        self.section = "Keys"
        self.kek = show(
            "kek",
            argon2id.kdf(32, PASSPHRASE, SALT, opslimit=PASSES, memlimit=MEMORY_KIB * 1024),
        )
        file_key = show(
            "file_key",
            blake2b(32, ARCHIVE_ID + struct.pack("<q", TIME) + self.kek, RANDOM),
        )
        self.binding = b"\x89pmmseal\r\n\x1a\n" + struct.pack("<HHB3xII4x", 1, 1, CHUNK_LOG2, 0, 0)
        self.binding = show("binding", self.binding + ARCHIVE_ID + bytes(48))
        master = show("master", blake2b(32, self.binding, file_key))
        self.check = show("key_check", subkey(master, 1))
        self.mac_key = show("mac_key", subkey(master, 2))
        self.data_key = show("data_key", subkey(master, 3))
        self.meta_key = show("meta_key", subkey(master, 4))
        self.section = "Slot"
        before = struct.pack("<HHIq", 1, 120, 0, TIME) + SALT
        before += struct.pack("<II", PASSES, MEMORY_KIB)
        bound = show("bound", self.binding + before)
        hashed = blake2b(64, bound, self.kek)
        commitment = show("commitment", hashed[:32])
        wrap_key = show("wrap_key", hashed[32:])
        wrapped = show("wrapped", aead(file_key, bound, bytes(24), wrap_key))
        self.slot = show("slot", before + commitment + wrapped)

    def make_header(self):
        self.section = "Header"
        mutable = struct.pack("<HH4xQ16x", 1, len(self.slot), 1)
        front = self.show("header_0_159", self.binding + self.check + mutable)
        self.fixed = front[:128]
        body = front + self.slot
        body += bytes(4096 - 64 - len(body))
        body += self.show("checksum", blake2b(32, body))
        self.header = body + self.show("mac", blake2b(32, body, self.mac_key))

    def record(self, name, kind, pos, plain):
        seq = len(self.lengths)
        head = ARCHIVE_ID[:4]
        head += struct.pack("<BBHIIQQ", kind, 0, 0, len(plain) + 16, 0, seq, pos)
        nonce = bytes([kind]) + bytes(15) + struct.pack("<Q", seq)
        key = self.data_key if kind == DATA else self.meta_key
        if kind & CLEAR_BODY:
            body = plain + aead(b"", self.fixed + head + plain, nonce, key)
        else:
            body = aead(plain, self.fixed + head, nonce, key)
        self.section = "Record %d: %s" % (seq, name)
        for what, value in zip(("head", "nonce", "plain", "body"), (head, nonce, plain, body)):
            self.show("%s_%d" % (what, seq), value)
        self.offsets.append(len(self.records))
        self.lengths.append((len(body), kind))
        self.records += head + body

    def make_records(self):
        self.records, self.offsets, self.lengths = b"", [], []
        self.record("MANIFEST", MANIFEST, 0, zstd_frame(START))
        mark = struct.pack("<IIII", 0x184D2A50, 8, 0, 0)
        self.record("DATA", DATA, 0, mark + zstd_frame(tar()))
        items = item(b".", 0o755, 2, 0, 0, 512)
        items += item(b"hello.txt", 0o644, 1, len(TEXT), 512, 1024)
        self.record("ENTRIES", ENTRIES, 0, zstd_frame(items))
        sealed = ANCILLARY | EXAMPLE_KIND
        self.record("ancillary, sealed", sealed, 0, b"A sealed body.")
        self.record("ancillary, clear", sealed | CLEAR_BODY, 0, b"A clear body.")
        self.record("MANIFEST", MANIFEST, 1, zstd_frame(FINAL))
        rows = b"".join(struct.pack("<I", n | kind << 24) for n, kind in self.lengths)
        self.record("TABLE", TABLE, 0, zstd_frame(rows))
        root = struct.pack("<QQQQ", self.offsets[6], 6, 0, 0)
        self.record("ROOT", ROOT, 0, zstd_frame(root))
        end = struct.pack(
            "<12Q160x",
            len(self.lengths) + 1,  # records
            1,  # chunks
            len(tar()),
            len(self.records),  # offset of END
            2,  # entries
            0,  # warnings
            self.offsets[7],
            7,
            self.offsets[5],
            5,
            self.lengths[5][0],
            self.lengths[7][0],
        )
        self.record("END", END, 0, end)

    def make_archive(self):
        length = 2 * len(self.header) + len(self.records) + 32
        self.section = "Tail"
        tail = b"\x89pmmtail\r\n\x1a\n" + struct.pack("<HxxQ8x", 1, length)
        self.show("tail", tail)
        self.archive = self.header + self.records + self.header + tail
        self.show("archive_sha256", hashlib.sha256(self.archive).digest())

    def text(self):
        out, section = [], None
        for where, name, value in self.values:
            if where != section:
                out += ["", "**%s**" % where, ""]
                section = where
            lines = textwrap.wrap(value.hex(), 64)
            out.append("    %-14s = %s" % (name, lines[0]))
            out += ["    %-14s   %s" % ("", line) for line in lines[1:]]
        return "\n".join(out).strip() + "\n"


def main(argv):
    if argv[1:] == ["--text"]:
        sys.stdout.write(Example().text())
    elif len(argv) == 3 and argv[1] == "--archive":
        with open(argv[2], "wb") as f:
            f.write(Example().archive)
    elif len(argv) == 3 and argv[1] == "--check":
        with open(argv[2], encoding="utf-8") as f:
            if Example().text() not in f.read():
                sys.exit("example.py: %s: its example is not what is made here" % argv[2])
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv)
