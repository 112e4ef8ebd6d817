/**
 * The index on a real disk: what it holds, when, and what it refuses to open.
 */

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

import { Level } from 'level';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import type { LogPos, Revision } from '../../src/shared/brands.ts';
import { EPOCH } from '../../src/shared/time.ts';
import { Index } from '../../src/index/index.ts';
import type { IndexMeta } from '../../src/index/records.ts';

const VOLUME = '0123456789abcdef0123456789abcdef';

const metaOf = (applied: number): IndexMeta => ({
  volumeId: VOLUME,
  applied: applied as Revision,
  next: 128 as LogPos,
  answered: 100 as LogPos,
  appliedTime: EPOCH,
  nextIno: 2,
  nextActor: 1,
  inodes: 1,
  liveBytes: 0,
  historyBytes: 0,
  versions: 0,
  horizon: 0 as Revision,
  horizonTime: { sec: 0, nsec: 0 },
  purgeDigest: '',
  uncut: [],
});

const bytes = (text: string): Buffer => Buffer.from(text);

let root = '';
let dir = '';
beforeEach(() => {
  root = fs.mkdtempSync(path.join(os.tmpdir(), 'sessfs-index-'));
  dir = path.join(root, 'index');
});
afterEach(() => fs.rmSync(root, { recursive: true }));

async function keysOf(index: Index, options: Parameters<Index['scan']>[0]): Promise<string[]> {
  const keys: string[] = [];
  for await (const [key] of index.scan(options)) keys.push(key.toString());
  return keys;
}

/** Puts a value as it should not be, past the index. */
async function damage(key: string, change: (sealed: Buffer) => Buffer): Promise<void> {
  const { index } = await Index.open(dir, VOLUME);
  index.put(bytes('good'), bytes('value'));
  index.put(bytes('bad'), bytes('value'));
  await index.write(metaOf(1), Promise.resolve());
  await index.close();
  const db = new Level<Buffer, Buffer>(dir, { keyEncoding: 'buffer', valueEncoding: 'buffer' });
  await db.put(bytes(key), change((await db.get(bytes(key))) ?? bytes('')));
  await db.close();
}

const flip = (sealed: Buffer): Buffer => {
  sealed[0] = (sealed[0] ?? 0) ^ 1;
  return sealed;
};

describe('Index', () => {
  test('keeps a batch with the revision up to which it is, over a restart', async () => {
    const first = await Index.open(dir, VOLUME);
    expect(first.meta).toBeUndefined();
    first.index.put(bytes('k1'), bytes('v1'));
    first.index.put(bytes('k2'), bytes('v2'));
    first.index.delete(bytes('k1'));
    expect(first.index.pending).toBe(3);
    await first.index.write(metaOf(7), Promise.resolve());
    await first.index.close();
    const second = await Index.open(dir, VOLUME);
    expect(second.meta).toEqual(metaOf(7));
    expect(second.index.get(bytes('k1'))).toBeUndefined();
    expect(second.index.get(bytes('k2'))).toEqual(bytes('v2'));
    await second.index.close();
  });

  test('forgets what was not written out when it is closed', async () => {
    const first = await Index.open(dir, VOLUME);
    await first.index.write(metaOf(1), Promise.resolve());
    first.index.put(bytes('late'), bytes('v'));
    expect(first.index.get(bytes('late'))).toBeUndefined();
    await first.index.close();
    const second = await Index.open(dir, VOLUME);
    expect(second.meta?.applied).toBe(1);
    expect(second.index.get(bytes('late'))).toBeUndefined();
    await second.index.close();
  });

  test('copies keys and values when they are put', async () => {
    const { index } = await Index.open(dir, VOLUME);
    const key = bytes('key');
    const value = bytes('value');
    index.put(key, value);
    key.fill(0);
    value.fill(0);
    await index.write(metaOf(1), Promise.resolve());
    expect(index.get(bytes('key'))).toEqual(bytes('value'));
    await index.close();
  });

  test('writes batches in the order they were handed over', async () => {
    const { index } = await Index.open(dir, VOLUME);
    const writes: Promise<void>[] = [];
    for (let i = 1; i <= 20; i++) {
      index.put(bytes('same'), bytes(`v${i}`));
      writes.push(index.write(metaOf(i), Promise.resolve()));
    }
    expect(index.isWriting).toBe(true);
    await Promise.all(writes);
    expect(index.isWriting).toBe(false);
    expect(index.get(bytes('same'))).toEqual(bytes('v20'));
    await index.close();
    const again = await Index.open(dir, VOLUME);
    expect(again.meta?.applied).toBe(20);
    await again.index.close();
  });

  test('scans a range in order, backwards, up to a limit, and by prefix', async () => {
    const { index } = await Index.open(dir, VOLUME);
    for (const key of ['a', 'b1', 'b2', 'b3', 'c']) index.put(bytes(key), bytes('v'));
    await index.write(metaOf(1), Promise.resolve());
    const range = { gte: bytes('b'), lt: bytes('c') };
    expect(await keysOf(index, range)).toEqual(['b1', 'b2', 'b3']);
    expect(await keysOf(index, { ...range, reverse: true })).toEqual(['b3', 'b2', 'b1']);
    expect(await keysOf(index, { ...range, limit: 2 })).toEqual(['b1', 'b2']);
    const byPrefix: string[] = [];
    for await (const [key] of index.scanPrefix(bytes('b'))) byPrefix.push(key.toString());
    expect(byPrefix).toEqual(['b1', 'b2', 'b3']);
    const first = await index.findFirst({ gte: bytes('b2'), lt: bytes('z') });
    expect(first?.[0]).toEqual(bytes('b2'));
    expect(await index.findFirst({ gte: bytes('x'), lt: bytes('z') })).toBeUndefined();
    await index.close();
  });
});

describe('A damaged value', () => {
  test.each([
    ['with a bit flipped', flip],
    ['cut short', (sealed: Buffer) => sealed.subarray(0, 3)],
    ['longer', (sealed: Buffer) => Buffer.concat([sealed, bytes('x')])],
    ['of another key', () => bytes('value of another')],
  ])('is never given out: %s', async (_how, change) => {
    await damage('bad', change);
    const { index } = await Index.open(dir, VOLUME);
    expect(index.get(bytes('good'))).toEqual(bytes('value'));
    expect(() => index.get(bytes('bad'))).toThrow(
      expect.objectContaining({ code: 'INDEX_CORRUPT', hint: expect.stringContaining('fsck') }),
    );
    const range = { gte: bytes('a'), lt: bytes('c') };
    await expect(keysOf(index, range)).rejects.toMatchObject({ code: 'INDEX_CORRUPT' });
    await expect(index.findFirst(range)).rejects.toMatchObject({ code: 'INDEX_CORRUPT' });
    await index.close();
  });

  test('of the state makes the whole index useless', async () => {
    await damage('mstate', flip);
    await expect(Index.open(dir, VOLUME)).rejects.toMatchObject({ code: 'INDEX_CORRUPT' });
  });
});

describe('Index.open', () => {
  test('refuses the index of another volume', async () => {
    const { index } = await Index.open(dir, VOLUME);
    await index.write(metaOf(1), Promise.resolve());
    await index.close();
    await expect(Index.open(dir, 'f'.repeat(32))).rejects.toMatchObject({ code: 'STORE_FOREIGN' });
    const again = await Index.open(dir, VOLUME);
    await again.index.close();
  });

  test('refuses a database that has entries but not the state they amount to', async () => {
    const db = new Level<Buffer, Buffer>(dir, { keyEncoding: 'buffer', valueEncoding: 'buffer' });
    await db.put(bytes('stray'), bytes('v'));
    await db.close();
    await expect(Index.open(dir, VOLUME)).rejects.toMatchObject({ code: 'INDEX_CORRUPT' });
  });

  test('refuses a damaged database, and says what to do', async () => {
    const { index } = await Index.open(dir, VOLUME);
    await index.write(metaOf(1), Promise.resolve());
    await index.close();
    fs.writeFileSync(path.join(dir, 'CURRENT'), 'nonsense\n');
    await expect(Index.open(dir, VOLUME)).rejects.toMatchObject({
      code: 'INDEX_CORRUPT',
      hint: expect.stringContaining('fsck'),
    });
  });
});

describe('a batch that a power cut took', () => {
  const CHUNK = 100_000;

  /** Where each batch begins and ends in LevelDB's journal. */
  async function writeBatches(count: number): Promise<{ journal: string; ends: number[] }> {
    const { index } = await Index.open(dir, VOLUME);
    const name = fs.readdirSync(dir).find((file) => file.endsWith('.log')) ?? '';
    const ends = [fs.statSync(path.join(dir, name)).size];
    for (let number = 1; number <= count; number++) {
      index.put(bytes(`k${number}`), Buffer.alloc(CHUNK, number));
      await index.write(metaOf(number), Promise.resolve());
      ends.push(fs.statSync(path.join(dir, name)).size);
    }
    const journal = path.join(root, 'journal');
    fs.copyFileSync(path.join(dir, name), journal);
    await index.close();
    fs.copyFileSync(journal, path.join(dir, name));
    return { journal: path.join(dir, name), ends };
  }

  test('is seen, wherever it stood, if a later one is there', async () => {
    for (const lost of [1, 2, 3]) {
      const { journal, ends } = await writeBatches(6);
      const content = fs.readFileSync(journal);
      content.fill(0, ends[lost - 1], ends[lost]);
      fs.writeFileSync(journal, content);
      await expect(Index.open(dir, VOLUME), `batch ${lost}`).rejects.toMatchObject({
        code: 'INDEX_CORRUPT',
        message: expect.stringContaining('a batch is missing'),
      });
      fs.rmSync(dir, { recursive: true });
    }
  });

  test('is not missed if it was the last', async () => {
    const { journal, ends } = await writeBatches(4);
    fs.truncateSync(journal, (ends[4] ?? 0) - 50_000);
    const { index, meta } = await Index.open(dir, VOLUME);
    expect(meta).toEqual(metaOf(3));
    expect(index.get(bytes('k4'))).toBeUndefined();
    await index.close();
  });
});

test('an index that is open already is refused by another name than a damaged one', async () => {
  const first = await Index.open(dir, VOLUME);
  await expect(Index.open(dir, VOLUME)).rejects.toMatchObject({ code: 'STORE_LOCKED' });
  await first.index.close();
});
