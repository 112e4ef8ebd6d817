/**
 * The versions of a file under `.versions`: listed, found, read, and as data.
 */

import { beforeEach, describe, expect, it } from 'vitest';
import { INDEX_NAME } from '../../src/mount/version-names.ts';
import type { Name } from '../../src/shared/brands.ts';
import { Errno } from '../../src/shared/errno.ts';
import { S_IFMT } from '../../src/shared/mode.ts';
import { START_SEC } from './versions-fake-history.ts';
import { TreeUnderTest, errnoOf } from './versions-under-test.ts';

let t: TreeUnderTest;

beforeEach(() => {
  t = new TreeUnderTest();
});

describe('the versions of a file', () => {
  it('are listed by revision and time with its extension, beside latest, previous and index.json', async () => {
    t.history.write('notes.md', 'one');
    t.history.write('notes.md', 'two!');
    expect(await t.ls('notes.md')).toEqual([
      'index.json',
      'latest',
      'previous',
      'r00000002-20261122T100100Z.md',
      'r00000003-20261122T100200Z.md',
    ]);
    expect(await t.cat('notes.md/r00000002-20261122T100100Z.md')).toBe('one');
    expect(await t.cat('notes.md/r00000003-20261122T100200Z.md')).toBe('two!');
  });

  it('have no previous while there is one', async () => {
    t.history.write('a', '1');
    expect(await t.ls('a')).toEqual(['index.json', 'latest', 'r00000002-20261122T100100Z']);
    expect(await t.walk('a/previous')).toBeUndefined();
    expect(await t.walk('a/~1')).toBeUndefined();
  });

  it('are found by number and by distance, without being listed', async () => {
    t.history.write('a.txt', 'one');
    t.history.write('a.txt', 'two');
    t.history.write('a.txt', 'three');
    for (const name of ['2', 'r2', 'r00000002', '~2'])
      expect(await t.cat(`a.txt/${name}`)).toBe('one');
    expect(await t.cat('a.txt/~1')).toBe('two');
    expect(await t.cat('a.txt/~0')).toBe('three');
    for (const name of ['~3', '5', 'r1', 'r00000002-20261122T100100Z', 'no', '~']) {
      expect(await t.walk(`a.txt/${name}`)).toBeUndefined();
    }
  });

  it('are found by what was current at a moment, and not while the file was away', async () => {
    t.history.write('a', 'one');
    t.history.remove('a');
    t.history.write('b', '');
    t.history.write('a', 'two');
    expect(await t.cat('a/@r2')).toBe('one');
    expect(await t.cat('a/@2026-11-22T10:01:30Z')).toBe('one');
    expect(await t.walk('a/@r3')).toBeUndefined();
    expect(await t.walk('a/@r4')).toBeUndefined();
    expect(await t.cat('a/@now')).toBe('two');
  });

  it('keep size, mode, owner, times and xattrs as they were', async () => {
    t.history.write('run.sh', 'echo', { mode: 0o4751 });
    t.history.setxattr('run.sh', 'user.note', 'first');
    t.history.write('run.sh', 'echo 2');
    t.history.chmod('run.sh', 0o600);
    t.history.setxattr('run.sh', 'user.note', 'last');
    const { attr, nodeid } = await t.at('run.sh/4');
    expect(attr).toMatchObject({ size: 6, mode: 0o104751, uid: 0, nlink: 1 });
    expect(attr.mtime.sec).toBe(START_SEC + 180);
    expect(attr.ino).toBe(nodeid);
    expect(Buffer.from((await t.tree.getxattr(nodeid, 'user.note')) ?? []).toString()).toBe(
      'first',
    );
  });

  it('lead latest and previous to what the name showed last, also after a rename over', async () => {
    t.history.write('a', 'old');
    t.history.write('tmp', 'new');
    t.history.write('a', 'old, written on', { cause: 'replaced' });
    t.history.rename('tmp', 'a');
    const latest = await t.at('a/latest');
    expect(latest.attr.mode & S_IFMT).toBe(0o120000);
    const target = await t.tree.readlink(latest.nodeid);
    expect(latest.attr.size).toBe(target.length);
    expect(await t.cat(`a/${target}`)).toBe('new');
    const previous = await t.tree.readlink((await t.at('a/previous')).nodeid);
    expect(await t.cat(`a/${previous}`)).toBe('old, written on');
  });

  it('give latest another node when it leads elsewhere, so that a cached link is never stale', async () => {
    t.history.write('a', '1');
    const before = await t.at('a/latest');
    t.history.write('a', '2');
    const after = await t.at('a/latest');
    expect(after.nodeid).not.toBe(before.nodeid);
    expect([before.entryTtlMs, after.entryTtlMs]).toEqual([0, 0]);
    expect(await t.tree.readlink(before.nodeid)).toContain('r00000002');
  });

  it('show at once what was written after the first look', async () => {
    t.history.write('a', '1');
    expect(await t.ls('a')).toHaveLength(3);
    t.history.write('a', '2');
    expect(await t.ls('a')).toHaveLength(5);
  });

  it('tell about themselves in xattrs', async () => {
    t.history.write('a', 'hello', { cause: 'interval' });
    const { nodeid } = await t.at('a/~0');
    const told = new Map<string, string>();
    for (const name of await t.tree.listxattr(nodeid)) {
      told.set(name, Buffer.from((await t.tree.getxattr(nodeid, name)) ?? []).toString());
    }
    expect(told.get('user.sessfs.revision')).toBe('2');
    expect(told.get('user.sessfs.lineage')).toBe('2');
    expect(told.get('user.sessfs.tier')).toBe('persistent');
    expect(told.get('user.sessfs.cause')).toBe('interval');
    expect(told.get('user.sessfs.hash')).toMatch(/^2cf24dba5fb0a30e26e83b2ac5b9e29e/);
    expect(JSON.parse(told.get('user.sessfs.actor') ?? '')).toMatchObject({ label: 'agent-1' });
    expect(await t.tree.getxattr(nodeid, 'user.sessfs.other')).toBeUndefined();
  });

  it('cannot be opened when retention has removed them, and stay listed with their size', async () => {
    t.history.write('a', 'gone');
    t.history.write('a', 'kept');
    t.history.removedContent.add(`${t.history.find('a')}@2`);
    const { nodeid, attr } = await t.at('a/2');
    expect(attr.size).toBe(4);
    expect(await errnoOf(t.tree.open(nodeid, 0))).toBe(Errno.ENODATA);
    expect(await t.tree.getxattr(nodeid, 'user.sessfs.hash')).toBeUndefined();
    expect(await t.cat('a/3')).toBe('kept');
  });

  it('cannot be opened for writing', async () => {
    t.history.write('a', '1');
    const { nodeid } = await t.at('a/2');
    for (const flags of [1, 2, 0o1000]) {
      expect(await errnoOf(t.tree.open(nodeid, flags))).toBe(Errno.EROFS);
    }
  });

  it('read in parts, and seek to data and holes', async () => {
    t.history.write('a', 'abcdef');
    const { nodeid } = await t.at('a/2');
    expect(Buffer.from(await t.tree.read(nodeid, 2, 3)).toString()).toBe('cde');
    expect(Buffer.from(await t.tree.read(nodeid, 4, 100)).toString()).toBe('ef');
    expect(await t.tree.lseek(nodeid, 1, 3)).toBe(1);
    expect(await t.tree.lseek(nodeid, 1, 4)).toBe(6);
    expect(await errnoOf(t.tree.lseek(nodeid, 6, 4))).toBe(Errno.ENXIO);
  });
});

describe('index.json', () => {
  it('tells every version as data, in exactly the size that stat told', async () => {
    t.history.write('src-ü.md', 'one');
    t.history.write('src-ü.md', 'two');
    const entry = await t.walkNames(['src-ü.md' as Name, INDEX_NAME]);
    if (entry === undefined) throw new Error('No index.json');
    const index = JSON.parse(await t.readWhole(entry));
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
      why: 'daily version of tier persistent',
    });
    // One byte 0xFC is no UTF-8.
    expect(index.nameBytes).toBe('7372632dfc2e6d64');
    expect(index.removed).toBeNull();
  });

  it('hashes nothing until it is read, then each version once', async () => {
    t.history.write('a', '1');
    t.history.write('a', '2');
    const { nodeid } = await t.at('a/index.json');
    await t.list((await t.at('a')).nodeid, { plus: true });
    expect(t.history.hashes).toBe(0);
    await t.tree.open(nodeid, 0);
    await t.tree.read(nodeid, 0, 10);
    await t.tree.read(nodeid, 10, 10);
    expect(t.history.hashes).toBe(2);
  });

  it('keeps its size where content is gone, and says null there', async () => {
    t.history.write('a', '1');
    t.history.write('a', '2');
    t.history.removedContent.add(`${t.history.find('a')}@2`);
    const index = JSON.parse(await t.cat('a/index.json'));
    expect(index.versions.map((v: { sha256: unknown }) => v.sha256 === null)).toEqual([
      true,
      false,
    ]);
  });

  it('is another node for another state; an old one that was not opened is stale, an open one stays', async () => {
    t.history.write('a', '1');
    const unopened = await t.at('a/index.json');
    t.history.write('a', '2');
    const opened = await t.at('a/index.json');
    await t.tree.open(opened.nodeid, 0);
    t.history.write('a', '3');
    expect(opened.nodeid).not.toBe(unopened.nodeid);
    expect(await errnoOf(t.tree.open(unopened.nodeid, 0))).toBe(Errno.ESTALE);
    const text = Buffer.from(await t.tree.read(opened.nodeid, 0, 1e6)).toString();
    expect(JSON.parse(text).versions).toHaveLength(2);
    expect(JSON.parse(await t.cat('a/index.json')).versions).toHaveLength(3);
  });

  it('says when and by whom the name was removed', async () => {
    t.history.write('a', '1');
    t.history.remove('a');
    const index = JSON.parse(await t.cat('a/index.json'));
    expect(index.removed).toMatchObject({ revision: 3, actor: { label: 'agent-1' } });
  });

  it('tells until when each version is kept, and why', async () => {
    t.history.write('a', '1');
    t.history.write('a', '2');
    const { versions } = JSON.parse(await t.cat('a/index.json'));
    expect(versions).toMatchObject([
      { keptUntil: '2027-01-02T00:00:00.000000000Z', why: 'daily version of tier persistent' },
      { keptUntil: null, why: 'daily version of tier persistent' },
    ]);
  });

  it('can be read by whoever could read the file', async () => {
    t.history.write('secret', '1', { mode: 0o600 });
    expect((await t.at('secret/index.json')).attr.mode).toBe(0o100400);
  });
});

describe('.status.json', () => {
  it('tells the earliest and latest moments, and what the volume adds', async () => {
    t.history.write('a', '1');
    const status = JSON.parse(await t.cat('.status.json'));
    expect(status.earliest).toEqual({ revision: 1, time: '2026-11-22T10:00:00.000000000Z' });
    expect(status.latest).toEqual({ revision: 2, time: '2026-11-22T10:01:00.000000000Z' });
    expect(status.durable).toEqual({ revision: 1 });
    expect(status.promises).toEqual({ tier: 'persistent' });
  });

  it('is a snapshot for whoever has it, and fresh for whoever looks', async () => {
    const before = await t.at('.status.json');
    t.history.write('a', '1');
    const after = await t.at('.status.json');
    expect(before.entryTtlMs).toBe(0);
    expect(after.nodeid).not.toBe(before.nodeid);
    const text = Buffer.from(await t.tree.read(before.nodeid, 0, before.attr.size)).toString();
    expect(JSON.parse(text).latest.revision).toBe(1);
  });
});
