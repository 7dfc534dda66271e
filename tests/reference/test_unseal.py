#!/usr/bin/python3
"""unseal.py on the archive of example.py, whole, changed and cut.

Promises: a whole archive gives its tar; with any byte changed or missing it gives no other byte
than the tar's, in order, and never exit status 0.
"""

import io
import subprocess
import sys
import unittest

import example
import unseal

ARCHIVE = example.Example().archive
HEADER = 4096
COPY = len(ARCHIVE) - 32 - HEADER


class Keeping:
    """Argon2id, once for each input: thousands of archives here have the same."""

    def __init__(self, real):
        self.real, self.known = real, {}

    def kdf(self, *args, **kwargs):
        key = (args, tuple(sorted(kwargs.items())))
        if key not in self.known:
            self.known[key] = self.real.kdf(*args, **kwargs)
        return self.known[key]


unseal.argon2id = Keeping(unseal.argon2id)


def run(archive, passphrase=example.PASSPHRASE):
    """Returns exit status and output."""
    out = io.BytesIO()
    try:
        unseal.unseal(io.BytesIO(archive), out, passphrase)
        return 0, out.getvalue()
    except unseal.Failure as why:
        return why.args[1], out.getvalue()


GOOD = run(ARCHIVE)[1]


class Tests(unittest.TestCase):
    def test_a_whole_archive_gives_its_tar(self):
        self.assertEqual(run(ARCHIVE)[0], 0)
        tar = unseal.zstandard.ZstdDecompressor().decompressobj().decompress(GOOD[16:])
        self.assertEqual(tar, example.tar())

    def test_the_program_gives_it_too(self):
        done = subprocess.run(
            [sys.executable, unseal.__file__, "-"],
            input=ARCHIVE,
            capture_output=True,
            env={"PMM_SEAL_PASSPHRASE": example.PASSPHRASE.decode() + "\n"},
            check=True,
        )
        self.assertEqual(done.stdout, GOOD)

    def test_a_wrong_passphrase_is_told_from_damage(self):
        self.assertEqual(run(ARCHIVE, b"wrong"), (4, b""))

    def test_any_byte_changed_is_noticed(self):
        for at in range(len(ARCHIVE)):
            bad = bytearray(ARCHIVE)
            bad[at] ^= 0x41
            status, out = run(bytes(bad))
            self.assertEqual(status, 3 if at >= COPY else 5, "byte %d" % at)
            self.assertTrue(GOOD.startswith(out))
            self.assertTrue(at >= HEADER or out == b"")

    def test_any_cut_is_noticed(self):
        for size in range(len(ARCHIVE)):
            status, out = run(ARCHIVE[:size])
            self.assertEqual(status, 5, "%d bytes" % size)
            self.assertTrue(GOOD.startswith(out))

    def test_what_follows_is_noticed(self):
        self.assertEqual(run(ARCHIVE + b"\0")[0], 5)
        self.assertEqual(run(ARCHIVE + ARCHIVE)[0], 5)

    def test_records_lost_doubled_or_swapped_are_noticed(self):
        records, at = [], HEADER
        while at < COPY:
            size = 32 + int.from_bytes(ARCHIVE[at + 8 : at + 12], "little")
            records.append(ARCHIVE[at : at + size])
            at += size

        def with_records(chosen):
            return run(ARCHIVE[:HEADER] + b"".join(chosen) + ARCHIVE[COPY:])[0]

        self.assertEqual(with_records(records), 0)
        for i in range(len(records)):
            self.assertEqual(with_records(records[:i] + records[i + 1 :]), 5)
            self.assertEqual(with_records(records[: i + 1] + records[i:]), 5)
            if i > 0:
                swapped = records[: i - 1] + [records[i], records[i - 1]] + records[i + 1 :]
                self.assertEqual(with_records(swapped), 5)


if __name__ == "__main__":
    unittest.main()
