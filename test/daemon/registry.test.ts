/**
 * The sessions on disk: what was put is there after a restart, and what cannot be read stops the start.
 */

import { mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import type { SessionRecord } from '../../src/control/protocol.ts';
import { Registry } from '../../src/daemon/registry.ts';

let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'sessfs-registry-'));
});

afterEach(() => rmSync(dir, { recursive: true, force: true }));

function makeRecord(change: Partial<SessionRecord> = {}): SessionRecord {
  return {
    id: 'abc',
    name: 'one',
    volumeId: '0'.repeat(32),
    uid: 1,
    gid: 2,
    state: 'active',
    created: '2026-11-22T10:15:02.000000000Z',
    ended: undefined,
    mountPoint: '/m',
    mounted: true,
    options: {
      allowOther: true,
      dev: false,
      suid: true,
      listVersions: true,
      driver: 'fuse-native',
    },
    tier: 'persistent',
    ...change,
  };
}

describe('Registry', () => {
  test('has after a restart what was put into it', async () => {
    const records = [
      makeRecord(),
      makeRecord({ id: 'def', name: undefined, state: 'ended', ended: 'x' }),
    ];
    const registry = Registry.open(dir);
    for (const record of records) await registry.put(record);
    expect(Registry.open(dir).list()).toEqual(expect.arrayContaining(records));
  });

  test('finds a session by id and by name', async () => {
    const registry = Registry.open(dir);
    await registry.put(makeRecord());
    expect(registry.find('abc')?.name).toBe('one');
    expect(registry.find('one')?.id).toBe('abc');
    expect(registry.find('two')).toBeUndefined();
  });

  test('forgets what was removed', async () => {
    const registry = Registry.open(dir);
    await registry.put(makeRecord());
    await registry.remove('abc');
    expect(Registry.open(dir).list()).toEqual([]);
    expect(readdirSync(dir)).toEqual([]);
  });

  test('overlooks a file whose writing was interrupted', async () => {
    await Registry.open(dir).put(makeRecord());
    writeFileSync(join(dir, 'abc.json.new'), '{"for');
    expect(Registry.open(dir).list()).toHaveLength(1);
  });

  test('says that the disk is full, and keeps what it has', async () => {
    const registry = Registry.open(dir);
    await registry.put(makeRecord());
    symlinkSync('/dev/full', join(dir, 'abc.json.new'));
    await expect(registry.put(makeRecord({ mounted: false }))).rejects.toMatchObject({
      code: 'NO_SPACE',
      message: expect.stringContaining('no space is left'),
    });
    expect(registry.find('abc')?.mounted).toBe(true);
    expect(Registry.open(dir).list()).toEqual([makeRecord()]);
    expect(readdirSync(dir)).toEqual(['abc.json']);
  });

  test.each([
    ['abc.json', '{', 'it is not JSON'],
    ['abc.json', '{"format":2}', 'its format is 2, not 1'],
    ['abc.json', '{"format":1,"id":"abc"}', '"volumeId" is not text'],
    ['xyz.json', JSON.stringify({ format: 1, ...makeRecord() }), 'its id is "abc"'],
  ])('refuses %s with %s by name and reason', (file, text, reason) => {
    writeFileSync(join(dir, file), text);
    expect(() => Registry.open(dir)).toThrow(reason);
    expect(() => Registry.open(dir)).toThrow(join(dir, file));
  });
});
