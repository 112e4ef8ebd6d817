/**
 * When a session ended: not before its last change, whatever the clock says; and nothing keeps it from ending.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, onTestFinished, test } from 'vitest';

import { ControlServer } from '../../src/control/http-server.ts';
import type { SessionRecord } from '../../src/control/protocol.ts';
import { findLastChange, laterOf } from '../../src/daemon/session-end.ts';
import type { InfoSource } from '../../src/daemon/session-end.ts';
import { SessfsError } from '../../src/shared/errors.ts';
import { timeFromMs, timeToIso } from '../../src/shared/time.ts';

const RECORD = {} as SessionRecord;
const EARLY = timeToIso(timeFromMs(Date.UTC(2026, 1, 1)));
const LATE = timeToIso({ sec: Date.UTC(2026, 1, 1) / 1000, nsec: 1 });

const down = async (): Promise<void> => {
  throw new SessfsError('SESSION_STATE', 'Its server is down');
};

/** A session whose server says so; undefined: one that answers nothing. */
async function serve(
  time: string | undefined,
  ensureRunning = async (): Promise<void> => undefined,
): Promise<{ source: InfoSource; users: () => number }> {
  const dir = mkdtempSync(join(tmpdir(), 'sessfs-end-'));
  const socketPath = join(dir, 's');
  const routes =
    time === undefined ? [] : [{ on: 'GET /v1/info', handle: async () => ({ json: { time } }) }];
  const server = await ControlServer.listen({ socketPath, routes, onError: () => undefined });
  onTestFinished(async () => {
    await server.close(0);
    rmSync(dir, { recursive: true, force: true });
  });
  let users = 0;
  const use = (): (() => void) => {
    users += 1;
    return () => {
      users -= 1;
    };
  };
  return { source: { socketPath, ensureRunning, use }, users: () => users };
}

test('a clock that is behind does not end a session before its last change', () => {
  expect(laterOf(EARLY, LATE)).toBe(LATE);
  expect(laterOf(LATE, EARLY)).toBe(LATE);
  expect(laterOf(EARLY, undefined)).toBe(EARLY);
});

test('the last change is what the server of the volume says', async () => {
  const { source, users } = await serve(LATE);
  expect(await findLastChange(source, RECORD)).toBe(LATE);
  expect(users()).toBe(0);
});

test('a server that cannot be started, or does not answer, tells of no change', async () => {
  const { source } = await serve(LATE, down);
  expect(await findLastChange(source, RECORD)).toBeUndefined();
  const silent = await serve(undefined);
  expect(await findLastChange(silent.source, RECORD)).toBeUndefined();
  expect(silent.users()).toBe(0);
});
