/**
 * Unmounting a session that is served: its server drains, and no other one is started for it.
 */

import { readdirSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { eventually, listServers, startDaemon } from '../harness/daemon.ts';
import type { TestDaemon } from '../harness/daemon.ts';
import { shell } from '../harness/run.ts';

const SHORT_MS = 15_000;
const ROUNDS = 4;

let daemon: TestDaemon;

beforeAll(async () => {
  daemon = await startDaemon();
});

afterAll(() => daemon.stop());

test('an unmounted session leaves no server behind, and a deleted one no volume', async () => {
  for (let round = 0; round < ROUNDS; round += 1) {
    const { id, mount } = await daemon.createSession();
    await shell('echo x > a; cat a', { cwd: mount, timeoutMs: SHORT_MS });
    if (round % 2 === 0) await daemon.client.unmount(id);
    await daemon.client.deleteSession(id);
  }
  expect(listServers(daemon.root)).toEqual([]);
  expect(readdirSync(join(daemon.root, 'volumes'))).toEqual([]);
  expect(daemon.log()).not.toContain('No server to unmount with');
  expect(daemon.log()).not.toContain('"level":"error"');
});

test('a session that the host unmounts while it stops the daemon is mounted at the next start', async () => {
  const { id, mount } = await daemon.createSession();
  await shell(`umount ${mount} || fusermount3 -u ${mount}`, { timeoutMs: SHORT_MS });
  await eventually(
    async () => expect((await daemon.client.getSession(id)).server.state).toBe('unmounted'),
    { timeoutMs: SHORT_MS },
  );
  await daemon.restart();
  const { mounted, server } = await daemon.client.getSession(id);
  expect(mounted).toBe(true);
  expect(['active', 'idle']).toContain(server.state);
});
