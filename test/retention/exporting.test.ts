/**
 * Exports and sweeps of the same volume: what is being exported stays, and what is gone is said to be.
 */

import { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

import { extract } from 'tar-stream';
import { expect, test } from 'vitest';

import { exportTar, MANIFEST_NAME } from '../../src/export/export-tar.ts';
import type { Readable } from 'node:stream';
import { ROOT_INO } from '../../src/shared/brands.ts';
import type { Revision } from '../../src/shared/brands.ts';
import { Sweeper } from '../../src/retention/sweeper.ts';
import { Desk } from '../volume/desk.ts';

const DAY_MS = 24 * 3_600_000;

async function sweep(desk: Desk): Promise<number> {
  const sweeper = new Sweeper(desk.volume, desk.history, undefined);
  const report = await sweeper.run({
    nowMs: desk.clock.ms,
    sessionEndedMs: undefined,
    isApplied: true,
    isConfirmed: false,
    isForced: false,
    clockProblem: undefined,
  });
  return report.versions;
}

async function begin(desk: Desk, revision: Revision): Promise<Readable> {
  const node = await desk.history.findNode(ROOT_INO, revision);
  if (node === undefined) throw new Error('A volume has a root');
  const { signal } = new AbortController();
  return exportTar(desk.history, { path: [], node, revision, signal });
}

async function read(stream: Readable): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  const archive = extract();
  archive.on('entry', (header, content, next) => {
    const parts: Buffer[] = [];
    content.on('data', (part: unknown) => parts.push(part as Buffer));
    content.on('end', () => {
      files.set(header.name, Buffer.concat(parts).toString());
      next();
    });
  });
  await pipeline(stream, archive as unknown as Writable);
  return files;
}

/** Many files, each with a first content that only the past has. */
async function fill(desk: Desk): Promise<Revision> {
  for (let i = 0; i < 40; i++) desk.save(`file-${i}`, `first ${i} `.repeat(20_000));
  const revision = desk.volume.state.revision;
  for (let i = 0; i < 40; i++) desk.save(`file-${i}`, `second ${i}`);
  await desk.volume.cuts.settled();
  desk.clock.ms += 40 * DAY_MS;
  desk.save('later', 'text');
  return revision;
}

test('what is being exported is not removed before its end', async () => {
  const desk = await Desk.open();
  const revision = await fill(desk);
  const stream = await begin(desk, revision);
  expect(await sweep(desk)).toBe(0);
  const files = await read(stream);
  for (let i = 0; i < 40; i++) {
    expect(files.get(`file-${i}`)).toBe(`first ${i} `.repeat(20_000));
  }
  // And afterwards it is.
  desk.clock.ms += DAY_MS;
  expect(await sweep(desk)).toBe(40);
  await expect(desk.history.read(desk.ino('file-0'), revision, 0, 10)).rejects.toThrow('ENODATA');
});

test('an export lists what retention has removed, and goes on', async () => {
  const desk = await Desk.open();
  desk.save('gone', 'one');
  const { revision } = desk.volume.state;
  desk.save('gone', 'two');
  desk.save('there', 'text');
  desk.clock.ms += 2 * DAY_MS;
  const at = desk.volume.state.revision;
  expect(revision).toBeLessThan(at);
  await sweep(desk);
  const files = await read(await begin(desk, revision));
  expect(files.has('gone')).toBe(false);
  const manifest = JSON.parse(files.get(MANIFEST_NAME) ?? '{}') as { entries: unknown[] };
  expect(manifest.entries).toContainEqual({ path: 'gone', kind: 'file', size: 3, isRemoved: true });
});
