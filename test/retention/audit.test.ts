/**
 * The audit: every removal is in it, and none can be altered or left out.
 */

import { expect, test } from 'vitest';

import { purgeKey } from '../../src/index/keys.ts';
import { decodePurgeRecord, encodePurgeRecord } from '../../src/index/promised-records.ts';
import { checkAudit, readAudit } from '../../src/retention/audit.ts';
import type { AuditEntry } from '../../src/retention/audit.ts';
import { digestPurge } from '../../src/volume/purge.ts';
import { DAY_MS } from './ladders.ts';
import { World } from './world.ts';

async function makeAudited(): Promise<{ world: World; entries: AuditEntry[] }> {
  const world = await World.make();
  for (let i = 0; i < 4; i++) {
    for (const name of ['f', 'g']) world.desk.save(name, `${name} ${i}`);
    world.pass(40 * DAY_MS);
    await world.sweep();
  }
  const entries: AuditEntry[] = [];
  for await (const entry of readAudit(world.volume)) entries.push(entry);
  return { world, entries };
}

test('every version that went is in the audit, once, and the chain holds', async () => {
  const { world, entries } = await makeAudited();
  const told = entries.flatMap(({ event }) =>
    event.inodes.flatMap(({ ino, versions }) => versions.map((v) => `${ino} r${v.revision}`)),
  );
  const went = [...world.chronicle.things.values()].flatMap(({ ino, cuts }) =>
    cuts.filter((cut) => cut.isGone).map(({ revision }) => `${ino} r${revision}`),
  );
  expect(told.toSorted()).toEqual(went.toSorted());
  expect(went.length).toBeGreaterThan(3);
  expect(await checkAudit(world.volume)).toEqual({ entries: entries.length, broken: [] });
  await world.reopen();
  expect(await checkAudit(world.volume)).toEqual({ entries: entries.length, broken: [] });
});

test('an altered removal gives another digest', async () => {
  const { entries } = await makeAudited();
  let before = '';
  for (const { event, revision, digest } of entries) {
    expect(digestPurge(before, event, revision)).toBe(digest);
    const [first, ...others] = event.inodes;
    const altered = first === undefined ? [] : [{ ...first, path: 'elsewhere' }, ...others];
    for (const inodes of [altered, others, [...event.inodes, ...event.inodes]]) {
      expect(digestPurge(before, { ...event, inodes }, revision)).not.toBe(digest);
    }
    expect(digestPurge('', event, revision) === digest).toBe(before === '');
    before = digest;
  }
});

test.each(['altered', 'left out'])('an entry that is %s breaks the chain', async (how) => {
  const { world, entries } = await makeAudited();
  const { volume } = world;
  const { revision } = entries[1] as AuditEntry;
  const key = Buffer.from(purgeKey(revision));
  const record = decodePurgeRecord(volume.index.get(key) as Buffer);
  if (how === 'left out') volume.index.delete(key);
  else volume.index.put(key, encodePurgeRecord({ ...record, digest: '0'.repeat(64) }));
  world.desk.save('h', 'so that it is written');
  const { broken } = await checkAudit(volume);
  expect(broken.length).toBeGreaterThan(0);
});
