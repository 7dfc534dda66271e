"""The trees that tests/bench/run measures with. Each is built once and kept.

    srv       like the volume of a PMM server: a real PostgreSQL cluster, a real
              VictoriaMetrics store, files of compressed columns as ClickHouse keeps them
              (made up here: LZ4, and some that do not compress at all), logs, plugins
    packed    only the VictoriaMetrics and column files of srv: hardly compressible, and on
              an old server the largest part
    small     many small files
    entries   very many entries: empty files, symlinks, a tenth with a few bytes
    stream    one size of bytes in a few large files, all blocks different
    files     incompressible files of 1 MiB, so that the archive is as large as the tree
"""
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

MIB = 1 << 20
POSTGRES = "/usr/lib/postgresql/15/bin"
VICTORIA = "/usr/bin/victoria-metrics"

FULL = {"pgbench": 40, "series": 2000, "samples": 10000, "columns": 90, "log": 80, "plugins": 2000,
        "small": 100_000, "entries": 1_000_000, "small_stream": 100, "large_stream": 10_000,
        "files": 1000}
QUICK = {"pgbench": 4, "series": 200, "samples": 10000, "columns": 8, "log": 8, "plugins": 200,
         "small": 10_000, "entries": 100_000, "small_stream": 50, "large_stream": 500,
         "files": 100}


def say(text):
    print(text, file=sys.stderr, flush=True)


def stop(process, signal, seconds=120):
    """End a server by its own process, and insist that it ended well."""
    process.send_signal(signal)
    if process.wait(seconds) != 0:
        raise RuntimeError(f"{process.args[0]} ended with status {process.returncode}")


# ---- the databases ----

def postgres(path, log, scale):
    """A cluster that pgbench filled, stopped cleanly. It listens on a private socket only."""
    as_user = {}
    if os.geteuid() == 0:  # PostgreSQL does not run as root
        as_user = {"user": "postgres", "group": "postgres", "extra_groups": []}
        shutil.chown(path, "postgres", "postgres")
    os.chmod(path, 0o700)
    sockets = tempfile.mkdtemp(prefix="pmm-seal-bench.", dir="/tmp")
    if as_user:
        shutil.chown(sockets, "postgres", "postgres")

    def client(*command):
        subprocess.run([f"{POSTGRES}/{command[0]}", "-h", sockets, "-U", "postgres", *command[1:]],
                       check=True, cwd=sockets, stdout=log, stderr=log, **as_user)

    try:
        subprocess.run([f"{POSTGRES}/initdb", "-D", path, "-U", "postgres", "-A", "trust", "-k"],
                       check=True, cwd=sockets, stdout=log, **as_user)
        server = subprocess.Popen(
            [f"{POSTGRES}/postgres", "-D", path, "-k", sockets, "-h", "",
             "-c", "max_wal_size=128MB", "-c", "min_wal_size=32MB"],
            cwd=sockets, stdout=log, stderr=log, **as_user)
        try:
            for _ in range(300):
                if os.path.exists(f"{sockets}/.s.PGSQL.5432.lock"):
                    break
                time.sleep(0.1)
            time.sleep(0.5)
            client("pgbench", "-q", "-i", "-s", str(scale))
            client("pgbench", "-n", "-t", str(50 * scale), "-c", "2")
        finally:
            stop(server, 2)
    finally:
        shutil.rmtree(sockets)


def samples(rng, series, n):
    """One series as VictoriaMetrics imports it: a counter, a gauge or a measured time."""
    start, kind, value, values = 1_767_225_600_000, series % 4, 0.0, []
    for _ in range(n):
        if kind == 0:
            value += rng.randrange(0, 5000)
        elif kind == 1:
            value = round(rng.gauss(50, 12), 2)
        elif kind == 2:
            value += round(rng.expovariate(3), 4)
        else:
            value = rng.random()
        values.append(value)
    return {"metric": {"__name__": f"bench_metric_{series % 100}", "instance": f"db{series // 100}",
                       "job": "bench"},
            "values": values, "timestamps": [start + 10_000 * i + rng.randrange(40) for i in range(n)]}


def victoria(path, log, series, n):
    """A store that took series * n samples, stopped cleanly."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{s.getsockname()[1]}"

    def ask(what, body=None):
        with urllib.request.urlopen(f"http://{address}{what}", body, 120) as answer:
            return answer.read()

    server = subprocess.Popen([VICTORIA, "-storageDataPath", path, "-httpListenAddr", address,
                               "-retentionPeriod", "100y"], stdout=log, stderr=log)
    try:
        for _ in range(300):
            try:
                ask("/health")
                break
            except OSError:
                time.sleep(0.1)
        rng = random.Random(1)
        for first in range(0, series, 50):
            lines = [json.dumps(samples(rng, s, n)) for s in range(first, min(first + 50, series))]
            ask("/api/v1/import", "\n".join(lines).encode())
        ask("/internal/force_flush")
    finally:
        stop(server, 2)


# ---- files made up ----

def words(rng, size):
    """Text that compresses about as well as logs and sources do."""
    vocabulary = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randrange(2, 11)))
                  for _ in range(400)]
    out, have = [], 0
    while have < size:
        line = " ".join(rng.choices(vocabulary, k=12))
        out.append(line)
        have += len(line) + 1
    return "\n".join(out).encode()[:size]


def columns(path, mib):
    """Columns as ClickHouse keeps them: two of three compressed with LZ4, one of random bytes."""
    rng = random.Random(2)
    for n in range(max(1, mib // 2)):
        part = os.path.join(path, "store", f"{n // 8:03}", f"202601_{n}_{n}_0")
        os.makedirs(part, exist_ok=True)
        with open(os.path.join(part, f"column{n % 8}.bin"), "wb") as f:
            if n % 3 == 2:
                f.write(rng.randbytes(2 * MIB))
                continue
            rows = "".join(f"{1_767_225_600 + i},{rng.randrange(50)},{rng.randrange(10 ** 7)},"
                           f"SELECT {rng.randrange(200)}\n" for i in range(110_000))
            subprocess.run(["zstd", "--format=lz4", "-q", "-1", "-c"], input=rows.encode(),
                           stdout=f, check=True)


def log_files(path, mib):
    rng = random.Random(3)
    per_file = 8 * MIB
    for n in range(max(1, mib // 8)):
        with open(os.path.join(path, f"pmm-managed.log.{n}"), "w") as f:
            while f.tell() < per_file:
                f.writelines(
                    f"2026-01-{n % 28 + 1:02}T{i % 24:02}:{i % 60:02}:{rng.randrange(60):02}.{rng.randrange(1000):03}Z"
                    f" level=info component=agent/{rng.randrange(300)} msg=\"state changed\""
                    f" took={rng.random():.6f}s id={rng.getrandbits(64):016x}\n" for i in range(5000))


def small_files(path, n, least, most):
    rng = random.Random(4)
    text = words(rng, 4 * MIB)
    for i in range(n):
        if i % 100 == 0:
            below = os.path.join(path, f"d{i // 10000:03}", f"d{i // 100 % 100:02}")
            os.makedirs(below)
        size, start = rng.randrange(least, most), rng.randrange(3 * MIB)
        with open(os.path.join(below, f"file{i}.js"), "wb") as f:
            f.write(text[start:start + size])


def many_entries(path, n):
    for i in range(n):
        if i % 1000 == 0:
            below = os.path.join(path, f"d{i // 1000:04}")
            os.mkdir(below)
        name = os.path.join(below, f"entry{i}")
        if i % 10 == 1:
            os.symlink(f"entry{i - 1}", name)
        else:
            with open(name, "wb") as f:
                if i % 10 == 0:
                    f.write(b"a few bytes of %d\n" % i)


def large_files(path, mib):
    """Blocks of 1 MiB, half text and half random; a number in each makes all different."""
    rng = random.Random(5)
    text, noise = words(rng, 4 * MIB), rng.randbytes(4 * MIB)
    for first in range(0, mib, 1000):
        with open(os.path.join(path, f"part{first:06}"), "wb") as f:
            for i in range(first, min(first + 1000, mib)):
                at = rng.randrange(3 * MIB)
                f.write(b"%016d" % i + text[at:at + MIB // 2 - 16] + noise[at:at + MIB // 2])


def random_files(path, n):
    rng = random.Random(6)
    for i in range(n):
        below = os.path.join(path, f"d{i // 100:02}")
        os.makedirs(below, exist_ok=True)
        with open(os.path.join(below, f"file{i:04}"), "wb") as f:
            f.write(rng.randbytes(MIB))


# ---- the trees ----

class Trees:
    def __init__(self, data, quick):
        self.size = QUICK if quick else FULL
        self.data = os.path.join(data, "quick" if quick else "full")
        os.makedirs(self.data, exist_ok=True)

    def once(self, name, build):
        """Call build(path) unless that was done before. What was half done is made again."""
        path, done = f"{self.data}/{name}", f"{self.data}/{name.replace('/', '-')}.done"
        if not os.path.exists(done):
            say(f"building {path} ...")
            shutil.rmtree(path, ignore_errors=True)
            os.makedirs(path)
            build(path)
            open(done, "w").close()
        return path

    def srv(self):
        size = self.size
        with open(f"{self.data}/servers.log", "ab") as log:
            self.once("srv/postgres14", lambda p: postgres(p, log, size["pgbench"]))
            self.once("srv/victoriametrics",
                      lambda p: victoria(p, log, size["series"], size["samples"]))
        self.once("srv/clickhouse", lambda p: columns(p, size["columns"]))
        self.once("srv/logs", lambda p: log_files(p, size["log"]))
        self.once("srv/plugins", lambda p: small_files(p, size["plugins"], 1000, 20000))
        return f"{self.data}/srv"

    def packed(self):
        parts = [f"{self.srv()}/{part}" for part in ("victoriametrics", "clickhouse")]
        return self.once("packed", lambda p: subprocess.run(["cp", "-a", *parts, p], check=True))

    def small(self):
        return self.once("small", lambda p: small_files(p, self.size["small"], 100, 4000))

    def entries(self):
        return self.once("entries", lambda p: many_entries(p, self.size["entries"]))

    def stream(self, which):
        return self.once(which, lambda p: large_files(p, self.size[which]))

    def files(self):
        return self.once("files", lambda p: random_files(p, self.size["files"]))
