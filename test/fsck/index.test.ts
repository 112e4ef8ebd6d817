/**
 * An index that says something else than its log: found entry by entry, made anew with the same answers.
 */

import fs from 'node:fs';
import { join } from 'node:path';

import { describe, expect, test } from 'vitest';

import { Index } from '../../src/index/index.ts';
import { dentryKey, hashName, inodeKey, Space, timeKey, versionKey } from '../../src/index/keys.ts';
import { decodeInode, encodeDentry, encodeInode } from '../../src/index/records.ts';
import type { IndexMeta } from '../../src/index/records.ts';
import { S_IFREG } from '../../src/shared/mode.ts';
import type { Ino, Revision } from '../../src/shared/brands.ts';
import { DESK_VOLUME_ID } from '../volume/desk.ts';
import { compare, copyWorkplace, fsck, makeWorkplace, readContents, reopen } from './workplace.ts';

interface Harm {
  readonly what: string;
  readonly harm: (index: Index, meta: IndexMeta) => IndexMeta | undefined;
  readonly told: RegExp;
}

function changeInode(index: Index, ino: number, change: (inode: never) => void): undefined {
  const value = index.get(inodeKey(ino as Ino));
  if (value === undefined) throw new Error(`no inode ${ino}`);
  const inode = decodeInode(ino as Ino, value);
  change(inode as never);
  index.put(inodeKey(ino as Ino), encodeInode(inode));
}

function put(index: Index, key: Buffer, value: Buffer): undefined {
  index.put(key, value);
}

function remove(index: Index, key: Buffer): undefined {
  index.delete(key);
}

const putName = (index: Index, name: string, ino: number): undefined => {
  const dentry = { ino: ino as Ino, type: S_IFREG, since: 5 as Revision };
  return put(index, dentryKey(1 as Ino, hashName(name), name), encodeDentry(dentry));
};

const HARMS: readonly Harm[] = [
  {
    what: 'a link count',
    harm: (index) => changeInode(index, 4, (inode: { nlink: number }) => (inode.nlink += 1)),
    told: /inode 4: nlink \d+, wanted \d+/,
  },
  {
    what: 'a size',
    harm: (index) => changeInode(index, 2, (inode: { size: number }) => (inode.size = 99)),
    told: /Directory 2 has size 99/,
  },
  {
    what: 'a name that is missing',
    harm: (index) => remove(index, dentryKey(1 as Ino, hashName('dir'), 'dir')),
    told: /name "dir" in directory 1 is missing/,
  },
  {
    what: 'a name that leads nowhere',
    harm: (index) => putName(index, 'ghost', 99_999),
    told: /name "ghost" in directory 1.*inode 99999, which does not exist/,
  },
  {
    what: 'one name too many',
    harm: (index) => putName(index, 'big2', 4),
    told: /name "big2" in directory 1 is there and does not follow from the log/,
  },
  {
    what: 'an inode that is missing',
    harm: (index) => remove(index, inodeKey(4 as Ino)),
    told: /inode 4 is missing/,
  },
  {
    what: 'a version of nothing',
    harm: (index) => put(index, versionKey(77_777 as Ino, 3), Buffer.alloc(60)),
    told: /version r3 of inode 77777: there is no such inode/,
  },
  {
    what: 'a time',
    harm: (index) => put(index, timeKey({ sec: 12, nsec: 0 }), Buffer.alloc(14)),
    told: /time 12 is there and does not follow/,
  },
  {
    what: 'an extent',
    harm: (index) =>
      changeInode(index, 4, (inode: { inline: { crc: number }[] | undefined }) => {
        inode.inline = (inode.inline ?? []).map((extent) => ({ ...extent, crc: 7 }));
      }),
    told: /inode 4: inline/,
  },
  {
    what: 'a counter',
    harm: (_index, meta) => ({ ...meta, liveBytes: meta.liveBytes + 1 }),
    told: /liveBytes \d+, wanted \d+/,
  },
  {
    what: 'a changed file that is forgotten',
    harm: (_index, meta) => ({ ...meta, uncut: [] }),
    told: /no version of it is due/,
  },
  {
    what: 'too many files said to have changed',
    harm: (_index, meta) => ({
      ...meta,
      uncut: [...meta.uncut, { ino: 88_888 as Ino, actor: 0 as never, since: { sec: 1, nsec: 0 } }],
    }),
    told: /Inode 88888 is said to have changed/,
  },
];

describe('an index with', () => {
  test.each(HARMS)('$what changed is damaged, and made anew', async ({ harm, told }) => {
    const { dir, contents } = await makeWorkplace(30, { leavesOneOpen: true });
    const { index, meta } = await Index.open(join(dir, 'index'), DESK_VOLUME_ID);
    if (meta === undefined) throw new Error('no state');
    await index.write(harm(index, meta) ?? meta, Promise.resolve());
    await index.close();

    const found = await fsck(dir);
    expect(found.status).toBe('damaged');
    expect(found.problems.map(({ message }) => message).join('\n')).toMatch(told);
    const repaired = await fsck(dir, { rebuildIndex: true });
    expect(repaired).toMatchObject({ status: 'repaired', repair: { index: 'rebuilt' } });
    expect(await fsck(dir)).toMatchObject({ status: 'clean', problems: [] });
    const desk = await reopen(dir);
    expect(compare(await readContents(desk), contents)).toEqual([]);
    await desk.leave();
  });

  test('bytes changed in its files is damaged, or older and gives the same answers', async () => {
    const { dir, contents } = await makeWorkplace(30);
    const files = fs.readdirSync(join(dir, 'index')).filter((name) => /\.(ldb|log)$/.test(name));
    const statuses = new Set<string>();
    for (const name of files) {
      const copy = copyWorkplace({ dir });
      const path = join(copy, 'index', name);
      const bytes = fs.readFileSync(path);
      bytes.fill(0xa5, Math.floor(bytes.length / 3), Math.floor(bytes.length / 3) + 40);
      fs.writeFileSync(path, bytes);
      const report = await fsck(copy);
      statuses.add(report.status);
      // LevelDB gives up what it had not yet put into a table: the log has it.
      const harmful = report.status === 'clean' ? [] : ['damaged'];
      expect(harmful).toEqual(name.endsWith('.ldb') ? ['damaged'] : harmful);
      const desk = await reopen(copy);
      expect([name, compare(await readContents(desk), contents)]).toEqual([name, []]);
      await desk.leave();
      expect((await fsck(copy)).status).toBe('clean');
    }
    expect(statuses.size).toBeGreaterThan(0);
  });
});

describe('an index that is missing', () => {
  test('where the log has gaps is made of what is left, and what has no place is in lost+found', async () => {
    const { dir, contents } = await makeWorkplace();
    fs.rmSync(join(dir, 'log', '00000000.seg'));
    fs.rmSync(join(dir, 'index'), { recursive: true });
    const repaired = await fsck(dir, { repair: true });
    expect(repaired).toMatchObject({ status: 'repaired', repair: { index: 'rebuilt' } });
    expect(repaired.repair?.recovered).toBeGreaterThan(3);
    // Gone once more, with the gap known: nothing else makes it.
    fs.rmSync(join(dir, 'index'), { recursive: true });
    await expect(reopen(dir)).rejects.toMatchObject({ code: 'LOG_CORRUPT' });
    fs.rmSync(join(dir, 'index'), { recursive: true, force: true });
    expect((await fsck(dir)).status).toBe('damaged');
    expect(await fsck(dir, { repair: true })).toMatchObject({ status: 'repaired' });
    const desk = await reopen(dir);
    const now = await readContents(desk);
    await desk.leave();
    // Made in the segment that is lost, and written to after it.
    const files = [...now].filter(([path]) => path.startsWith('/lost+found/#2/file'));
    expect(files.length).toBeGreaterThan(3);
    for (const [path, content] of files) {
      expect([path, content]).toEqual([path, contents.get(path.replace('/lost+found/#2', '/dir'))]);
    }
  });

  test('is no damage: it is made at the next start, or now', async () => {
    const { dir, contents } = await makeWorkplace(20);
    fs.rmSync(join(dir, 'index'), { recursive: true });
    const report = await fsck(dir);
    expect([report.status, report.notes.length]).toEqual(['clean', 1]);
    expect(await fsck(dir, { rebuildIndex: true })).toMatchObject({
      status: 'clean',
      repair: { index: 'rebuilt' },
    });
    const { index, meta } = await Index.open(join(dir, 'index'), DESK_VOLUME_ID);
    expect(meta?.applied).toBe(report.revision);
    const entries: number[] = [];
    for await (const [key] of index.scan({ gte: Buffer.from([0]), lt: Buffer.from([0xff]) })) {
      if (key[0] !== Space.BATCH) entries.push(key.length);
    }
    await index.close();
    expect(entries.length).toBeGreaterThan(100);
    const desk = await reopen(dir);
    expect(compare(await readContents(desk), contents)).toEqual([]);
    await desk.leave();
  });
});
