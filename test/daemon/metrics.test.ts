/**
 * Metrics and health of a daemon with real sessions: working, unmounted, and hanging.
 */

import { readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import type { HealthReply } from '../../src/control/protocol.ts';
import { eventually, isAlive, startDaemon } from '../harness/daemon.ts';
import type { TestDaemon, TestSession } from '../harness/daemon.ts';
import { hasUnit, parseMetrics } from '../harness/prometheus.ts';
import type { ParsedFamily, ParsedSample } from '../harness/prometheus.ts';
import { shell } from '../harness/run.ts';

const SHORT_MS = 15_000;
/** A server that hangs is waited for one second. */
const SCRAPE_MAX_MS = 3_000;

/** What has no unit: plain numbers of things. */
const COUNTS = new Set([
  'sessfs_sessions',
  'sessfs_up',
  'sessfs_revision',
  'sessfs_durable_revision',
  'sessfs_read_only',
  'sessfs_sweep_refused',
  'sessfs_inodes',
  'sessfs_versions',
  'sessfs_process_open_descriptors',
]);

let daemon: TestDaemon;
let session: TestSession;

beforeAll(async () => {
  daemon = await startDaemon();
  session = await daemon.createSession({ name: 'work' });
  const script = 'echo one > a; mkdir d; sync a; for i in 1 2 3 4 5 6 7 8; do echo $i >> b; done';
  await shell(script, { cwd: session.mount, timeoutMs: SHORT_MS });
});

afterAll(() => daemon.stop());

/** Asks the control socket; status, type and body of the reply. */
function ask(path: string): Promise<{ status: number; type: string; body: string }> {
  return new Promise((resolve, reject) => {
    const { socketPath } = daemon.client;
    const asked = request({ socketPath, path, agent: false, timeout: SHORT_MS }, (reply) => {
      let body = '';
      reply.setEncoding('utf8').on('data', (part: string) => (body += part));
      reply.once('end', () => {
        const type = reply.headers['content-type'] ?? '';
        resolve({ status: reply.statusCode ?? 0, type, body });
      });
    });
    asked.once('error', reject).once('timeout', () => asked.destroy(new Error('Timed out')));
    asked.end();
  });
}

async function scrape(): Promise<Map<string, ParsedFamily>> {
  return parseMetrics((await ask('/metrics')).body);
}

function find(
  families: Map<string, ParsedFamily>,
  name: string,
  labels: Record<string, string> = { session: session.id },
): ParsedSample | undefined {
  const family = families.get(name.replace(/_(?:bucket|sum|count)$/, '')) ?? families.get(name);
  return family?.samples.find(
    (sample) =>
      sample.name === name &&
      Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
  );
}

function total(samples: readonly ParsedSample[]): number {
  return samples.reduce((sum, { value }) => sum + value, 0);
}

async function health(): Promise<{ status: number; reply: HealthReply }> {
  const { status, body } = await ask('/health');
  const reply: HealthReply = JSON.parse(body);
  return { status, reply };
}

describe('GET /metrics', () => {
  test('is the text format, in which every name has its unit and is in the README', async () => {
    const { status, type, body } = await ask('/metrics');
    expect(status).toBe(200);
    expect(type).toBe('text/plain; version=0.0.4; charset=utf-8');
    const names = [...parseMetrics(body).keys()];
    expect(names.length).toBeGreaterThan(25);
    expect(names.filter((name) => !hasUnit(name) && !COUNTS.has(name))).toEqual([]);
    const readme = readFileSync(join(import.meta.dirname, '../../README.md'), 'utf8');
    expect(names.filter((name) => !readme.includes(`\`${name}\``))).toEqual([]);
  });

  test('counts requests by operation, and how long some of them took', async () => {
    const families = await scrape();
    const mkdir = { session: session.id, operation: 'mkdir' };
    expect(find(families, 'sessfs_requests_total', mkdir)?.value).toBe(1);
    const durations = families.get('sessfs_request_duration_seconds')?.samples ?? [];
    const timed = durations.filter(({ name }) => name.endsWith('_count'));
    const requests = families.get('sessfs_requests_total')?.samples ?? [];
    expect(total(timed)).toBeGreaterThan(0);
    expect(total(timed)).toBeLessThanOrEqual(total(requests));
    const synced = { session: session.id, operation: 'fsync' };
    expect(find(families, 'sessfs_request_duration_seconds_count', synced)?.value).toBe(1);
  });

  test('tells of the volume what show tells of it', async () => {
    const volume = await daemon.client.volumeInfo(session.id);
    const families = await scrape();
    const value = (name: string): number | undefined => find(families, name)?.value;
    expect(value('sessfs_up')).toBe(1);
    expect(value('sessfs_revision')).toBe(volume.revision);
    expect(value('sessfs_versions')).toBe(volume.versions);
    expect(value('sessfs_inodes')).toBe(volume.inodes);
    expect(value('sessfs_live_bytes')).toBe(volume.liveBytes);
    expect(value('sessfs_log_bytes')).toBe(volume.logBytes);
    expect(value('sessfs_restarts_total')).toBe(0);
    expect(value('sessfs_read_only')).toBe(0);
  });

  test('tells how long changes wait for the disk, and 0 once none does', async () => {
    await shell('echo more >> a', { cwd: session.mount, timeoutMs: SHORT_MS });
    await eventually(
      async () => {
        const families = await scrape();
        expect(find(families, 'sessfs_sync_lag_seconds')?.value).toBe(0);
        const durable = find(families, 'sessfs_durable_revision')?.value;
        expect(durable).toBe(find(families, 'sessfs_revision')?.value);
      },
      { timeoutMs: SHORT_MS },
    );
  });

  test('tells which look-ups memory answered', async () => {
    const families = await scrape();
    for (const cache of ['inode', 'name', 'region']) {
      const labels = { session: session.id, cache };
      expect(find(families, 'sessfs_cache_hits_total', labels)?.value).toBeGreaterThan(0);
      expect(find(families, 'sessfs_cache_misses_total', labels)?.value).toBeGreaterThanOrEqual(0);
    }
  });

  test('tells of the supervisor and of each volume server what their process uses', async () => {
    const families = await scrape();
    for (const labels of [{ process: 'supervisor' }, { process: 'volume', session: session.id }]) {
      const value = (name: string): number =>
        find(families, `sessfs_process_${name}`, labels)?.value ?? 0;
      expect(value('resident_memory_bytes')).toBeGreaterThan(10e6);
      expect(value('open_descriptors')).toBeGreaterThan(5);
      expect(value('cpu_seconds_total')).toBeGreaterThan(0.01);
      expect(value('start_time_seconds')).toBeGreaterThan(Date.now() / 1000 - 600);
      expect(value('event_loop_delay_seconds')).toBeLessThan(1);
      expect(value('event_loop_idle_seconds_total')).toBeGreaterThan(0);
    }
  });

  test('starts no server for a session that has none', async () => {
    const { id } = await daemon.createSession({ name: 'asleep' });
    await daemon.client.unmount(id);
    const families = await scrape();
    expect(find(families, 'sessfs_session_info', { session: id })?.labels['name']).toBe('asleep');
    expect(find(families, 'sessfs_up', { session: id })).toBeUndefined();
    expect(find(families, 'sessfs_revision', { session: id })).toBeUndefined();
    expect((await daemon.client.getSession(id)).server.pid).toBeUndefined();
    expect((await health()).reply).toEqual({ ok: true, problems: [] });
    await daemon.client.deleteSession(id);
  });

  test('is what the command prints, as text and as data', async () => {
    const { stdout, code } = await daemon.cli(['metrics']);
    expect(code).toBe(0);
    const printed = [...parseMetrics(stdout).keys()];
    expect(printed).toEqual([...(await scrape()).keys()]);
    const { stdout: json } = await daemon.cli(['metrics', '--json']);
    const families: { name: string }[] = JSON.parse(json);
    expect(families.map(({ name }) => name)).toEqual(expect.arrayContaining(printed));
  });
});

describe('a volume server that hangs', () => {
  test('is told as down within the deadline, and as well again once it is', async () => {
    const other = await daemon.createSession();
    const { pid = 0 } = (await daemon.client.getSession(session.id)).server;
    expect(await health()).toEqual({ status: 200, reply: { ok: true, problems: [] } });
    process.kill(pid, 'SIGSTOP');
    try {
      const beganAt = performance.now();
      const families = await scrape();
      expect(performance.now() - beganAt).toBeLessThan(SCRAPE_MAX_MS);
      expect(find(families, 'sessfs_up')?.value).toBe(0);
      expect(find(families, 'sessfs_revision')).toBeUndefined();
      expect(find(families, 'sessfs_up', { session: other.id })?.value).toBe(1);
      const { status, reply } = await health();
      expect(status).toBe(503);
      expect(reply).toEqual({
        ok: false,
        problems: [{ session: session.id, problem: 'Its server does not answer in 1000 ms' }],
      });
    } finally {
      if (isAlive(pid)) process.kill(pid, 'SIGCONT');
    }
    await eventually(
      async () => {
        expect((await health()).status).toBe(200);
        expect(find(await scrape(), 'sessfs_up')?.value).toBe(1);
      },
      { timeoutMs: SHORT_MS },
    );
  });
});

describe('a session that hibernates', () => {
  test('is not woken by who watches, and its sleep and its waking are counted', async () => {
    writeFileSync(join(daemon.root, 'config.json'), '{"hibernateAfterSeconds": 1}');
    const state = async (): Promise<string> =>
      (await daemon.client.getSession(session.id)).server.state;
    await eventually(async () => expect(await state()).toBe('hibernated'), { timeoutMs: SHORT_MS });
    const before = await scrape();
    expect(find(before, 'sessfs_up')).toBeUndefined();
    expect(find(before, 'sessfs_session_info')?.labels['state']).toBe('hibernated');
    expect((await health()).status).toBe(200);
    expect(await state()).toBe('hibernated');
    await shell('cat a', { cwd: session.mount, timeoutMs: SHORT_MS });
    const after = await scrape();
    expect(find(before, 'sessfs_hibernations_total')?.value).toBe(1);
    expect(find(before, 'sessfs_wakeups_total')?.value).toBe(0);
    expect(find(after, 'sessfs_wakeups_total')?.value).toBe(1);
    expect(find(after, 'sessfs_up')?.value).toBe(1);
  });
});
