/**
 * The `.versions` tree over a history in memory: what is listed, found, read and cached.
 */

import { beforeEach, describe, expect, it } from 'vitest';
import type { DirSink, Entry } from '../../src/fuse/file-system.ts';
import { VersionsTree } from '../../src/mount/versions-tree.ts';
import type { Ino, Name, NodeId, Revision } from '../../src/shared/brands.ts';
import { Errno } from '../../src/shared/errno.ts';
import { FsError } from '../../src/shared/errors.ts';
import { S_IFDIR, S_IFMT } from '../../src/shared/mode.ts';
import { nameFromText } from '../../src/shared/names.ts';
import { FakeHistory, START_SEC } from './versions-fake-history.ts';

const ROOT = 1 as Ino;
const TWO_52 = 2 ** 52;

let history: FakeHistory;
let checkpoints: Map<string, number>;
let extraStatus: object;
let tree: VersionsTree;

const makeTree = (): VersionsTree =>
  new VersionsTree({
    history,
    clock: history.clock,
    findCheckpoint: (name) => checkpoints.get(name) as Revision | undefined,
    status: () => extraStatus,
    pathOf: (dir) => history.pathOf(dir),
  });

beforeEach(() => {
  history = new FakeHistory();
  checkpoints = new Map();
  extraStatus = { durable: { revision: 1 } };
  tree = makeTree();
});

/** Walks from the `.versions` of a live directory. */
async function walk(path: string, dir = ROOT): Promise<Entry | undefined> {
  let entry: Entry | undefined = await tree.rootEntry(dir);
  for (const part of path.split('/').filter(Boolean)) {
    entry = entry && (await tree.lookup(entry.nodeid, nameFromText(part)));
  }
  return entry;
}

async function at(path: string, dir = ROOT): Promise<Entry> {
  const entry = await walk(path, dir);
  if (entry === undefined) throw new Error(`No ${path}`);
  return entry;
}

async function cat(path: string, dir = ROOT): Promise<string> {
  const { nodeid, attr } = await at(path, dir);
  await tree.open(nodeid, 0);
  const content = Buffer.from(await tree.read(nodeid, 0, attr.size + 4096));
  tree.release(nodeid);
  expect(content.length).toBe(attr.size);
  return content.toString();
}

interface Told {
  name: string;
  ino: number;
  type: number;
  cookie: number;
  entry: Entry | undefined;
}

/** Reads a directory in replies of so many entries each. */
async function list(
  nodeid: NodeId,
  options: { plus?: boolean; perReply?: number; fh?: number } = {},
): Promise<Told[]> {
  const fh = options.fh ?? tree.opendir(nodeid).fh;
  const told: Told[] = [];
  for (;;) {
    const before = told.length;
    const sink: DirSink = {
      plus: options.plus ?? false,
      add: (name, ino, type, cookie, entry) => {
        if (told.length - before >= (options.perReply ?? 3)) return false;
        told.push({ name, ino, type, cookie, entry });
        return true;
      },
    };
    await tree.readdir(nodeid, fh, told.at(-1)?.cookie ?? 0, sink);
    if (told.length === before) break;
  }
  if (options.fh === undefined) tree.releasedir(fh);
  return told;
}

async function ls(path: string, dir = ROOT): Promise<string[]> {
  const told = await list((await at(path, dir)).nodeid);
  expect(told.slice(0, 2).map(({ name }) => name)).toEqual(['.', '..']);
  return told.slice(2).map(({ name }) => name);
}

async function errnoOf(action: Promise<unknown>): Promise<number | undefined> {
  try {
    await action;
  } catch (error) {
    if (error instanceof FsError) return error.errno;
    throw error;
  }
  return undefined;
}

describe('the versions of a file', () => {
  it('are listed by revision and time with its extension, beside latest, previous and index.json', async () => {
    history.write('notes.md', 'one');
    history.write('notes.md', 'two!');
    expect(await ls('notes.md')).toEqual([
      'index.json',
      'latest',
      'previous',
      'r00000002-20261122T100100Z.md',
      'r00000003-20261122T100200Z.md',
    ]);
    expect(await cat('notes.md/r00000002-20261122T100100Z.md')).toBe('one');
    expect(await cat('notes.md/r00000003-20261122T100200Z.md')).toBe('two!');
  });

  it('have no previous while there is one', async () => {
    history.write('a', '1');
    expect(await ls('a')).toEqual(['index.json', 'latest', 'r00000002-20261122T100100Z']);
    expect(await walk('a/previous')).toBeUndefined();
    expect(await walk('a/~1')).toBeUndefined();
  });

  it('are found by number and by distance, without being listed', async () => {
    history.write('a.txt', 'one');
    history.write('a.txt', 'two');
    history.write('a.txt', 'three');
    for (const name of ['2', 'r2', 'r00000002', '~2'])
      expect(await cat(`a.txt/${name}`)).toBe('one');
    expect(await cat('a.txt/~1')).toBe('two');
    expect(await cat('a.txt/~0')).toBe('three');
    for (const name of ['~3', '5', 'r1', 'r00000002-20261122T100100Z', 'no', '~']) {
      expect(await walk(`a.txt/${name}`)).toBeUndefined();
    }
  });

  it('are found by what was current at a moment, and not while the file was away', async () => {
    history.write('a', 'one');
    history.remove('a');
    history.write('b', '');
    history.write('a', 'two');
    expect(await cat('a/@r2')).toBe('one');
    expect(await cat('a/@2026-11-22T10:01:30Z')).toBe('one');
    expect(await walk('a/@r3')).toBeUndefined();
    expect(await walk('a/@r4')).toBeUndefined();
    expect(await cat('a/@now')).toBe('two');
  });

  it('keep size, mode, owner, times and xattrs as they were', async () => {
    history.write('run.sh', 'echo', { mode: 0o4751 });
    history.setxattr('run.sh', 'user.note', 'first');
    history.write('run.sh', 'echo 2');
    history.chmod('run.sh', 0o600);
    history.setxattr('run.sh', 'user.note', 'last');
    const { attr, nodeid } = await at('run.sh/4');
    expect(attr).toMatchObject({ size: 6, mode: 0o104751, uid: 0, nlink: 1 });
    expect(attr.mtime.sec).toBe(START_SEC + 180);
    expect(attr.ino).toBe(nodeid);
    expect(Buffer.from((await tree.getxattr(nodeid, 'user.note')) ?? []).toString()).toBe('first');
  });

  it('lead latest and previous to what the name showed last, also after a rename over', async () => {
    history.write('a', 'old');
    history.write('tmp', 'new');
    history.write('a', 'old, written on', { cause: 'replaced' });
    history.rename('tmp', 'a');
    const latest = await at('a/latest');
    expect(latest.attr.mode & S_IFMT).toBe(0o120000);
    const target = await tree.readlink(latest.nodeid);
    expect(latest.attr.size).toBe(target.length);
    expect(await cat(`a/${target}`)).toBe('new');
    const previous = await tree.readlink((await at('a/previous')).nodeid);
    expect(await cat(`a/${previous}`)).toBe('old, written on');
  });

  it('give latest another node when it leads elsewhere, so that a cached link is never stale', async () => {
    history.write('a', '1');
    const before = await at('a/latest');
    history.write('a', '2');
    const after = await at('a/latest');
    expect(after.nodeid).not.toBe(before.nodeid);
    expect([before.entryTtlMs, after.entryTtlMs]).toEqual([0, 0]);
    expect(await tree.readlink(before.nodeid)).toContain('r00000002');
  });

  it('show at once what was written after the first look', async () => {
    history.write('a', '1');
    expect(await ls('a')).toHaveLength(3);
    history.write('a', '2');
    expect(await ls('a')).toHaveLength(5);
  });

  it('tell about themselves in xattrs', async () => {
    history.write('a', 'hello', { cause: 'interval' });
    const { nodeid } = await at('a/latest').then(() => at('a/~0'));
    const told = new Map<string, string>();
    for (const name of await tree.listxattr(nodeid)) {
      told.set(name, Buffer.from((await tree.getxattr(nodeid, name)) ?? []).toString());
    }
    expect(told.get('user.sessfs.revision')).toBe('2');
    expect(told.get('user.sessfs.lineage')).toBe('2');
    expect(told.get('user.sessfs.tier')).toBe('standard');
    expect(told.get('user.sessfs.cause')).toBe('interval');
    expect(told.get('user.sessfs.hash')).toMatch(/^2cf24dba5fb0a30e26e83b2ac5b9e29e/);
    expect(JSON.parse(told.get('user.sessfs.actor') ?? '')).toMatchObject({ label: 'agent-1' });
    expect(await tree.getxattr(nodeid, 'user.sessfs.other')).toBeUndefined();
  });

  it('cannot be opened when retention has removed them, and stay listed with their size', async () => {
    history.write('a', 'gone');
    history.write('a', 'kept');
    history.removedContent.add(`${history.find('a')}@2`);
    const { nodeid, attr } = await at('a/2');
    expect(attr.size).toBe(4);
    expect(await errnoOf(tree.open(nodeid, 0))).toBe(Errno.ENODATA);
    expect(await tree.getxattr(nodeid, 'user.sessfs.hash')).toBeUndefined();
    expect(await cat('a/3')).toBe('kept');
  });

  it('cannot be opened for writing', async () => {
    history.write('a', '1');
    const { nodeid } = await at('a/2');
    for (const flags of [1, 2, 0o1000]) {
      expect(await errnoOf(tree.open(nodeid, flags))).toBe(Errno.EROFS);
    }
  });

  it('read in parts, and seek to data and holes', async () => {
    history.write('a', 'abcdef');
    const { nodeid } = await at('a/2');
    expect(Buffer.from(await tree.read(nodeid, 2, 3)).toString()).toBe('cde');
    expect(Buffer.from(await tree.read(nodeid, 4, 100)).toString()).toBe('ef');
    expect(await tree.lseek(nodeid, 1, 3)).toBe(1);
    expect(await tree.lseek(nodeid, 1, 4)).toBe(6);
    expect(await errnoOf(tree.lseek(nodeid, 6, 4))).toBe(Errno.ENXIO);
  });
});

describe('index.json', () => {
  it('tells every version as data, in exactly the size that stat told', async () => {
    history.write('src-ü.md', 'one');
    history.write('src-ü.md', 'two');
    const path = nameFromText('src-ü.md');
    // The fake's names are what the test wrote; look the file up under the same bytes.
    const index = JSON.parse(await catByName(['src-ü.md' as Name, 'index.json' as Name]));
    expect(path).not.toBe('src-ü.md');
    expect(index.versions).toHaveLength(2);
    expect(index.versions[1]).toMatchObject({
      revision: 3,
      name: 'r00000003-20261122T100200Z.md',
      time: '2026-11-22T10:02:00.000000000Z',
      size: 3,
      mode: '0644',
      uid: 0,
      gid: 0,
      mtime: '2026-11-22T10:02:00.000000000Z',
      sha256: '3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3',
      actor: { uid: 1000, pid: 42, command: 'sh -c "echo"', label: 'agent-1' },
      cause: 'close',
      keptUntil: null,
      why: null,
    });
    // One byte 0xFC is no UTF-8.
    expect(index.nameBytes).toBe('7372632dfc2e6d64');
    expect(index.removed).toBeNull();
  });

  it('hashes nothing until it is read, then each version once', async () => {
    history.write('a', '1');
    history.write('a', '2');
    const { nodeid } = await at('a/index.json');
    await list((await at('a')).nodeid, { plus: true });
    expect(history.hashes).toBe(0);
    await tree.open(nodeid, 0);
    await tree.read(nodeid, 0, 10);
    await tree.read(nodeid, 10, 10);
    expect(history.hashes).toBe(2);
  });

  it('keeps its size where content is gone, and says null there', async () => {
    history.write('a', '1');
    history.write('a', '2');
    history.removedContent.add(`${history.find('a')}@2`);
    const index = JSON.parse(await cat('a/index.json'));
    expect(index.versions.map((v: { sha256: unknown }) => v.sha256 === null)).toEqual([
      true,
      false,
    ]);
  });

  it('is another node for another state; an old one that was not opened is stale, an open one stays', async () => {
    history.write('a', '1');
    const unopened = await at('a/index.json');
    history.write('a', '2');
    const opened = await at('a/index.json');
    await tree.open(opened.nodeid, 0);
    history.write('a', '3');
    expect(opened.nodeid).not.toBe(unopened.nodeid);
    expect(await errnoOf(tree.open(unopened.nodeid, 0))).toBe(Errno.ESTALE);
    const text = Buffer.from(await tree.read(opened.nodeid, 0, 1e6)).toString();
    expect(JSON.parse(text).versions).toHaveLength(2);
    expect(JSON.parse(await cat('a/index.json')).versions).toHaveLength(3);
  });

  it('says when and by whom the name was removed', async () => {
    history.write('a', '1');
    history.remove('a');
    const index = JSON.parse(await cat('a/index.json'));
    expect(index.removed).toMatchObject({ revision: 3, actor: { label: 'agent-1' } });
  });

  it('can be read by whoever could read the file', async () => {
    history.write('secret', '1', { mode: 0o600 });
    expect((await at('secret/index.json')).attr.mode).toBe(0o100400);
  });
});

async function catByName(names: Name[]): Promise<string> {
  let entry = await tree.rootEntry(ROOT);
  for (const name of names) {
    const next = await tree.lookup(entry.nodeid, name);
    if (next === undefined) throw new Error(`No ${name}`);
    entry = next;
  }
  await tree.open(entry.nodeid, 0);
  const content = Buffer.from(await tree.read(entry.nodeid, 0, 1e6));
  expect(content.length).toBe(entry.attr.size);
  return content.toString();
}

describe('past names', () => {
  it('of a directory are those it has and those it had, at every depth', async () => {
    history.mkdir('src');
    history.write('src/kept.ts', '1');
    history.write('src/gone.ts', '2');
    history.mkdir('src/deep');
    history.write('src/deep/x', 'deep');
    history.remove('src/gone.ts');
    history.remove('src/deep');
    expect(await ls('')).toEqual(['.status.json', 'src']);
    expect(await ls('src')).toEqual(['deep', 'gone.ts', 'kept.ts']);
    expect(await cat('src/deep/x/latest'.replace('latest', '~0'))).toBe('deep');
    const src = history.find('src') as Ino;
    expect(await ls('', src)).toEqual(['.status.json', 'deep', 'gone.ts', 'kept.ts']);
    expect(await cat('gone.ts/~0', src)).toBe('2');
  });

  it('without history are not there, and may be looked up again at once', async () => {
    const { nodeid } = await tree.rootEntry(ROOT);
    expect(await walk('new')).toBeUndefined();
    expect(tree.negativeTtlMs(nodeid)).toBe(0);
    history.write('new', '1');
    expect(await walk('new')).toBeDefined();
    expect(await walk('.versions')).toBeUndefined();
    expect(await walk('new/.versions')).toBeUndefined();
  });

  it('that begin with @ are reached by one more', async () => {
    history.write('@now', 'mine');
    expect(await ls('')).toEqual(['.status.json', '@@now']);
    expect(await cat('@@now/~0')).toBe('mine');
    expect((await at('@now')).attr.mode & S_IFMT).toBe(S_IFDIR);
    expect(await walk('@now/@now')).toBeDefined();
  });

  it('that were a file and a directory show both, the versions first', async () => {
    history.write('x', 'file');
    history.remove('x');
    history.mkdir('x');
    history.write('x/latest', 'a file called latest');
    history.write('x/3', 'a file called 3');
    history.write('x/other', '');
    expect(await ls('x')).toEqual([
      '3',
      'index.json',
      'latest',
      'other',
      'r00000002-20261122T100100Z',
    ]);
    expect(await tree.readlink((await at('x/latest')).nodeid)).toBe('r00000002-20261122T100100Z');
    expect((await at('x/3')).attr.mode & S_IFMT).toBe(S_IFDIR);
    expect(await cat('x/2')).toBe('file');
    expect(await cat('x/@r2')).toBe('file');
    expect(await cat('x/@now/latest')).toBe('a file called latest');
  });

  it('belong to the directory they speak of, and stay as closed when it is gone', async () => {
    history.mkdir('home', 0o750, 1000);
    history.write('home/diary', '1');
    expect((await at('home')).attr).toMatchObject({ mode: 0o40550, uid: 1000 });
    expect((await at('home/diary')).attr).toMatchObject({ mode: 0o40550, uid: 1000 });
    history.remove('home');
    expect((await at('home')).attr).toMatchObject({ mode: 0o40500, uid: 0 });
  });

  it('change the time of their directory when they change, for a kernel that caches listings', async () => {
    history.write('a', '1');
    const before = (await at('a')).attr.mtime;
    history.write('b', '1');
    expect((await at('a')).attr.mtime).toEqual(before);
    history.write('a', '2');
    expect((await at('a')).attr.mtime).not.toEqual(before);
  });
});

describe('a moment', () => {
  beforeEach(() => {
    history.mkdir('src');
    history.write('src/a', 'one');
    history.link('src/a', 'src/hard');
    history.symlink('src/link', 'a');
    history.scribble('src/a', 'two, not closed');
    history.remove('src/link');
    history.write('later', '');
  });

  it('is the tree as it was: types, content, links, with one number for one inode', async () => {
    expect(await ls('@r5')).toEqual(['src']);
    expect(await ls('@r5/src')).toEqual(['a', 'hard', 'link']);
    expect(await cat('@r5/src/a')).toBe('one');
    expect(await cat('@r6/src/a')).toBe('two, not closed');
    expect(await tree.readlink((await at('@r5/src/link')).nodeid)).toBe('a');
    const [a, hard] = [await at('@r5/src/a'), await at('@r5/src/hard')];
    expect(a.nodeid).toBe(hard.nodeid);
    expect(a.attr).toMatchObject({ nlink: 2, ino: a.nodeid, size: 3 });
    expect((await at('@r3/src/a')).attr.nlink).toBe(1);
    expect(await walk('@r7/src/link')).toBeUndefined();
    expect(await walk('@r5/.versions')).toBeUndefined();
  });

  it.each(['@r5', '@5', '@2026-11-22T10:04Z', '@3m', '@cp', '@today 10:04'])(
    'is found as %s',
    async (spec) => {
      checkpoints.set('cp', 5);
      // Now is one minute after r8: 10:08.
      const expected = spec === '@3m' ? 6 : 5;
      expect((await at(spec)).nodeid).toBe((await at(`@r${expected}`)).nodeid);
    },
  );

  it.each(['@r0', '@r9', '@', '@nothing', '@2026-11-22T09:59Z', '@1d', '@2026-11-23'])(
    'is not found as %s',
    async (spec) => {
      expect(await walk(spec)).toBeUndefined();
    },
  );

  it('is cached for long by its revision, and not at all by a name that moves', async () => {
    checkpoints.set('cp', 5);
    expect((await at('@r5')).entryTtlMs).toBeGreaterThan(1e6);
    expect((await at('@2026-11-22T10:04Z')).entryTtlMs).toBeGreaterThan(1e6);
    for (const name of ['@3m', '@cp', '@now', '@2026-11-22T10:07Z']) {
      expect((await at(name)).entryTtlMs).toBe(0);
    }
    const { nodeid, entryTtlMs, attrTtlMs } = await at('@r5/src');
    expect(entryTtlMs).toBeGreaterThan(1e6);
    expect(attrTtlMs).toBeGreaterThan(1e6);
    expect(tree.negativeTtlMs(nodeid)).toBeGreaterThan(1e6);
    expect(tree.opendir(nodeid)).toMatchObject({ cacheDir: true });
    expect(tree.opendir((await tree.rootEntry(ROOT)).nodeid).cacheDir).toBeUndefined();
  });

  it('of a directory that is gone, was made again or was renamed is what had its path then', async () => {
    history.remove('src');
    history.mkdir('src');
    history.write('src/new', '');
    const src = history.find('src') as Ino;
    expect(await ls('@r5', src)).toEqual(['a', 'hard', 'link']);
    expect(await ls('src/@r5')).toEqual(['a', 'hard', 'link']);
    expect(await walk('@r9', src)).toBeUndefined();
    history.rename('src', 'lib');
    expect(await ls('@r11', src)).toEqual(['new']);
    expect(await ls('lib/@r11')).toEqual(['new']);
    expect(await walk('src/@now')).toBeUndefined();
  });

  it('names what is missing at its top only, and only if something is', async () => {
    expect(await walk('@r5/.incomplete')).toBeUndefined();
    history.missing = [{ path: 'src/a' }, { path: 'src/b' }];
    expect(await cat('@r5/.incomplete')).toBe('src/a\nsrc/b\n');
    expect(await ls('@r5')).toEqual(['.incomplete', 'src']);
    expect(await ls('@r5/src')).toEqual(['a', 'hard', 'link']);
    expect(await walk('@r5/src/.incomplete')).toBeUndefined();
    expect(tree.negativeTtlMs((await at('@r5')).nodeid)).toBe(0);
  });

  it('shows the attributes that a file had, without ours among them', async () => {
    history.setxattr('src/a', 'user.x', '1');
    const { nodeid } = await at('@now/src/a');
    expect(await tree.listxattr(nodeid)).toEqual(['user.x']);
    expect(String(await tree.getxattr(nodeid, 'user.sessfs.revision'))).toBe('6');
    expect(await tree.getxattr(nodeid, 'user.sessfs.cause')).toBeUndefined();
  });
});

describe('nodeids', () => {
  it('lie between 2^52 and 2^53, and are the same in every server', async () => {
    history.mkdir('d');
    history.write('d/a', '1');
    history.write('d/a', '2');
    const paths = [
      '',
      'd',
      'd/a',
      'd/a/2',
      'd/a/latest',
      'd/a/index.json',
      '@r3',
      '@r3/d/a',
      '.status.json',
    ];
    const nodeids = await Promise.all(paths.map(async (path) => (await at(path)).nodeid));
    for (const nodeid of nodeids) {
      expect(Number.isSafeInteger(nodeid)).toBe(true);
      expect(nodeid).toBeGreaterThanOrEqual(TWO_52);
      expect(nodeid).toBeLessThan(2 * TWO_52);
    }
    expect(new Set(nodeids).size).toBe(paths.length);
    tree = makeTree();
    expect(await Promise.all(paths.map(async (path) => (await at(path)).nodeid))).toEqual(nodeids);
  });

  it('of moments and of every .versions are understood after a restart, others are stale', async () => {
    history.mkdir('d');
    history.write('d/a', 'text');
    const [moment, root, version] = [await at('@r3/d/a'), await at(''), await at('d/a/3')];
    tree = makeTree();
    expect(String(await tree.read(moment.nodeid, 0, 10))).toBe('text');
    expect((await tree.getattr(root.nodeid)).attr).toEqual(root.attr);
    expect(await errnoOf(tree.getattr(version.nodeid))).toBe(Errno.ESTALE);
    expect((await at('d/a/3')).nodeid).toBe(version.nodeid);
  });

  it('are remembered until the kernel has forgotten every lookup', async () => {
    history.write('a', '1');
    const { nodeid } = await at('a/2');
    await at('a/2');
    tree.forget(nodeid, 1);
    expect((await tree.getattr(nodeid)).attr.size).toBe(1);
    tree.forget(nodeid, 1);
    expect(await errnoOf(tree.getattr(nodeid))).toBe(Errno.ESTALE);
  });
});

describe('readdir', () => {
  it('goes on where it was, in portions, under a handle or without one it knows', async () => {
    for (let i = 0; i < 20; i++) history.write('a', `${i}`);
    const { nodeid } = await at('a');
    const whole = await list(nodeid, { perReply: 100 });
    const names = whole.map(({ name }) => name);
    expect(names).toHaveLength(2 + 23);
    expect((await list(nodeid, { perReply: 1 })).map(({ name }) => name)).toEqual(names);
    expect((await list(nodeid, { perReply: 4, fh: 987 })).map(({ name }) => name)).toEqual(names);
    expect(whole.map(({ cookie }) => cookie)).toEqual(names.map((_, i) => i + 1));
  });

  it('is the directory as it was opened, until it is rewound', async () => {
    history.write('a', '1');
    const { nodeid } = await at('a');
    const { fh } = tree.opendir(nodeid);
    expect(await list(nodeid, { fh })).toHaveLength(5);
    history.write('a', '2');
    expect(await list(nodeid, { fh })).toHaveLength(7);
  });

  it('does not take the handle of an earlier server for its own', async () => {
    history.write('a', '1');
    history.write('b', '1');
    const a = (await at('a')).nodeid;
    const root = (await at('')).nodeid;
    const { fh } = tree.opendir(a);
    await list(a, { fh });
    expect((await list(root, { fh })).map(({ name }) => name)).toEqual([
      '.',
      '..',
      '.status.json',
      'a',
      'b',
    ]);
  });

  it('plus tells the entries of what never changes, and counts them as lookups', async () => {
    history.write('a', '1');
    const { nodeid } = await at('a');
    const told = await list(nodeid, { plus: true });
    const version = told.find(({ name }) => name.startsWith('r'));
    expect(version?.entry?.attr.size).toBe(1);
    expect(version?.entry?.nodeid).toBe(version?.ino);
    expect(told.filter(({ entry }) => entry !== undefined)).toEqual([version]);
    tree.forget(version?.entry?.nodeid as NodeId, 1);
    expect(await errnoOf(tree.getattr(version?.entry?.nodeid as NodeId))).toBe(Errno.ESTALE);
    const moment = await list((await at('@r2')).nodeid, { plus: true });
    expect(moment.find(({ name }) => name === 'a')?.entry?.attr.size).toBe(1);
  });

  it('of many versions with their attributes reads the history once, not once for each', async () => {
    for (let i = 0; i < 50; i++) history.write('a', `${i}`);
    const { nodeid } = await at('a');
    const told = await list(nodeid, { perReply: 1000 });
    for (const { name } of told.slice(2)) await tree.lookup(nodeid, name as Name);
    expect(history.histories).toBe(1);
  });
});

describe('.status.json', () => {
  it('tells the earliest and latest moments, and what the volume adds', async () => {
    history.write('a', '1');
    const status = JSON.parse(await cat('.status.json'));
    expect(status.earliest).toEqual({ revision: 1, time: '2026-11-22T10:00:00.000000000Z' });
    expect(status.latest).toEqual({ revision: 2, time: '2026-11-22T10:01:00.000000000Z' });
    expect(status.durable).toEqual({ revision: 1 });
    expect(status.promises[0].tier).toBe('standard');
  });

  it('is a snapshot for whoever has it, and fresh for whoever looks', async () => {
    const before = await at('.status.json');
    history.write('a', '1');
    const after = await at('.status.json');
    expect(before.entryTtlMs).toBe(0);
    expect(after.nodeid).not.toBe(before.nodeid);
    const text = Buffer.from(await tree.read(before.nodeid, 0, before.attr.size)).toString();
    expect(JSON.parse(text).latest.revision).toBe(1);
  });
});
