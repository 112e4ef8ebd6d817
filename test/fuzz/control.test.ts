/**
 * Fuzz of the control sockets and of the command line: an answer with a code or a closed connection,
 * never a stack; and afterwards everything is as it was.
 */

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { fieldsOf } from '../../src/control/json.ts';
import { storeLayout, volumeSocket } from '../../src/daemon/store-layout.ts';
import { EXIT_CODES } from '../../src/shared/errors.ts';
import { eventually, run, startDaemon } from '../harness/daemon.ts';
import type { TestDaemon, TestSession } from '../harness/daemon.ts';
import { makeArguments } from './command-lines.ts';
import { demand } from './finding.ts';
import { makeControlBytes } from './control-requests.ts';
import type { ControlWorld } from './control-requests.ts';
import { Random } from './random.ts';
import { FUZZ_SEED, fuzzRuns } from './run-worker.ts';

const EXCHANGES = 500;
const AT_ONCE = 8;
const CONNECTIONS = 2500;
const COMMANDS = 16;
/** Node ends a half-sent request when its head is late by 10 s, and looks every second. */
const EXCHANGE_MS = 20_000;
const STATUS_MS = 3000;
const RSS_GROWTH_BYTES = 200 << 20;
const FDS_MORE = 12;
const TIMEOUT_MS = 24 * 3600 * 1000;

let daemon: TestDaemon;
let session: TestSession;
let world: ControlWorld;
let sockets: { daemon: string; volume: string };

beforeAll(async () => {
  daemon = await startDaemon();
  session = await daemon.createSession({ name: 'main' });
  const layout = storeLayout(daemon.root);
  world = { session: session.id, scratch: daemon.root };
  sockets = { daemon: layout.controlSocket, volume: volumeSocket(layout, session.id) };
  writeFileSync(join(daemon.root, 'file'), '');
  await run('sh', ['-c', 'for i in 1 2 3; do echo "$i" > notes.md; done; mkdir a'], {
    cwd: session.mount,
  });
});

afterAll(() => daemon.stop());

/** Sends bytes, and gives what came back until the other end closed. */
function exchange(path: string, bytes: Buffer, isCut: boolean): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    const parts: Buffer[] = [];
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new Error(`No end: ${bytes.toString('latin1', 0, 300)}`));
    }, EXCHANGE_MS);
    socket.on('data', (part) => parts.push(part));
    // Closed in the middle of it.
    socket.on('error', () => undefined);
    socket.once('close', () => {
      clearTimeout(timer);
      resolve(Buffer.concat(parts).toString('latin1'));
    });
    socket.write(bytes);
    if (isCut) socket.end();
  });
}

/** More than one, where a damaged request left the connection open and went on as another. */
function checkReplies(replies: string, request: Buffer): void {
  for (const reply of replies.split(/(?=HTTP\/1\.1 \d{3} )/)) checkReply(reply, request);
}

function checkReply(text: string, request: Buffer): void {
  if (text === '' || text.startsWith('HTTP/1.1 100 ')) return;
  const shown = `${request.toString('latin1', 0, 300)} → ${text.slice(0, 400)}`;
  const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(text)?.[1] ?? 0);
  demand(status >= 200, `it is answered in HTTP: ${shown}`);
  demand(!STACK.test(text), `no stack is told: ${shown}`);
  if (status < 400 || request.toString('latin1', 0, 4) === 'HEAD') return;
  const body = text.slice(text.indexOf('\r\n\r\n') + 4);
  const json = Buffer.from(body.slice(body.indexOf('{'), body.lastIndexOf('}') + 1), 'latin1');
  demand(json.length > 0, `an error is JSON: ${shown}`);
  const { code, message } = fieldsOf(fieldsOf(JSON.parse(json.toString()))['error']);
  demand(typeof message === 'string', `an error has a message: ${shown}`);
  demand(Object.hasOwn(EXIT_CODES, String(code)), `an error has a code that is known: ${shown}`);
}

const STACK = /\n\s+at .*(?:node:|\.js:)|file:\/\//;

interface Vitals {
  readonly rssBytes: number;
  readonly fds: number;
}

const volumePid = async (): Promise<number> =>
  (await daemon.client.getSession(session.id)).server.pid ?? 0;

function vitalsOf(pid: number): Vitals {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const rssKb = Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0);
  return { rssBytes: rssKb * 1024, fds: readdirSync(`/proc/${pid}/fd`).length };
}

/** The daemon answers, the volume is served by the same process, and neither has grown. */
async function isAlive(before: readonly Vitals[], pids: readonly number[]): Promise<boolean> {
  // A request without a body, or with a good one, makes a session.
  for (const { id } of await daemon.client.listSessions()) {
    if (id !== session.id) await daemon.client.deleteSession(id);
  }
  const status = await daemon.client.status(STATUS_MS);
  expect(status.sessions.find(({ id }) => id === session.id)).toMatchObject({
    state: 'active',
    server: {
      state: expect.stringMatching(/^(?:active|idle|serving)$/),
      pid: pids[1],
      restarts: 0,
    },
  });
  const read = await run('cat', ['notes.md'], { cwd: session.mount, timeoutMs: STATUS_MS });
  expect(read.stdout).toMatch(/^[123]\n$/);
  await eventually(
    () => {
      for (const [index, pid] of pids.entries()) {
        const [was, is] = [before[index], vitalsOf(pid)];
        expect(is.fds).toBeLessThanOrEqual((was?.fds ?? 0) + FDS_MORE);
        expect(is.rssBytes).toBeLessThan((was?.rssBytes ?? 0) + RSS_GROWTH_BYTES);
      }
    },
    { timeoutMs: 10_000 },
  );
  expect(daemon.log()).not.toMatch(/uncaught|unhandled/i);
  return true;
}

const open = (path: string): Promise<Socket | undefined> =>
  new Promise((resolve) => {
    const socket = connect(path, () => resolve(socket));
    socket.on('error', () => resolve(undefined));
  });

describe('The control sockets', () => {
  test(
    'answer whatever is sent, with a code or by closing, and live on',
    async () => {
      const random = new Random(FUZZ_SEED);
      const pids = [daemon.pid, await volumePid()];
      const before = pids.map(vitalsOf);
      const count = fuzzRuns(1) * EXCHANGES;
      for (let done = 0; done < count; done += AT_ONCE) {
        const requests = Array.from({ length: AT_ONCE }, async () => {
          const isDaemon = random.once(2);
          const bytes = makeControlBytes(random, world, isDaemon);
          const reply = await exchange(isDaemon ? sockets.daemon : sockets.volume, bytes, true);
          checkReplies(reply, bytes);
        });
        await Promise.all(requests);
      }
      expect(await isAlive(before, pids)).toBe(true);
    },
    TIMEOUT_MS,
  );

  test(
    'take thousands of connections at once, and let go of those that say too little',
    async () => {
      const pids = [daemon.pid, await volumePid()];
      const before = pids.map(vitalsOf);
      const paths = Object.values(sockets);
      const slow = paths.map((path) => {
        const socket = connect(path).on('error', () => undefined);
        socket.write('POST /v1/sync HTTP/1.1\r\nhost: x\r\nx: ');
        socket.resume();
        return new Promise((resolve) => socket.once('close', resolve));
      });
      for (const path of paths) {
        const all = await Promise.all(Array.from({ length: CONNECTIONS }, () => open(path)));
        for (const socket of all) socket?.write('GET /v1/sta');
        for (const socket of all) socket?.destroy();
      }
      await eventually(() => daemon.client.status(STATUS_MS), { timeoutMs: 10_000 });
      await Promise.all(slow);
      expect(await isAlive(before, pids)).toBe(true);
    },
    EXCHANGE_MS + 40_000,
  );
});

describe('The command', () => {
  test(
    'ends with a code and a sentence, whatever it is told',
    async () => {
      const random = new Random(FUZZ_SEED + 1);
      // What is exported comes to lie there; nothing can be mounted on it.
      const cwd = join(daemon.root, 'cwd');
      mkdirSync(join(cwd, 'full'), { recursive: true });
      const codes = new Set<number>([0, 130, ...Object.values(EXIT_CODES)]);
      for (let done = 0; done < fuzzRuns(1) * COMMANDS; done += 2) {
        const commands = [1, 2].map(() => makeArguments(random, world));
        const results = await Promise.all(commands.map((args) => daemon.cli(args, { cwd })));
        for (const [index, { code, stderr, stdout }] of results.entries()) {
          const shown = `${JSON.stringify(commands[index]).slice(0, 400)}\n${stderr.slice(0, 1000)}`;
          demand(codes.has(code), `it ends with a code that is known, not ${code}: ${shown}`);
          demand(!STACK.test(stderr + stdout), `no stack is shown: ${shown}`);
          demand(code === 0 || stderr !== '', `a failure is told: ${shown}`);
        }
      }
      expect(await daemon.client.status(STATUS_MS)).toMatchObject({ pid: daemon.pid });
    },
    TIMEOUT_MS,
  );
});
