"""What must be on the disk before what: of a run in which nothing fails, from the shim's list of calls.

A program that is killed shows what the kernel knew; only the order of the calls shows what a loss of power leaves.
"""

import collections
import os
import re

Call = collections.namedtuple('Call', 'name path off len')
MAKES = ('create', 'write', 'mkdir', 'link', 'symlink', 'mknod', 'truncate')


def parse(lines):
    calls = []
    for line in lines:
        name, _, rest = line.partition(' ')
        if name == 'write':
            path, off, length = rest.rsplit(' ', 2)
            calls.append(Call(name, path, int(off), int(length)))
        else:
            calls.append(Call(name, rest, 0, 0))
    return calls


class Log:
    def __init__(self, lines):
        self.calls = parse(lines)

    def all(self, names, pattern):
        """Indices of the calls of these names whose whole path matches."""
        r = re.compile(pattern)
        return [i for i, c in enumerate(self.calls) if c.name in names and r.fullmatch(c.path)]

    def between(self, names, pattern, after, before):
        return any(after < i < before for i in self.all(names, pattern))


def renamed_files(log):
    """A file gets its name when what was written is on the disk, and then the name is."""
    def synced(path, after, before):
        return log.between(('fsync',), re.escape(path), after, before) or log.between(('syncfs',), '.*', after, before)
    wrong = []
    for i, c in enumerate(log.calls):
        if c.name != 'rename-from' or not log.all(('create',), re.escape(c.path)):
            continue
        written = [k for k in log.all(('write', 'truncate'), re.escape(c.path)) if k < i]
        if not written:
            continue
        if not synced(c.path, max(written), i):
            wrong.append(f'{os.path.basename(c.path)} gets its name without a sync')
        if not synced(os.path.dirname(c.path), i, len(log.calls)):
            wrong.append(f'no sync of the directory after {os.path.basename(c.path)} got its name')
    return wrong


def backup(log, w):
    wrong = renamed_files(log)
    named = log.all(('rename-to',), rf'{re.escape(w)}/d/[^.].*\.pmmseal')
    gone = log.all(('unlink',), rf'{re.escape(w)}/d/[^.].*\.pmmseal')
    if len(named) != 1 or len(gone) != 1:
        return wrong + [f'{len(named)} archives were named and {len(gone)} deleted']
    if not log.between(('fsync',), rf'{re.escape(w)}/d', named[0], gone[0]):
        wrong.append('the old archive is deleted before the new one has its name on the disk')
    return wrong


def restore(log, w, replace):
    stage = rf'{re.escape(w)}/\.pmm-seal-restore\.[^/]+'
    moved = log.all(('rename-from',), stage)
    if len(moved) != 1:
        return [f'the staging directory was moved {len(moved)} times']
    made = [i for i in log.all(MAKES, stage + '/.*') if i < moved[0]]
    wrong = []
    if not made or not log.between(('syncfs',), '.*', max(made), moved[0]):
        wrong.append('the new tree gets its name without a sync')
    removed = [i for i in log.all(('unlink',), stage + '.*') if i > moved[0]]
    if replace and not removed:
        wrong.append('the old tree was not removed')
    if not log.between(('fsync',), re.escape(w), moved[0], min(removed, default=len(log.calls))):
        wrong.append('no sync after the new tree got its name, before the old one goes')
    return wrong


def inside(log, w):
    """The table at the top of src/store/swap.c."""
    root = rf'{re.escape(w)}/t'
    old, trash = root + r'/\.pmm-seal-old\.[^/]+', root + r'/\.pmm-seal-trash\.[^/]+'
    content = root + r'/[^./][^/]*'
    aside, brought = log.all(('rename-from',), content), log.all(('rename-to',), content)
    done = log.all(('create',), old + r'/\.pmm-seal-done')
    committed, gone = log.all(('rename-from',), old), log.all(('unlink',), trash + '.*')
    if not aside or not brought or len(committed) != 1 or not gone:
        return [f'no whole swap: {len(aside)} aside, {len(brought)} brought in, {len(committed)} commits']
    wrong = []
    journal = [i for i in log.all(('write',), old + '/.*') if i < aside[0]]
    if not journal:
        return ['no journal before the first move']
    for pattern in re.escape(log.calls[journal[0]].path), old, root:
        if not log.between(('fsync',), pattern, max(journal), aside[0]):
            wrong.append(f'the first move comes before a sync of {pattern}')
    if max(aside) > brought[0]:
        wrong.append('something is brought in before all is aside')
    for moves, place, what in (aside, 0, 'first to go'), (brought, -1, 'last to come'):
        if os.path.basename(log.calls[moves[place]].path) != 'pmm-distribution':
            wrong.append(f'pmm-distribution is not the {what}')
    if len(done) != 1 or not max(brought) < done[0] < committed[0]:
        wrong.append('no mark that all is in its place, between the last move and the commit')
    elif not log.between(('syncfs',), '.*', done[0], committed[0]):
        wrong.append('no sync between the mark and the commit')
    if not log.between(('fsync',), root, committed[0], gone[0]):
        wrong.append('the old content goes before the commit is on the disk')
    # A run that is killed while it removes what was there, for a long time, has left a target that is right.
    if not log.between(('utimes',), root, committed[0], gone[0]) or \
            not log.between(('utimes',), root, gone[-1], len(log.calls)):
        wrong.append('the time of the target is not set both before and after the old content goes')
    return wrong


def rekey(log, w):
    """The copy of the header, then the header: at each moment one of them opens the archive."""
    archive = re.escape(f'{w}/a.pmmseal')
    writes = log.all(('write',), archive)
    if len(writes) != 2:
        return [f'{len(writes)} writes to the archive']
    copy, front = writes
    wrong = []
    if log.calls[copy].off == 0 or log.calls[front].off != 0:
        wrong.append('the header is not written after its copy')
    for a, b, what in (copy, front, 'the copy'), (front, len(log.calls), 'the header'):
        if not log.between(('fsync',), archive, a, b):
            wrong.append(f'no sync after {what}')
    return wrong


def check(name, lines, w):
    log = Log(lines)
    rules = {
        'backup to a directory': lambda: backup(log, w),
        'restore': lambda: restore(log, w, False),
        'restore --replace': lambda: restore(log, w, True),
        'restore --replace in a mount': lambda: inside(log, w),
        'rekey': lambda: rekey(log, w),
    }
    return rules.get(name, lambda: renamed_files(log))()
