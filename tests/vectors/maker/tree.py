"""The tree of an archive: its entries as a tar, and as items (docs/FORMAT.md, ENTRIES)."""

import struct

TIME = 1700000000
TYPES = {
    "file": (1, b"0"),
    "dir": (2, b"5"),
    "symlink": (3, b"2"),
    "hardlink": (4, b"1"),
    "fifo": (5, b"6"),
    "char": (6, b"3"),
    "block": (7, b"4"),
}
ITEM = "<IBBHIIIqIIQQQQII"
ITEM_FIELDS = (
    "length type zero5 flags mode uid gid mtime ns zero32 size stored offset tar_length major minor"
).split()


def pattern(size):
    """Content of a file: runs of 1000 equal bytes, each run another byte."""
    out = b"".join(bytes([33 + i % 90]) * 1000 for i in range((size + 999) // 1000))
    return out[:size]


class Entry:
    """One entry. `tar` and `item` hold what is to be written there instead of the truth."""

    def __init__(self, kind, path, content=b"", target=b"", **more):
        self.kind, self.path, self.content, self.target = kind, path, content, target
        self.mode = 0o755 if kind == "dir" else 0o777 if kind == "symlink" else 0o644
        self.uid = self.gid = self.ns = self.major = self.minor = 0
        self.user = self.group = b"root"
        self.mtime = TIME
        self.extents = None  # of a sparse file: [(offset, length)]
        self.pax, self.tar, self.item, self.fields = {}, {}, {}, {}
        self.before = self.more = b""  # bytes before its tar headers, behind its item's fields
        for name, value in more.items():
            setattr(self, name, value)

    def stored(self):
        if self.extents is None:
            return len(self.content)
        return sum(length for _, length in self.extents)


# ---- tar ----


def octal(value, width):
    """A number in a header: octal, or base 256 if it does not fit."""
    if 0 <= value < 8 ** (width - 1):
        return b"%0*o\0" % (width - 1, value)
    return bytes([0x80 if value >= 0 else 0xFF]) + (value % 256 ** (width - 1)).to_bytes(width - 1, "big")


HEADER = [  # name, bytes
    ("name", 100), ("mode", 8), ("uid", 8), ("gid", 8), ("size", 12), ("mtime", 12),
    ("checksum", 8), ("typeflag", 1), ("linkname", 100), ("magic", 6), ("version", 2),
    ("uname", 32), ("gname", 32), ("devmajor", 8), ("devminor", 8), ("prefix", 155),
]  # fmt: skip


def header(fields, instead):
    """A ustar header block of `fields`, with some of them as `instead` says."""
    fields = {**fields, **instead}
    out = b""
    for name, width in HEADER:
        value = fields.get(name, b"")
        if isinstance(value, int):
            value = octal(value, width)
        if name == "checksum":
            value = b" " * 8
        out += value[:width].ljust(width, b"\0")
    out = out.ljust(512, b"\0")
    checksum = sum(out) + instead.get("checksum", 0)
    return out[:148] + b"%06o\0 " % checksum + out[156:]


def pad(data):
    return data + bytes(-len(data) % 512)


def pax_record(key, value):
    """LENGTH KEY=VALUE LF, where the length counts itself."""
    body, n = b" " + key + b"=" + value + b"\n", 0
    while n != len(b"%d" % n) + len(body):
        n = len(b"%d" % n) + len(body)
    return b"%d" % n + body


def content_of(e):
    """The bytes of content in the tar: a sparse file's map in front, its holes left out."""
    if e.extents is None:
        return e.content
    lines = b"%d\n" % len(e.extents)
    lines += b"".join(b"%d\n%d\n" % (at, length) for at, length in e.extents)
    return pad(lines) + b"".join(e.content[at : at + length].ljust(length, b"x") for at, length in e.extents)


def tar_entry(e):
    name = e.path if e.kind != "dir" else b"./" if e.path == b"." else e.path + b"/"
    fields = {
        "name": name, "mode": e.mode, "uid": e.uid, "gid": e.gid, "mtime": e.mtime,
        "typeflag": TYPES[e.kind][1], "linkname": e.target, "magic": b"ustar\0",
        "version": b"00", "uname": e.user, "gname": e.group, "devmajor": e.major,
        "devminor": e.minor,
    }  # fmt: skip
    pax = {}
    if len(name) > 100:
        pax[b"path"], fields["name"] = name, b"long"
    if len(e.target) > 100:
        pax[b"linkpath"], fields["linkname"] = e.target, b"long"
    if e.ns:
        pax[b"mtime"] = b"%d.%09d" % (e.mtime, e.ns)
    content = content_of(e)
    if e.extents is not None:
        pax[b"GNU.sparse.major"], pax[b"GNU.sparse.minor"] = b"1", b"0"
        pax[b"GNU.sparse.name"] = name
        pax[b"GNU.sparse.realsize"] = b"%d" % len(e.content)
    fields["size"] = len(content)
    pax.update(e.pax)
    out = e.before
    if pax:
        records = b"".join(pax_record(k, v) for k, v in sorted(pax.items()))
        about = dict(fields, name=b"pax", typeflag=b"x", size=len(records), linkname=b"")
        out += header(about, {}) + pad(records)
    return out + header(fields, e.tar) + pad(content)


# ---- items ----


def field(number, value):
    return struct.pack("<HH", number, len(value)) + value


def item(e, offset, length, offsets):
    """The item of an entry that lies at `offset` of the tar; `offsets`: those of all paths."""
    flags = 4 if e.extents is not None else 0
    size = len(e.content) if e.kind == "file" else 0
    stored = e.stored() if e.kind == "file" else 0
    values = [0, TYPES[e.kind][0], 0, flags, e.mode, e.uid, e.gid, e.mtime, e.ns, 0, size]
    values += [stored, offset, length, e.major, e.minor]
    right = dict(zip(ITEM_FIELDS, values))
    texts = {1: e.path, 2: e.user, 3: e.group, 4: e.target}
    fields = {n: text + b"\0" for n, text in texts.items() if text}
    if e.kind == "hardlink":
        fields[5] = struct.pack("<Q", offsets.get(e.target, 0))
    order = sorted(fields)
    for n, change in e.fields.items():
        if change is None:
            order.remove(n)
        elif n == "order":
            order = change
        else:
            fields[n] = change(fields.get(n, b""))
            if n not in order:
                order = sorted(order + [n])
    packed = b"".join(field(n, fields[n]) for n in order) + e.more
    right["length"] = struct.calcsize(ITEM) + len(packed)
    for name, change in e.item.items():
        right[name] = change(right[name])
    return right, struct.pack(ITEM, *(right[name] for name in ITEM_FIELDS)) + packed


# ---- the trees that recipes begin with ----


def base(name):
    root = Entry("dir", b".")
    if name == "empty":
        return [root]
    if name == "one":
        return [root, Entry("file", b"hello.txt", b"Hello.\n")]
    return [
        root,
        Entry("file", b"a", b"Hello.\n"),
        Entry("file", b"big", pattern(150000)),
        Entry("dir", b"d"),
        Entry("file", b"d/f", pattern(1000)),
        Entry("symlink", b"d/l", target=b"f"),
        Entry("hardlink", b"d/n", target=b"d/f"),
        Entry("fifo", b"p"),
    ]
