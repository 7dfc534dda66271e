"""The commands that faults are tried in: each makes its place, runs, and is looked at afterwards."""

import collections
import glob
import hashlib
import os
import shutil
import stat
import subprocess

OLD_PASS = 'correct horse battery staple of Lviv 1852'
NEW_PASS = 'an entirely different phrase, 1764 of them'
TIMEOUT = 60  # seconds: a run that hangs

SHIM = PROGRAM = SRC = BIG = ARCHIVE = DIRECTORY = None  # set by build()
PASS = {}
OLD_TREE, NEW_TREE = {}, {}  # snapshots: what stands in a target, and what a restore makes of it

Run = collections.namedtuple('Run', 'status said out')


# ---- running ----

def start(command, w, env):
    stream = command.stdout(w)
    out = open(stream, 'wb') if stream else subprocess.PIPE
    try:
        p = subprocess.run([PROGRAM] + command.argv(w), env=env, stdin=subprocess.DEVNULL, stdout=out,
                           stderr=subprocess.PIPE, timeout=TIMEOUT, cwd=w)
        return Run(p.returncode, text(p.stderr), text(p.stdout or b''))
    except subprocess.TimeoutExpired:
        return Run(255, 'it hangs', '')
    finally:
        if stream:
            out.close()


def text(said):
    return said.decode(errors='replace').strip()


def clean(**more):
    """The environment of a run in which nothing fails."""
    return dict({'PATH': '/usr/bin:/bin', 'LC_ALL': 'C.UTF-8', 'LD_PRELOAD': SHIM, 'FAULT_KDF': '1'}, **more)


def seal(*argv, passphrase='old'):
    p = subprocess.run([PROGRAM] + list(argv), env=clean(PMM_SEAL_PASSPHRASE_FILE=PASS[passphrase]),
                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=TIMEOUT)
    return Run(p.returncode, text(p.stdout + p.stderr), '')


# ---- trees ----

def one(path):
    st = os.lstat(path)
    what = b''
    if stat.S_ISREG(st.st_mode):
        with open(path, 'rb') as f:
            what = hashlib.sha1(f.read()).hexdigest()
    elif stat.S_ISLNK(st.st_mode):
        what = os.readlink(path)
    attrs = sorted((n, os.getxattr(path, n, follow_symlinks=False)) for n in os.listxattr(path, follow_symlinks=False))
    links = st.st_nlink if stat.S_ISREG(st.st_mode) else 0
    return (st.st_mode, st.st_uid, st.st_gid, st.st_mtime_ns, links, what, attrs)


def snapshot(top):
    tree = {'.': one(top)}
    for base, dirs, files in os.walk(top):
        for name in dirs + files:
            path = os.path.join(base, name)
            tree[os.path.relpath(path, top)] = one(path)
    return tree


def root_time_aside(tree):
    return {k: v[:3] + (0,) + v[4:] if k == '.' else v for k, v in tree.items()}


def differs(a, b):
    for path in sorted(set(a) | set(b)):
        if a.get(path) != b.get(path):
            return f'{path}: {a.get(path)} and not {b.get(path)}'
    return None


def make_source(d):
    os.makedirs(f'{d}/nginx/deep')
    os.makedirs(f'{d}/logs')
    os.mkdir(f'{d}/empty', 0o711)
    for name, text in ('pmm-distribution', 'docker\n'), ('hello', 'hello\n'), ('nginx/conf', 'server {}\n' * 99), \
            ('zero', ''), ('lines', 'a line\n' * 3000), ('nginx/deep/key', 'secret\n'):
        with open(f'{d}/{name}', 'w') as f:
            f.write(text)
    os.link(f'{d}/nginx/conf', f'{d}/nginx/conf.hard')
    os.symlink('../hello', f'{d}/nginx/link')
    os.mkfifo(f'{d}/nginx/pipe', 0o600)
    with open(f'{d}/random', 'wb') as f:
        f.write(hashlib.shake_128(b'random').digest(60000))
    with open(f'{d}/sparse', 'wb') as f:
        f.write(b'begin')
        f.seek(200000)
        f.write(b'middle')
        f.truncate(300000)
    os.setxattr(f'{d}/hello', 'user.one', b'1')
    os.setxattr(f'{d}/hello', 'user.two', b'2' * 2000)
    os.setxattr(f'{d}/nginx', 'user.three', b'\0\1\2')
    acl = bytes.fromhex('02000000' '01000600ffffffff' '02000400e8030000' '04000400ffffffff' '10000400ffffffff'
                        '20000000ffffffff')
    os.setxattr(f'{d}/zero', 'system.posix_acl_access', acl)
    os.chmod(f'{d}/nginx/deep/key', 0o600)
    if os.geteuid() == 0:
        os.chown(f'{d}/nginx/deep/key', 1000, 1000)
    for base, dirs, files in os.walk(d, topdown=False):
        for name in files + dirs:
            os.utime(f'{base}/{name}', ns=(0, 1700000000123456789), follow_symlinks=False)
    os.utime(d, ns=(0, 1600000000987654321))


def make_old(d):
    """What stands in a target."""
    os.makedirs(f'{d}/lost+found')
    os.makedirs(f'{d}/nginx/old')
    os.mkdir(f'{d}/logs')
    for name in 'pmm-distribution', 'hello', 'nginx/old/file':
        with open(f'{d}/{name}', 'w') as f:
            f.write('what stood here\n')
    os.setxattr(f'{d}/hello', 'user.old', b'old')
    for base, dirs, files in os.walk(d, topdown=False):
        for name in files + dirs:
            os.utime(f'{base}/{name}', ns=(0, 1500000000000000000))
    os.chmod(d, 0o750)
    os.utime(d, ns=(0, 1500000000000000001))


# ---- looking ----

def whole(archive, passphrase='old', source=None):
    """None, or what is wrong with an archive: everything in it is compared with the source."""
    r = seal('diff', archive, source or SRC, passphrase=passphrase)
    return None if r.status == 0 else f'{os.path.basename(archive)}: diff: {r.status}: {r.said}'


def listed(archive):
    """What diff does not look at: the names of owners."""
    return seal('list', '--long', archive).said


def left_behind(d, but=()):
    """Names of ours that no run may leave."""
    names = [n for n in os.listdir(d) if n.startswith('.') and n not in but]
    return [f'left behind: {n}' for n in names]


STATE = ('.pmm-seal.lock', '.pmm-seal.verified')


class Command:
    name = None

    def prepare(self, w):
        pass

    def argv(self, w):
        raise NotImplementedError

    def stdout(self, w):
        return None

    def check(self, run, w, fault):
        """What is wrong after the run; fault is None for the one without."""
        raise NotImplementedError

    def also(self, kind, way):
        """Statuses that are in order besides 0, 1 and 3."""
        # A passphrase file that cannot be opened: there is none.
        return {4} if kind in ('open', 'stat', 'read') else set()

    def again(self, w):
        """The same, and nothing fails: it has to succeed."""
        r = start(self, w, clean())
        return [] if r.status == 0 else [f'the next run: {r.status}: {r.said}']


def common(*argv):
    return [*argv, '--passphrase-file', PASS['old']]


def incomplete(run):
    """What could not be read of the source is told by status 3, and in the archive."""
    return run.status == 3 and any(i in run.said for i in ('[read-error]', '[file-unreadable]', '[dir-unreadable]',
                                                    '[xattr-unreadable]')) and 'not enough memory' not in run.said


def good(run):
    return run.status in (0, 3)


def like_killed(run, fault):
    """No chance to clear up: killed, also by a library that does not look at what malloc gives it. Where libarchive
    has no memory for a string, it ends the process."""
    return run.status < 0 or 'Fatal Internal Error in libarchive' in run.said or \
        (fault is not None and fault[1].endswith('*'))


class Backup(Command):
    """Into a directory with an older archive, which the new one replaces."""
    name = 'backup to a directory'

    def prepare(self, w):
        os.mkdir(f'{w}/d')
        shutil.copy2(ARCHIVE, f'{w}/d')

    def argv(self, w):
        return common('backup', '--kdf', 'interactive', '--accept', 'database-external', '--keep-last', '1',
                      '-o', f'{w}/d/', SRC)

    def check(self, run, w, fault):
        old = f'{w}/d/' + os.path.basename(ARCHIVE)
        wrong = []
        new = [a for a in glob.glob(f'{w}/d/*.pmmseal') if a != old]
        told = incomplete(run)
        for a in new:
            why = None if told else whole(a)
            if why:
                wrong.append(why)
        if good(run) and len(new) != 1:
            wrong.append(f'{len(new)} new archives after status {run.status}')
        if run.status == 0 and os.path.exists(old):
            wrong.append('the old archive should have gone')
        if not new and (not os.path.exists(old) or not same_file(old, ARCHIVE)):
            wrong.append('the old archive is not what it was')
        if not like_killed(run, fault) and not (fault and fault[0] == 'unlink'):
            wrong += left_behind(f'{w}/d', STATE)
        if not wrong:
            wrong += self.again(w)
            wrong += left_behind(f'{w}/d', STATE)
            n = len(glob.glob(f'{w}/d/*.pmmseal'))
            if n != 1:
                wrong.append(f'{n} archives after the next run')
        return wrong


def same_file(a, b):
    with open(a, 'rb') as f, open(b, 'rb') as g:
        return f.read() == g.read()


class BackupFile(Command):
    """In the place of an older one, unverified."""
    name = 'backup to a file'

    def prepare(self, w):
        os.mkdir(f'{w}/d')
        shutil.copy2(ARCHIVE, f'{w}/d/a.pmmseal')

    def argv(self, w):
        return common('backup', '--kdf', 'interactive', '--accept', 'database-external', '--allow-weak-passphrase',
                      '--force', '-o', f'{w}/d/a.pmmseal', SRC)

    def check(self, run, w, fault):
        a = f'{w}/d/a.pmmseal'
        wrong = []
        if same_file(a, ARCHIVE):
            if good(run):
                wrong.append(f'status {run.status}, and the archive is the old one')
        elif not incomplete(run) and whole(a):
            wrong.append(whole(a))
        elif good(run) and fault and fault[0] in ('malloc', 'read') and listed(a) != listed(ARCHIVE):
            wrong.append(f'names are missing: {listed(a)}')
        if not like_killed(run, fault) and not (fault and fault[0] == 'unlink'):
            wrong += left_behind(f'{w}/d')
        if not wrong and not good(run):
            wrong += self.again(w)
            wrong += left_behind(f'{w}/d')
        return wrong


class BackupStream(Command):
    """Of several chunks, so that threads are at work when something fails."""
    name = 'backup to -'

    def argv(self, w):
        return common('backup', '--kdf', 'interactive', '--accept', 'database-external', '--allow-weak-passphrase',
                      '-o', '-', BIG)

    def stdout(self, w):
        return f'{w}/out.pmmseal'

    def check(self, run, w, fault):
        if not good(run) or incomplete(run):
            return []
        why = whole(f'{w}/out.pmmseal', source=BIG)
        return [why] if why else []


class Restore(Command):
    """Into a target that is absent."""
    name = 'restore'
    replace = False

    def argv(self, w):
        # The next run finds what this one has put in its place.
        more = ['--replace'] if self.replace or os.path.exists(f'{w}/t') else []
        return common('restore', '--accept', 'database-external', *more, ARCHIVE, f'{w}/t')

    def tree(self, w):
        return snapshot(f'{w}/t') if os.path.lexists(f'{w}/t') else {}

    def before(self):
        return {}

    def expected(self):
        return NEW_TREE

    def check(self, run, w, fault):
        wrong = []
        killed = like_killed(run, fault)
        now, new = self.tree(w), self.expected()
        if good(run):
            if '[old-not-removed]' in run.said:
                now = {k: v for k, v in now.items() if not k.startswith('.pmm-seal')}
            why = differs(now, new)
            if why:
                wrong.append(f'status {run.status}, and the target is not whole: {why}')
        else:
            wrong += self.check_failed(run, w, now, self.before(), new, killed)
        if not killed and not (fault and fault[0] == 'unlink' or self.told_left(run)):
            wrong += left_behind(w)
            if now:
                wrong += left_behind(f'{w}/t')
        if not wrong and not good(run):
            wrong += self.again(w)
            why = differs(self.tree(w), new)
            if why:
                wrong.append(f'after the next run the target is not whole: {why}')
            wrong += left_behind(w) + left_behind(f'{w}/t')
        return wrong

    def told_left(self, run):
        return '[old-not-removed]' in run.said or 'is kept in' in run.said

    def check_failed(self, run, w, now, old, new, killed):
        if not differs(now, old) or not differs(now, new):
            return []
        return [f'status {run.status}, and the target is neither as it was nor whole: {differs(now, old)}; '
                f'{differs(now, new)}']


class Replace(Restore):
    """Beside a target with content, and exchanged for it."""
    name = 'restore --replace'
    replace = True

    def prepare(self, w):
        make_old(f'{w}/t')
        os.rmdir(f'{w}/t/lost+found')
        os.utime(f'{w}/t', ns=(0, 1500000000000000001))

    def before(self):
        return {k: v for k, v in OLD_TREE.items() if k != 'lost+found'}


class ReplaceInside(Restore):
    """Where the target keeps its place: all its names are swapped, with a journal."""
    name = 'restore --replace in a mount'
    replace = True

    def prepare(self, w):
        make_old(f'{w}/t')

    def before(self):
        return OLD_TREE

    def expected(self):
        return dict(NEW_TREE, **{'lost+found': OLD_TREE['lost+found']})

    def check_failed(self, run, w, now, old, new, killed):
        wrong = super().check_failed(run, w, now, old, new, killed)
        if not wrong or not (killed or 'is kept in' in run.said):
            return wrong
        # Half old, half new: it must not look like a volume, and the next run, here one that is refused,
        # makes it whole again.
        done = glob.glob(f'{w}/t/.pmm-seal-old.*/.pmm-seal-done')
        wrong = self.check_half(root_aside(now), root_aside(old), root_aside(new))
        r = seal('restore', ARCHIVE, f'{w}/t')
        if r.status != 7:
            wrong.append(f'a restore to a target with content: {r.status}: {r.said}')
        after = self.tree(w)
        # The time of the target itself is the last that is set, and went when something was made in it.
        if differs(root_time_aside(after), root_time_aside(new)) and \
                (done or differs(root_time_aside(after), root_time_aside(old))):
            wrong.append(f'tidied up, and the target is neither as it was nor whole (done: {bool(done)}): '
                         f'{differs(after, old)}; {differs(after, new)}')
        return wrong

    def check_half(self, now, old, new):
        if 'pmm-distribution' in now and now not in (old, new):
            return [f'half swapped, and it looks like a volume: {differs(now, new)}']
        return []


class ReplacePath(ReplaceInside):
    """Only some of the target is swapped; its own metadata are not restored."""
    name = 'restore --replace of a path'

    def argv(self, w):
        return super().argv(w) + ['nginx', 'hello']

    def tree(self, w):
        return root_time_aside(super().tree(w))

    def before(self):
        return root_time_aside(OLD_TREE)

    def expected(self):
        def ours(path):
            return path == 'hello' or (path + '/').startswith('nginx/')
        return root_time_aside({**{k: v for k, v in OLD_TREE.items() if not ours(k)},
                                **{k: v for k, v in NEW_TREE.items() if ours(k)}})

    def check_half(self, now, old, new):
        return []


def root_aside(tree):
    return {k: v for k, v in tree.items() if k != '.' and not k.startswith('.pmm-seal')}


class Rekey(Command):
    """Without a look at the new passphrase: zxcvbn does not ask whether malloc gave it memory."""
    name = 'rekey'

    def prepare(self, w):
        shutil.copy2(ARCHIVE, f'{w}/a.pmmseal')

    def argv(self, w):
        return common('rekey', '--kdf', 'interactive', '--allow-weak-passphrase', '--new-passphrase-file', PASS['new'],
                      f'{w}/a.pmmseal')

    def check(self, run, w, fault):
        a = f'{w}/a.pmmseal'
        opens = {p: seal('verify', a, passphrase=p) for p in ('old', 'new')}
        both = '; '.join(f'{p}: {r.status}: {r.said}' for p, r in opens.items())
        if good(run):
            ok = opens['new'].status in (0, 3) and opens['old'].status == 4
            return [] if ok else [f'status {run.status}: {both}']
        # One of the headers may be torn: the other one opens the archive, and mends it.
        doors = [p for p, r in opens.items() if r.status in (0, 3) or (r.status == 5 and 'rekey --heal' in r.said)]
        if not doors:
            return [f'status {run.status}, and no passphrase opens it: {both}']
        p = doors[-1]
        healed = seal('rekey', '--heal', a, passphrase=p)
        if healed.status != 0 or seal('verify', a, passphrase=p).status != 0:
            return [f'heal: {healed.status}: {healed.said}']
        why = whole(a, p)
        if why:
            return [why]
        return self.again(w) if p == 'old' else []


def made(name):
    """A key by which names of archives ascend with time: two of one second have a number."""
    stem = name[:-len('.pmmseal')]
    time, _, number = stem.rpartition('-') if stem[-1] != 'Z' else (stem, '', '1')
    return time, int(number)


class Prune(Command):
    name = 'prune'

    def prepare(self, w):
        shutil.copytree(DIRECTORY, f'{w}/d')

    def argv(self, w):
        return common('prune', '--accept', 'database-external', '--keep-last', '1', f'{w}/d')

    def check(self, run, w, fault):
        wrong = []
        before = sorted(n for n in os.listdir(DIRECTORY) if n.endswith('.pmmseal'))
        after = sorted(n for n in os.listdir(f'{w}/d') if n.endswith('.pmmseal'))
        newest = max(before, key=made)
        if newest not in after or not same_file(f'{w}/d/{newest}', f'{DIRECTORY}/{newest}'):
            wrong.append(f'the newest is gone: {after}')
        if run.status == 0 and after != [newest]:
            wrong.append(f'status 0, and {len(after)} archives are left')
        if not like_killed(run, fault) and not (fault and fault[0] == 'unlink'):
            wrong += left_behind(f'{w}/d', STATE)
        if not wrong:
            wrong += self.again(w)
            if left_behind(f'{w}/d', STATE):  # one that had nothing to delete wrote nothing
                start(BACKUP, w, clean())
            wrong += left_behind(f'{w}/d', STATE)
            if len(glob.glob(f'{w}/d/*.pmmseal')) != 1:
                wrong.append('the next run has not ended it')
        return wrong


class VerifyDirectory(Command):
    name = 'verify of a directory'

    def also(self, kind, way):
        # Whether it is a directory or an archive cannot be told.
        return super().also(kind, way) | ({2} if kind == 'stat' else set())

    def prepare(self, w):
        shutil.copytree(DIRECTORY, f'{w}/d')
        os.unlink(f'{w}/d/.pmm-seal.verified')

    def argv(self, w):
        return common('verify', '--accept', 'database-external', f'{w}/d')

    def noted(self, w):
        try:
            with open(f'{w}/d/.pmm-seal.verified') as f:
                return [line.split() for line in f]
        except FileNotFoundError:
            return []

    def check(self, run, w, fault):
        wrong = []
        n = len(glob.glob(f'{DIRECTORY}/*.pmmseal'))
        for line in self.noted(w):
            if line[2] < '2020':
                wrong.append(f'a good archive is noted as damaged: {line}')
        if run.status == 0 and f'{n} archives verified' not in run.out:
            wrong.append(f'status 0, and not all {n} were verified: {run.out}')
        r = seal('list', f'{w}/d')
        if 'damaged' in r.said:
            wrong.append(f'list: {r.said}')
        if not like_killed(run, fault) and not (fault and fault[0] == 'unlink'):
            wrong += left_behind(f'{w}/d', STATE)
        if not wrong:
            wrong += self.again(w)
            wrong += left_behind(f'{w}/d', STATE)
            if len(self.noted(w)) != n and fault is not None:
                wrong.append(f'{len(self.noted(w))} of {n} are noted after the next run')
        return wrong


BACKUP = Backup()
COMMANDS = [BACKUP, BackupFile(), BackupStream(), Restore(), Replace(), ReplaceInside(), ReplacePath(), Rekey(),
            Prune(), VerifyDirectory()]


def all_of():
    return COMMANDS


# ---- what all of them need ----

def build(program, here, place):
    global SHIM, PROGRAM, SRC, BIG, ARCHIVE, DIRECTORY
    PROGRAM = os.path.abspath(program)
    place = os.path.abspath(place)
    SHIM = f'{place}/shim.so'
    subprocess.run(['cc', '-std=gnu11', '-O1', '-fPIC', '-shared', '-Wall', '-o', SHIM, f'{here}/shim.c', '-ldl'],
                   check=True)
    for name, text in ('old', OLD_PASS), ('new', NEW_PASS):
        PASS[name] = f'{place}/{name}.pass'
        with open(PASS[name], 'w', opener=lambda p, f: os.open(p, f, 0o600)) as f:
            f.write(text)
    SRC = f'{place}/src'
    make_source(SRC)
    BIG = f'{place}/big'
    make_source(BIG)
    with open(f'{BIG}/large', 'wb') as f:
        f.write(b'compresses well\n' * 400000)
    DIRECTORY = f'{place}/archives'
    os.mkdir(DIRECTORY)
    for _ in range(3):
        r = seal('backup', '--kdf', 'interactive', '--accept', 'database-external', '-o', f'{DIRECTORY}/', SRC)
        assert r.status == 0, r.said
    ARCHIVE = min(glob.glob(f'{DIRECTORY}/*.pmmseal'), key=made)
    r = seal('restore', '--accept', 'database-external', ARCHIVE, f'{place}/first')
    assert r.status == 0, r.said
    NEW_TREE.update(snapshot(f'{place}/first'))
    assert not differs(NEW_TREE, snapshot(SRC)), differs(NEW_TREE, snapshot(SRC))
    make_old(f'{place}/old')
    OLD_TREE.update(snapshot(f'{place}/old'))
