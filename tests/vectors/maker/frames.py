"""zstd frames (RFC 8878) of raw and run-length blocks, and ways in which they can be wrong.

Nothing is compressed, so the bytes depend on no version of a library.
"""

import re
import struct

MAGIC = 0xFD2FB528
BLOCK = 128 * 1024
RUN = re.compile(rb"(.)\1{15,}", re.DOTALL)
M = 2**64 - 1
P1, P2, P3, P4, P5 = (
    0x9E3779B185EBCA87,
    0xC2B2AE3D27D4EB4F,
    0x165667B19E3779F9,
    0x85EBCA77C2B2AE63,
    0x27D4EB2F165667C5,
)


def rotl(x, n):
    return (x << n | x >> (64 - n)) & M


def xxh64(data):
    """XXH64 with seed 0, of which a frame's content checksum is the lower half."""

    def step(acc, lane):
        return rotl((acc + lane * P2) & M, 31) * P1 & M

    i, n = 0, len(data)
    if n >= 32:
        acc = [(P1 + P2) & M, P2, 0, -P1 & M]
        while i + 32 <= n:
            for k, lane in enumerate(struct.unpack_from("<4Q", data, i)):
                acc[k] = step(acc[k], lane)
            i += 32
        h = sum(rotl(a, r) for a, r in zip(acc, (1, 7, 12, 18))) & M
        for a in acc:
            h = ((h ^ step(0, a)) * P1 + P4) & M
    else:
        h = P5
    h = (h + n) & M
    while i + 8 <= n:
        lane = struct.unpack_from("<Q", data, i)[0]
        h = (rotl(h ^ step(0, lane), 27) * P1 + P4) & M
        i += 8
    if i + 4 <= n:
        lane = struct.unpack_from("<I", data, i)[0]
        h = (rotl(h ^ lane * P1 & M, 23) * P2 + P3) & M
        i += 4
    for byte in data[i:]:
        h = rotl(h ^ byte * P5 & M, 11) * P1 & M
    h = (h ^ h >> 33) * P2 & M
    h = (h ^ h >> 29) * P3 & M
    return h ^ h >> 32


def blocks(content, limit):
    """Runs of 16 equal bytes and more as run-length blocks, the rest raw."""
    found, raw = [], 0
    for m in RUN.finditer(content):
        found += [(0, content[k : min(k + limit, m.start())], 0) for k in range(raw, m.start(), limit)]
        found += [(1, m.group()[:1], min(limit, m.end() - k)) for k in range(m.start(), m.end(), limit)]
        raw = m.end()
    found += [(0, content[k : k + limit], 0) for k in range(raw, len(content), limit)]
    found = found or [(0, b"", 0)]
    out = b""
    for n, (kind, body, run) in enumerate(found):
        head = (n == len(found) - 1) | kind << 1 | (run or len(body)) << 3
        out += struct.pack("<I", head)[:3] + body
    return out


def window_bytes(descriptor):
    base = 1 << (10 + (descriptor >> 3))
    return base + base // 8 * (descriptor & 7)


def frame(content, **how):
    """One frame with its content size. `how`, each one thing that can be otherwise:

    magic     another number in front
    size      the content size in the header; "none": without
    window    the window descriptor, in place of a single segment
    dictionary  an id of four bytes
    reserved  the reserved bit of the descriptor
    checksum  "yes": the content checksum; "wrong"
    cut       so many bytes missing at the end
    more      bytes behind
    """
    size = how.get("size", len(content))
    window, dictionary = how.get("window"), how.get("dictionary")
    single = window is None and size != "none"
    if not single and window is None:
        window = 0
        while window_bytes(window) < len(content):
            window += 8
    descriptor = 0x20 if single else 0
    descriptor |= (3 if dictionary is not None else 0) | (8 if how.get("reserved") else 0)
    descriptor |= 4 if how.get("checksum") else 0
    head = b""
    if not single:
        head += bytes([window])
    if dictionary is not None:
        head += struct.pack("<I", dictionary)
    if size != "none":
        if size < 256 and single:
            head += bytes([size])
        elif 256 <= size < 65536 + 256:
            descriptor |= 0x40
            head += struct.pack("<H", size - 256)
        elif size < 2**32:
            descriptor |= 0x80
            head += struct.pack("<I", size)
        else:
            descriptor |= 0xC0
            head += struct.pack("<Q", size)
    limit = BLOCK if single else min(BLOCK, window_bytes(window))
    out = struct.pack("<IB", how.get("magic", MAGIC), descriptor) + head
    out += blocks(content, max(1, min(limit, max(len(content), 1))))
    if how.get("checksum"):
        out += struct.pack("<I", (xxh64(content) ^ (how["checksum"] == "wrong")) & 0xFFFFFFFF)
    return out[: len(out) - how.get("cut", 0)] + how.get("more", b"")
