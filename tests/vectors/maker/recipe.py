"""From the text of a recipe to an archive. README.md explains the language.

Statements work in the order in which an archive is made, whatever their order in the recipe:
tree, items, chunks, records, header, then the bytes of the file.
"""

import hashlib
import json
import re
import struct

from . import container, tree
from .container import DATA, END, ENTRIES, MANIFEST, ROOT, TABLE, Books, Header, Record, Slot
from .frames import frame
from .values import RecipeError, data, either, number

KINDS = dict(data=DATA, entries=ENTRIES, table=TABLE, manifest=MANIFEST, root=ROOT, end=END)
END_FIELDS = (
    "records chunks tar_bytes offset entries warnings root_offset root_sequence"
    " manifest_offset manifest_sequence manifest_length root_length"
).split()
HEAD_KEYS = "verify restore pipe list info unseal path released slow root".split()
CREATED = "2023-11-14T22:13:20Z"


class Recipe:
    """The head of a recipe, and its statements."""

    def __init__(self, path):
        self.path, self.about, self.head, self.lines = path, "", {}, []
        with open(path, encoding="utf-8") as f:
            for line in f.read().splitlines():
                key, colon, value = line.partition(":")
                if line.startswith("#"):
                    self.about = (self.about + " " + line[1:].strip()).strip()
                elif colon and key in HEAD_KEYS:
                    self.head[key] = value.strip()
                elif line.strip():
                    self.lines.append(line.strip())

    def status(self, command):
        """The exit status expected of a command."""
        default = {"pipe": "restore"}.get(command, "verify")
        text = self.head.get(command)
        return int(text) if text is not None else self.status(default)


class Statements:
    """The lines of a recipe, taken by whoever understands them; one left over is an error."""

    def __init__(self, lines):
        self.lines = list(lines)

    def take(self, *patterns):
        """Those that match one of the patterns, in their order, as their groups."""
        found, left = [], []
        for line in self.lines:
            for pattern in patterns:
                m = re.fullmatch(pattern, line)
                if m:
                    found.append(m.groups())
                    break
            else:
                left.append(line)
        self.lines = left
        return found


def changer(text):
    return lambda right: either(text, right)


# ---- tree and items ----


def name(text):
    return data('"' + text.replace('"', '\\"') + '"')


def make_entry(kind, path, words):
    given = dict(w.split("=", 1) for w in words.split())
    e = tree.Entry(kind, name(path))
    e.content = tree.pattern(number(given.get("size", "0")))
    e.target = name(given.get("target", ""))
    for key in ("mode", "major", "minor", "uid", "gid"):
        if key in given:
            setattr(e, key, number(given[key]))
    if "extents" in given:  # OFFSET+LENGTH,...
        parts = [p.split("+") for p in given["extents"].split(",") if p]
        e.extents = [(int(at), int(length)) for at, length in parts]
        holes = bytearray(e.content)
        at = 0
        for off, length in e.extents + [(len(holes), 0)]:
            holes[at:off] = bytes(max(off - at, 0))
            at = off + length
        e.content = bytes(holes)
    return e, given.get("after")


def order(path):
    """The key by which paths ascend."""
    return b"" if path == b"." else path.replace(b"/", b"\0")


class Tree:
    def __init__(self, s):
        base = s.take(r"base (\w+)")
        self.entries = tree.base(base[0][0] if base else "all")
        for kind, path, words in s.take(r"entry add (\w+) (\S+)(.*)"):
            self.add(*make_entry(kind, path, words))
        for path, key, value in s.take(r"entry (\S+)\.(\w+) = (.*)"):
            e = self.find(path)
            setattr(e, key, either(value, getattr(e, key)))
        for path, kind in s.take(r"entry (\S+) type (\w+)"):
            self.find(path).kind = kind
        for path, verb, other in s.take(r"entry (\S+) (drop|move after|repeat after) ?(\S*)"):
            e = self.find(path)
            if verb != "repeat after":
                self.entries.remove(e)
            if verb != "drop":
                self.entries.insert(self.entries.index(self.find(other)) + 1, e)
        for path, key, value in s.take(r"tar (\S+) pax (\S+) = (.*)"):
            self.find(path).pax[name(key)] = data(value)
        for path, value in s.take(r"tar (\S+) before = (.*)"):
            self.find(path).before = data(value)
        for path, key, value in s.take(r"tar (\S+)\.(\w+) = (.*)"):
            self.tar_field(self.find(path), key, value)
        self.hidden = [self.find(path) for (path,) in s.take(r"tar (\S+) drop")]
        self.tar(s)
        self.items(s)

    def add(self, e, after):
        at = len(self.entries)
        if after:
            at = self.entries.index(self.find(after)) + 1
        else:
            while at > 1 and order(self.entries[at - 1].path) > order(e.path):
                at -= 1
        self.entries.insert(at, e)

    def find(self, path):
        for e in self.entries:
            if e.path == name(path):
                return e
        raise RecipeError("no such entry: " + path)

    @staticmethod
    def tar_field(e, key, value):
        if key == "content":  # of the same length
            e.content = data(value)
        elif value[0] in '"hzf':
            e.tar[key] = data(value)
        else:
            right = dict(mode=e.mode, uid=e.uid, gid=e.gid, mtime=e.mtime, checksum=0, devmajor=e.major, devminor=e.minor)
            e.tar[key] = number(value, right.get(key, len(e.content)))

    def tar(self, s):
        """The tar, and where its entries lie."""
        parts, at, self.place = [], 0, {}
        for e in self.entries:
            part = b"" if e in self.hidden else tree.tar_entry(e)
            self.place.setdefault(id(e), []).append((at, len(part)))
            parts.append(part)
            at += len(part)
        end = s.take(r"tar end = (.*)")
        self.tar_bytes = b"".join(parts) + (data(end[0][0]) if end else bytes(1024))
        for at, value in s.take(r"tar bytes (\d+) = (.*)"):
            value = data(value)
            self.tar_bytes = self.tar_bytes[: int(at)] + value + self.tar_bytes[int(at) + len(value) :]

    def items(self, s):
        for path, key, value in s.take(r"item (\S+)\.(\w+) = (.*)"):
            self.find(path).item[key] = changer(value)
        for path, n, value in s.take(r"item (\S+) field (\d+) = (.*)"):
            self.find(path).fields[int(n)] = None if value == "none" else changer(value)
        for path, value in s.take(r"item (\S+) primary = (.*)"):
            v = value
            self.find(path).fields[5] = lambda right: struct.pack("<Q", number(v, struct.unpack("<Q", right)[0]) % 2**64)
        for path, value in s.take(r"item (\S+) order = (.*)"):
            self.find(path).fields["order"] = [int(n) for n in value.split()]
        for path, value in s.take(r"item (\S+) more = (.*)"):
            self.find(path).more = data(value)
        offsets = {e.path: self.place[id(e)][0][0] for e in self.entries}
        used = {key: list(places) for key, places in self.place.items()}
        self.list = []  # (entry, values, packed)
        for e in self.entries:
            self.list.append((e, *tree.item(e, *used[id(e)].pop(0), offsets)))
        for path, verb, other in s.take(r"item (\S+) (drop|repeat|swap) ?(\S*)"):
            i = [e.path for e, _, _ in self.list].index(name(path))
            if verb == "drop":
                del self.list[i]
            elif verb == "repeat":
                self.list.insert(i, self.list[i])
            else:
                k = [e.path for e, _, _ in self.list].index(name(other))
                self.list[i], self.list[k] = self.list[k], self.list[i]

    def totals(self):
        """What a final manifest must say of the items as they are."""
        t = dict.fromkeys("entries files dirs links others bytes stored disk_bytes".split(), 0)
        for _, v, _ in self.list:
            t["entries"] += 1
            t[{1: "files", 2: "dirs", 3: "links", 4: "links"}.get(v["type"], "others")] += 1
            t["bytes"] += v["size"]
            t["stored"] += v["stored"]
            t["disk_bytes"] += (v["stored"] + 4095) // 4096 * 4096 + 4096 * (v["type"] == 2)
        return {**t, "tar_bytes": len(self.tar_bytes), "warnings": 0}


# ---- records ----


def manifests(s, t):
    """The two texts of JSON."""
    first = dict(
        format=1, tool="vectors", created=CREATED, host="example", name="example",
        source="/srv", level=1, order="depth-first", final=False,
    )  # fmt: skip
    last = {**first, "final": True, "finished": CREATED, "totals": t.totals(), "result": "whole", "warnings": []}
    for which, path, value in s.take(r"manifest ?(0|1|)\.([\w.]+) = (.*)"):
        for m in [first, last] if which == "" else [(first, last)[int(which)]]:
            *way, key = path.split(".")
            for step in way:
                m = m[step]
            if value == "none":
                del m[key]
            elif value[0] in "+-":
                m[key] = number(value, m[key])
            else:
                m[key] = json.loads(value)
    texts = [json.dumps(m, separators=(",", ":")).encode() for m in (first, last)]
    for which, value in s.take(r"manifest (0|1) text = (.*)"):
        texts[int(which)] = data(value, texts[int(which)])
    for which, n in s.take(r"manifest (0|1) fill (\d+)"):  # up to so many bytes, with white space
        texts[int(which)] = texts[int(which)].ljust(int(n))
    for which, value in s.take(r"manifest (0|1) insert = (.*)"):  # behind the first brace
        texts[int(which)] = b"{" + data(value) + texts[int(which)][1:]
    return texts, last["totals"].get("warnings", 0) if isinstance(last.get("totals"), dict) else 0


def first_entry(t, at, end):
    inside = [place for places in t.place.values() for place, n in places if n and at <= place < end]
    return min(inside) - at if inside else 2**32 - 1


def data_records(s, t, chunk):
    sizes = s.take(r"chunks = (.*)")
    left = [number(n) for n in sizes[0][0].split()] if sizes else []
    found, at = [], 0
    while at < len(t.tar_bytes) or not found or left:
        n = left.pop(0) if left else chunk
        r = Record(DATA, "data%d" % len(found), t.tar_bytes[at : at + n])
        r.front["first"] = first_entry(t, at, at + n)
        r.end = at + len(r.content)
        found.append(r)
        at += n
    return found


def with_entries(s, t, chunks):
    """ENTRIES among the DATA: all behind the last one, or as early as they may be."""
    early = s.take(r"entries (early|in \d+ pieces)")
    how = early[0][0] if early else "in 1 pieces"
    if how == "early":
        found, rest = [], list(t.list)
        for c in chunks:
            found.append(c)
            ready = [i for i in rest if i[1]["offset"] + i[1]["tar_length"] <= c.end]
            if ready:
                found.append(Record(ENTRIES, "", b"".join(i[2] for i in ready)))
                rest = rest[len(ready) :]
    else:
        pieces = int(how.split()[1])
        each = -(-len(t.list) // pieces) or 1
        found = chunks + [
            Record(ENTRIES, "", b"".join(i[2] for i in t.list[k : k + each])) for k in range(0, len(t.list), each)
        ]
    for n, r in enumerate(r for r in found if r.kind == ENTRIES):
        r.name = "entries%d" % n
    return found


FRAME_NUMBERS = ("magic", "window", "dictionary", "reserved", "cut")


def frame_value(key, text, right):
    if key == "more":
        return frame(b"") if text == "frame" else data(text)
    if key in FRAME_NUMBERS or (key == "size" and text != "none"):
        return number(text, right)
    return text


class Records:
    """The list of records, and what a recipe does to it."""

    def __init__(self, s, t, chunk):
        texts, self.warnings = manifests(s, t)
        self.s, self.list = s, [Record(MANIFEST, "manifest0", texts[0])]
        self.list += with_entries(s, t, data_records(s, t, chunk))
        for count, after in s.take(r"filler (\d+) after (\w+)"):
            i = self.index(after) + 1
            self.list[i:i] = [Record(0xBF, "filler%d" % n) for n in range(int(count))]
        self.list += [Record(MANIFEST, "manifest1", texts[1])]
        self.list += [Record(TABLE, "table", None), Record(ROOT, "root", None), Record(END, "end", None)]
        self.edit()
        self.turns()
        self.lies = Lies(s)
        self.late = s.take(r"written (\w+) (drop|repeat|swap) ?(\w*)")

    def index(self, which):
        for i, r in enumerate(self.list):
            if r.name == which:
                return i
        raise RecipeError("no such record: " + which)

    def find(self, which):
        return self.list[self.index(which)]

    def edit(self):
        s = self.s
        for kind, new, after, value in s.take(r"record add (\w+) (\w+) after (\w+) ?(.*)"):
            k = KINDS[kind] if kind in KINDS else number(kind)
            r = Record(k, new, data(value) if value else b"" if k not in (TABLE, ROOT, END) else None)
            self.list.insert(self.index(after) + 1, r)
        for which, verb, other in s.take(r"record (\w+) (drop|move after|repeat after) ?(\w*)"):
            r = self.find(which)
            if verb != "repeat after":
                self.list.remove(r)
            else:
                r = Record(r.kind, which + "again", r.content, front=dict(r.front))
            if verb != "drop":
                self.list.insert(self.index(other) + 1, r)
        for which, value in s.take(r"record (\w+) content = (.*)"):
            r = self.find(which)
            r.content = data(value, r.content)
        for which, value in s.take(r"record (\w+) content more = (.*)"):
            r = self.find(which)
            r.content += data(value)
        for which, key, value in s.take(r"record (\w+) frame\.(\w+) = (.*)"):
            r = self.find(which)
            r.frame[key] = frame_value(key, value, len(r.content or b""))
        for which, key, value in s.take(r"record (\w+) front\.(\w+) = (.*)"):
            r = self.find(which)
            r.front[key] = number(value, r.front[key])
        for which, value in s.take(r"record (\w+) padding = (.*)"):
            text = value.split()
            n = number(text[0])
            given = dict(w.split("=", 1) for w in text[1:])
            body = bytes([number(given.get("byte", "0"))]) * n
            about = number(given.get("magic", "0x184D2A51")), number(given.get("length", "+0"), n)
            self.find(which).padding = struct.pack("<II", *about) + body
        for which, n in s.take(r"record (\w+) padding to (\d+)"):  # so long a body, tag included
            r = self.find(which)
            n = int(n) - 16 - 8 - len(r.plaintext())
            r.padding = struct.pack("<II", 0x184D2A51, n) + bytes(n)
        for which, value in s.take(r"record (\w+) behind = (.*)"):
            r = self.find(which)
            r.padding = frame(b"x") if value == "frame" else data(value)
        for which, value in s.take(r"record (\w+) plain = (.*)"):
            self.find(which).plain = data(value)
        for which, key, value in s.take(r"record (\w+) head\.(\w+) = (.*)"):
            self.find(which).head.append((key, changer(value)))
        for which, key, value in s.take(r"record (\w+) written\.(\w+) = (.*)"):
            self.find(which).written.append((key, changer(value)))
        for which, part in s.take(r"record (\w+) (tag|body) flip"):
            setattr(self.find(which), part, lambda right: data("flip", right))
        for (which,) in s.take(r"record (\w+) with the other key"):
            self.find(which).other_key = True

    def turns(self):
        """A TABLE at each sequence whose turn it is, unless the recipe wants none."""
        wrong = self.s.take(r"tables (none|late|early)")
        how = wrong[0][0] if wrong else ""
        at = container.PERIOD - 1 + {"late": 1, "early": -1}.get(how, 0)
        n = 0
        while how != "none" and at < ([r.name for r in self.list] + ["table"]).index("table"):
            self.list.insert(at, Record(TABLE, "table%d" % n, None))
            at, n = at + container.PERIOD, n + 1


class Lies:
    """What TABLE, ROOT and END say instead of the truth."""

    def __init__(self, s):
        self.rows = s.take(r"(table\d*) row (\d+)\.(length|type) = (.*)")
        self.verbs = s.take(r"(table\d*) row (\d+) (drop|repeat)")
        self.root_rows = s.take(r"root row (\d+)\.(offset|sequence|chunk|first) = (.*)")
        self.root_verbs = s.take(r"root row (\d+) (drop|repeat)")
        self.ends = s.take(r"end\.(\w+) = (.*)")

    def table(self, which, rows):
        for name_, i, key, value in self.rows:
            if name_ == which:
                length, kind = rows[int(i)]
                rows[int(i)] = (number(value, length), kind) if key == "length" else (length, number(value))
        self.apply([v[1:] for v in self.verbs if v[0] == which], rows)
        return rows

    @staticmethod
    def apply(verbs, rows):
        for i, verb in verbs:
            if verb == "drop":
                del rows[int(i)]
            else:
                rows.insert(int(i), rows[int(i)])

    def root(self, rows):
        for i, key, value in self.root_rows:
            rows[int(i)][key] = number(value, rows[int(i)][key]) % 2**64
        self.apply(self.root_verbs, rows)
        return rows

    def end(self, values):
        rest = bytearray(160)
        for key, value in self.ends:
            if key.startswith("zero"):
                rest[int(key[4:]) - 96] = number(value)
            else:
                i = END_FIELDS.index(key)
                values[i] = number(value, values[i]) % 2**64
        return struct.pack("<12Q", *values) + bytes(rest)


# ---- header and file ----


def slot_number(text):
    return int(text) if text else 0


def make_header(s):
    h = Header()
    for (n,) in s.take(r"chunk (\d+)"):
        h.chunk_log2 = int(n)
    for (n,) in s.take(r"units (\d+)"):
        h.units = int(n)
    for words, at in s.take(r"slot add ?(.*?)(?: at (\d+))?"):
        given = dict(w.split("=", 1) for w in words.split())
        slot = Slot()
        for n in range(int(given.get("count", "1"))):
            salt = bytes([number(given["salt"])]) * 12 + struct.pack(">I", n) if "salt" in given else container.SALT
            slot = Slot(salt=salt)
            if "raw" in given:
                slot.raw = data(given["raw"])
            slot.passphrase = {"other": b"another passphrase", "nobody": None}.get(given.get("passphrase"), slot.passphrase)
            slot.passes, slot.memory = number(given.get("passes", "2")), number(given.get("memory", "65536"))
            h.slots.insert(int(at) if at else len(h.slots), slot)
    for n, key, value in s.take(r"slot (\d+)\.(\w+) = (.*)"):
        slot = h.slots[int(n)]
        late = key in ("commitment", "wrapped")
        (slot.late if late else slot.changes).append((key, changer(value)))
    for n, key, value in s.take(r"slot (\d+) written\.(\w+) = (.*)"):
        h.slots[int(n)].late.append((key, changer(value)))
    for (n,) in s.take(r"slot (\d+) wraps another key"):
        h.slots[int(n)].other_key = True
    for (n,) in s.take(r"slot (\d+) drop"):
        del h.slots[int(n)]
    for which, key, value in s.take(r"(header|front|copy)\.([\w@]+) = (.*)"):
        (h.both if which == "header" else h.only[which]).append((key, changer(value)))
    return h


class Vector:
    """An archive made from a recipe: `bytes`, `tar`, `entries`."""

    def __init__(self, recipe):
        s = Statements(recipe.lines)
        h = make_header(s)
        t = Tree(s)
        chunk = 1 << h.chunk_log2
        records = Records(s, t, chunk)
        front = h.make()
        books = Books(len(t.tar_bytes), len(t.list), records.warnings, records.lies)
        sealed = [(r, books.add(r, h)) for r in records.list]
        for which, verb, other in records.late:
            i = [r.name for r, _ in sealed].index(which)
            if verb == "drop":
                del sealed[i]
            elif verb == "repeat":
                sealed.insert(i, sealed[i])
            else:
                k = [r.name for r, _ in sealed].index(other)
                sealed[i], sealed[k] = sealed[k], sealed[i]
        self.tar, self.entries, self.header = t.tar_bytes, t.entries, h
        self.chunks = [(r.name, len(r.content)) for r, _ in sealed if r.kind == DATA]
        self.assemble(s, front, h, sealed)
        if s.lines:
            raise RecipeError("%s: not understood: %s" % (recipe.path, s.lines[0]))

    def assemble(self, s, front, h, sealed):
        places, body = {}, b""
        for r, raw in sealed:
            places[r.name] = len(front) + len(body)
            body += raw
        copy = h.finish("copy")
        places["copy"] = len(front) + len(body)
        places["tail"] = places["copy"] + len(copy)
        length = len(front) + len(body) + len(copy) + 32
        changes = [(key, changer(value)) for key, value in s.take(r"tail\.(\w+) = (.*)")]
        raw = front + body + copy + container.tail(h.units, length, changes)
        places["end_of_file"] = len(raw)

        def place(text):
            where, sign, n = re.fullmatch(r"(\w+)([+-]?)(\w*)", text).groups()
            at = places[where] if where in places else int(where)
            return at + int(sign + n) if sign else at

        for verb, value in s.take(r"file (cut at|append|prepend|insert|flip|twice|lines) ?(.*)"):
            if verb == "cut at":
                raw = raw[: place(value)]
            elif verb == "append":
                raw += data(value)
            elif verb == "prepend":
                raw = data(value) + raw
            elif verb == "flip":
                at = place(value)
                raw = raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]
            elif verb == "insert":
                at, value = value.split()
                raw = raw[: place(at)] + data(value) + raw[place(at) :]
            elif verb == "twice":
                raw += raw
            else:
                raw = raw.replace(b"\n", b"\r\n")
        self.bytes = raw

    def released(self, length):
        """The SHA-256 of the first bytes of the tar."""
        return hashlib.sha256(self.tar[:length]).hexdigest()
