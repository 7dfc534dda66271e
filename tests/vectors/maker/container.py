"""The archive around a tar (docs/FORMAT.md): keys, header, records, tail.

Every step takes the right value and what a recipe puts in its place, so that each lie is sealed,
checksummed and authenticated as if it were the truth.
"""

import hashlib
import struct
import threading

from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_encrypt as aead
from nacl.pwhash import argon2id

from .frames import frame

MAGIC, TAIL_MAGIC = b"\x89pmmseal\r\n\x1a\n", b"\x89pmmtail\r\n\x1a\n"
PASSPHRASE = b"correct horse battery staple"
SALT, RANDOM, ID = bytes(range(16)), bytes(range(32, 64)), bytes(range(0xB0, 0xC0))
TIME = 1700000000
DATA, ENTRIES, TABLE, MANIFEST, ROOT, END = 1, 2, 3, 4, 5, 6
PERIOD = 16384
KNOWN = {}  # Argon2id by its inputs: nearly all recipes share them
ONE = threading.Lock()  # derives at a time


def blake2b(size, data, key=b""):
    return hashlib.blake2b(data, digest_size=size, key=key).digest()


def derive(passphrase, salt, passes, memory):
    """Argon2id; a key of zeros where nobody is to derive it, or can (passphrase None)."""
    given = (passphrase, salt, passes, memory)
    with ONE:
        if given not in KNOWN:
            real = passphrase is not None and 1 <= passes <= 10 and 8 <= memory <= 1 << 20
            about = dict(opslimit=passes, memlimit=memory * 1024)
            KNOWN[given] = argon2id.kdf(32, passphrase, salt, **about) if real else bytes(32)
        return KNOWN[given]


def subkey(master, number):
    salt, person = struct.pack("<QQ", number, 0), b"pmmseal_" + bytes(8)
    return hashlib.blake2b(b"", digest_size=32, key=master, salt=salt, person=person).digest()


class Slot:
    """A slot of type 1, or any bytes at all (`raw`)."""

    FIELDS = dict(type="<H0", length="<H2", flags="<I4", created="<q8", passes="<I32", memory="<I36")

    def __init__(self, passphrase=PASSPHRASE, salt=SALT, raw=None, passes=2, memory=65536):
        self.passphrase, self.salt, self.raw = passphrase, salt, raw
        self.passes, self.memory = passes, memory
        self.changes = []  # of the packed slot, where what follows depends on it
        self.late = []  # the same, where it does not
        self.other_key = False  # it wraps another file key

    @staticmethod
    def change(raw, changes):
        raw = bytearray(raw)
        for name, change in changes:
            if name in Slot.FIELDS:
                fmt, at = Slot.FIELDS[name][:2], int(Slot.FIELDS[name][2:])
                right = struct.unpack_from(fmt, raw, at)[0]
                struct.pack_into(fmt, raw, at, change(right))
            else:
                at, end = dict(salt=(16, 32), commitment=(40, 72), wrapped=(72, 120))[name]
                raw[at:end] = change(bytes(raw[at:end]))
        return bytes(raw)

    def pack(self, binding, file_key):
        if self.raw is not None:
            return self.raw
        head = struct.pack("<HHIq", 1, 120, 0, TIME) + self.salt
        head = self.change(head + struct.pack("<II", self.passes, self.memory), self.changes)
        passes, memory = struct.unpack_from("<II", head, 32)
        bound = binding + head
        both = blake2b(64, bound, derive(self.passphrase, head[16:32], passes, memory))
        key = bytes(32) if self.other_key else file_key
        slot = head + both[:32] + aead(key, bound, bytes(24), both[32:])
        length = struct.unpack_from("<H", slot, 2)[0]  # a lie about it may be true as well
        if 16 <= length < 120 or 120 < length < 4096:
            slot = slot.ljust(length, b"\0")[:length]
        return self.change(slot, self.late)


class Header:
    FIELDS = dict(
        version="<H12", suite="<H14", chunk_log2="<B16", incompat="<I20", compat="<I24",
        size="<H128", slot_bytes="<H130", generation="<Q136",
    )  # fmt: skip

    def __init__(self):
        self.chunk_log2, self.units, self.slots = 16, 1, [Slot()]
        self.both, self.only = [], {"front": [], "copy": [], "neither": []}

    def start(self):
        """Bytes 0 .. 159, but for the key check."""
        raw = MAGIC + struct.pack("<HHB3xII4x", 1, 1, self.chunk_log2, 0, 0) + ID + bytes(80)
        return raw + struct.pack("<HH4xQ16x", self.units, 0, 1)

    @staticmethod
    def change(raw, changes, names):
        """Apply those of the changes that are of `names`."""
        raw = bytearray(raw)
        for name, change in changes:
            if name not in names and not (name.startswith("bytes") and "bytes" in names):
                continue
            if name in Header.FIELDS:
                fmt, at = Header.FIELDS[name][:2], int(Header.FIELDS[name][2:])
                struct.pack_into(fmt, raw, at, change(struct.unpack_from(fmt, raw, at)[0]))
                continue
            at, end = int(name.split("@")[1]) if "@" in name else 0, None
            if "@" not in name:
                at, end = dict(
                    magic=(0, 12), id=(32, 48), key_check=(96, 128),
                    checksum=(len(raw) - 64, len(raw) - 32), mac=(len(raw) - 32, len(raw)),
                )[name]  # fmt: skip
            value = change(bytes(raw[at:end]) if end else bytes(raw[at : at + 1]))
            raw[at : at + len(value)] = value
        return bytes(raw)

    EARLY = {*FIELDS, "magic", "id", "key_check", "bytes"}

    def make(self):
        """The keys of the archive, and its front header."""
        raw = self.change(self.start(), self.both, self.EARLY - {"slot_bytes", "key_check", "bytes"})
        raw = self.change(raw, [c for c in self.both if self.below(c, 96)], {"bytes"})
        self.binding = raw[:96]
        kek = derive(PASSPHRASE, SALT, 2, 65536)
        self.file_key = blake2b(32, ID + struct.pack("<q", TIME) + kek, RANDOM)
        master = blake2b(32, self.binding, self.file_key)
        check, self.mac_key, self.data_key, self.meta_key = (subkey(master, i) for i in (1, 2, 3, 4))
        raw = raw[:96] + check + raw[128:]
        self.slots_packed = b"".join(s.pack(self.binding, self.file_key) for s in self.slots)
        raw = raw[:130] + struct.pack("<H", len(self.slots_packed)) + raw[132:] + self.slots_packed
        self.raw = raw.ljust(self.units * 4096 - 64, b"\0")[: self.units * 4096 - 64]
        self.fixed = self.finish("neither")[:128]
        return self.finish("front")

    @staticmethod
    def below(change, limit):
        return change[0].startswith("bytes@") and int(change[0].split("@")[1]) < limit

    def finish(self, which):
        """One of the two headers, with checksum and MAC."""
        late = [c for c in self.both if c[0] in ("slot_bytes", "key_check")]
        late += [c for c in self.both if c[0].startswith("bytes") and not self.below(c, 96)]
        raw = self.change(self.raw, late + self.only[which], self.EARLY)
        done = raw + blake2b(32, raw)
        done = self.change(done + bytes(32), self.both + self.only[which], {"checksum"})[:-32]
        done += blake2b(32, done, self.mac_key)
        return self.change(done, self.both + self.only[which], {"mac"})


class Record:
    def __init__(self, kind, name, content=b"", **more):
        self.kind, self.name, self.content = kind, name, content
        self.frame = {}  # as in frames.frame
        self.front = dict(magic=0x184D2A50, length=8, first=2**32 - 1, zero=0)  # of DATA
        self.padding = b""
        self.plain = None  # in place of all this
        self.head, self.written = [], []  # changes, sealed with it or afterwards
        self.tag = self.body = None  # changes afterwards
        self.other_key = False
        for name, value in more.items():
            setattr(self, name, value)

    def plaintext(self):
        if self.plain is not None:
            return self.plain
        if self.kind == END or self.kind & 0x80:
            return self.content
        packed = frame(self.content, **self.frame)
        if self.kind != DATA:
            return packed
        f = self.front
        return struct.pack("<IIII", f["magic"], f["length"], f["first"], f["zero"]) + packed + self.padding

    HEAD = dict(type="<B4", flags="<B5", zero6="<H6", length="<I8", zero12="<I12", sequence="<Q16", position="<Q24")

    @staticmethod
    def change(head, changes):
        head = bytearray(head)
        for name, change in changes:
            if name == "sync":
                head[:4] = change(bytes(head[:4]))
                continue
            fmt, at = Record.HEAD[name][:2], int(Record.HEAD[name][2:])
            struct.pack_into(fmt, head, at, change(struct.unpack_from(fmt, head, at)[0]))
        return bytes(head)

    def seal(self, h, sequence, position):
        plain = self.plaintext()
        head = ID[:4] + struct.pack(
            "<BBHIIQQ", self.kind, 0, 0, len(plain) + 16, 0, sequence, position
        )
        head = self.change(head, self.head)
        kind, number = head[4], struct.unpack_from("<Q", head, 16)[0]
        nonce = head[4:6] + bytes(14) + struct.pack("<Q", number)
        key = h.data_key if (kind == DATA) != self.other_key else h.meta_key
        if kind & 0x40:
            body = plain + aead(b"", h.fixed + head + plain, nonce, key)
        else:
            body = aead(plain, h.fixed + head, nonce, key)
        tag, body = body[-16:], body[:-16]
        body = self.body(body) if self.body else body
        tag = self.tag(tag) if self.tag else tag
        return self.change(head, self.written) + body + tag


def table_rows(rows):
    return b"".join(struct.pack("<I", length | kind << 24) for length, kind in rows)


class Books:
    """What TABLE, ROOT and END must say of the records before them; `lies` may change it."""

    def __init__(self, tar_bytes, entries, warnings, lies):
        self.tar_bytes, self.entries, self.warnings, self.lies = tar_bytes, entries, warnings, lies
        self.rows, self.tables, self.positions = [], [], {}
        self.offset = self.chunks = self.sequence = 0
        self.first = (0, 0)
        self.places = {}  # kind: (offset, sequence, body length) of the last one

    def content(self, r):
        if r.kind == TABLE:
            self.tables.append([self.offset, self.sequence, *self.first])
            rows = self.lies.table(r.name, list(self.rows))
            return table_rows(rows) if r.content is None else r.content
        if r.kind == ROOT and r.content is None:
            rows = self.lies.root([dict(zip(("offset", "sequence", "chunk", "first"), t)) for t in self.tables])
            return b"".join(struct.pack("<QQQQ", *row.values()) for row in rows)
        if r.kind == END and r.content is None:
            nowhere = (0, 0, 0)
            root, manifest = self.places.get(ROOT, nowhere), self.places.get(MANIFEST, nowhere)
            values = [self.sequence + 1, self.chunks, self.tar_bytes, self.offset, self.entries, self.warnings]
            values += [root[0], root[1], manifest[0], manifest[1], manifest[2], root[2]]
            return self.lies.end(values)
        return r.content

    def add(self, r, h):
        r.content = self.content(r)
        sealed = r.seal(h, self.sequence, self.positions.get(r.kind, 0))
        self.positions[r.kind] = self.positions.get(r.kind, 0) + 1
        self.places[r.kind] = (self.offset, self.sequence, len(sealed) - 32)
        if r.kind == DATA:
            self.chunks += 1
        self.rows.append((len(sealed) - 32, r.kind))
        self.sequence, self.offset = self.sequence + 1, self.offset + len(sealed)
        if r.kind == TABLE:
            self.rows, self.first = [], (self.chunks, self.offset)
        return sealed


def tail(size_units, length, changes):
    values = dict(magic=TAIL_MAGIC, size=size_units, zero14=0, length=length, zero24=0)
    for name, change in changes:
        values[name] = change(values[name])
    return struct.pack("<12sHHQQ", *values.values())
