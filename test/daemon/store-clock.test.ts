/**
 * Whether a clock is believed, across starts of the daemon.
 */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { StoreClock } from '../../src/daemon/store-clock.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const YEAR_MS = 365 * 24 * HOUR_MS;

let dir: string;
let path: string;
let wallMs: number;
let steadyMs: number;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'sessfs-clock-'));
  path = join(dir, 'clock.json');
  wallMs = Date.UTC(2026, 10, 22);
  steadyMs = 0;
});

afterEach(() => rmSync(dir, { recursive: true, force: true }));

function open(): StoreClock {
  const logger = pino({ level: 'silent' });
  return new StoreClock({ path, logger, read: () => ({ wallMs, steadyMs }) });
}

/** A daemon that looks at the clock once, and ends. */
async function lookOnce(): Promise<void> {
  const clock = open();
  clock.start();
  await clock.stop();
}

function passes(ms: number): void {
  wallMs += ms;
  steadyMs += ms;
}

describe('StoreClock', () => {
  test('believes the clock of a new store', () => {
    expect(open().check(wallMs)).toBeUndefined();
  });

  test('believes a clock that went on while nobody looked', async () => {
    await lookOnce();
    passes(20 * HOUR_MS);
    expect(open().check(wallMs)).toBeUndefined();
  });

  test.each([
    ['ahead', YEAR_MS, /365 days ahead/],
    ['behind', -YEAR_MS, /365 days behind/],
  ])('does not believe a clock that is a year %s after a start', async (_what, jump, reason) => {
    await lookOnce();
    wallMs += jump;
    expect(open().check(-Infinity)).toMatch(reason);
  });

  test('still doubts after another start, and believes a day after the jump', async () => {
    await lookOnce();
    wallMs += YEAR_MS;
    await lookOnce();
    passes(12 * HOUR_MS);
    expect(open().check(-Infinity)).toMatch(/365 days ahead.* in 12 h/);
    await lookOnce();
    passes(12 * HOUR_MS);
    expect(open().check(-Infinity)).toBeUndefined();
    await lookOnce();
    expect(readFileSync(path, 'utf8')).not.toContain('doubt');
  });

  test('sees a jump while it runs', () => {
    const clock = open();
    passes(HOUR_MS);
    expect(clock.check(-Infinity)).toBeUndefined();
    wallMs += YEAR_MS;
    expect(clock.check(-Infinity)).toMatch(/jumped by 365 days forward/);
  });

  test('does not believe a clock behind the last change of a session', () => {
    expect(open().check(wallMs + HOUR_MS)).toMatch(/behind the last change/);
  });

  test.each(['', '{', '{"lastSeen":5}', '{"lastSeen":"soon"}', '[]'])(
    'goes on with a file that says %j',
    async (text) => {
      writeFileSync(path, text);
      const clock = open();
      expect(clock.check(-Infinity)).toBeUndefined();
      clock.start();
      await clock.stop();
      expect(readFileSync(path, 'utf8')).toContain('"lastSeen":"2026-11-22T00:00:00.000Z"');
    },
  );

  test('goes on where it cannot write', async () => {
    rmSync(dir, { recursive: true });
    await lookOnce();
    expect(open().check(-Infinity)).toBeUndefined();
  });
});
