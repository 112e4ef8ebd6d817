/**
 * A request that is sent again, because its server died before it had answered, is carried out once.
 */

import fs from 'node:fs';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { Opcode } from '../../src/fuse/abi.ts';
import { SYSTEM_ACTOR } from '../../src/shared/brands.ts';
import { Errno } from '../../src/shared/errno.ts';
import type { Answered } from '../fuse/frames.ts';
import * as m from './once-messages.ts';
import { DEATHS, SCRATCH, Server, Uniques } from './once-server.ts';
import type { Death } from './once-server.ts';

const ROOT = 1;
const DIR = 2;
const FILE = 3;
const OTHER = 4;
const LINKED = 6;
const NEXT = 7;

const hello = Buffer.from('hello world');
const later = Buffer.from('HELLO');
const pages = Buffer.alloc(200_000, 'abc');

/** What stands in the volume before; the empty directory is 5. */
const before: m.Message[] = [
  m.mkdir(ROOT, 'd'),
  m.create(ROOT, 'f', m.O_WRONLY),
  m.write(FILE, 0, hello),
  m.release(FILE, m.O_WRONLY),
  m.setxattr(FILE, 'user.a', '1'),
  m.chmod(FILE, 0o104755),
  m.create(DIR, 'g', m.O_WRONLY),
  m.write(OTHER, 0, pages),
  m.release(OTHER, m.O_WRONLY),
  m.mkdir(ROOT, 'e'),
  m.mknod(ROOT, 'x'),
  m.link(LINKED, ROOT, 'y'),
];

/** The request during which the server dies, and what comes after it. */
const cases: [what: string, request: m.Message, then?: m.Message[]][] = [
  ['mknod', m.mknod(DIR, 'n')],
  ['mkdir', m.mkdir(DIR, 'n')],
  ['symlink', m.symlink(DIR, 'n', 'target')],
  ['link', m.link(FILE, DIR, 'n')],
  ['unlink', m.unlink(ROOT, 'f')],
  ['unlink of a dirty file', m.unlink(DIR, 'g')],
  ['rmdir', m.rmdir(ROOT, 'e')],
  ['rename', m.rename([ROOT, 'f'], [DIR, 'n'])],
  ['rename over another', m.rename([ROOT, 'f'], [DIR, 'g'])],
  ['rename onto a link of itself', m.rename([ROOT, 'x'], [ROOT, 'y'])],
  ['rename without replacing', m.rename2([ROOT, 'f'], [DIR, 'n'], 1)],
  ['exchange', m.rename2([ROOT, 'f'], [DIR, 'g'], 2)],
  ['rename with a whiteout', m.rename2([ROOT, 'f'], [DIR, 'n'], 4)],
  ['chmod', m.chmod(FILE, 0o100600)],
  ['chown', m.chown(FILE, 7)],
  ['utimes', m.utimes(FILE, 1_000_000)],
  ['truncate', m.truncate(FILE, 3)],
  ['ftruncate', m.ftruncate(FILE, 3)],
  ['setxattr', m.setxattr(FILE, 'user.a', '2')],
  ['setxattr of a new one', m.setxattr(FILE, 'user.b', '2', 1)],
  ['removexattr', m.removexattr(FILE, 'user.a')],
  ['open', m.open(FILE, m.O_WRONLY), [m.write(FILE, 0, later), m.release(FILE, m.O_WRONLY)]],
  [
    'open that truncates',
    m.open(FILE, m.O_WRONLY | m.O_TRUNC),
    [m.write(FILE, 0, later), m.release(FILE, m.O_WRONLY)],
  ],
  [
    'create',
    m.create(DIR, 'n', m.O_WRONLY | m.O_EXCL),
    [m.write(NEXT, 0, later), m.release(NEXT, m.O_WRONLY)],
  ],
  [
    'create of what is there',
    m.create(DIR, 'g', m.O_WRONLY),
    [m.write(OTHER, 0, later), m.release(OTHER, m.O_WRONLY)],
  ],
  [
    'create that truncates',
    m.create(DIR, 'g', m.O_WRONLY | m.O_TRUNC),
    [m.write(OTHER, 0, later), m.release(OTHER, m.O_WRONLY)],
  ],
  ['tmpfile', m.tmpfile(DIR, m.O_WRONLY), [m.write(NEXT, 0, later), m.link(NEXT, DIR, 'n')]],
  ['write', m.write(FILE, 0, later)],
  ['append', m.write(FILE, hello.length, later)],
  ['large write', m.write(FILE, 5, pages)],
  ['synchronous write', m.write(FILE, 0, later, m.O_WRONLY | m.O_DSYNC)],
  ['fallocate', m.fallocate(FILE, 0, 5000, 0)],
  ['fallocate that changes nothing', m.fallocate(FILE, 0, 5000, 1)],
  ['punched hole', m.fallocate(FILE, 0, 5, 3)],
  ['copy_file_range', m.copyRange([OTHER, 10], [FILE, 3], 1000)],
  ['copy_file_range up to the end', m.copyRange([OTHER, 199_990], [FILE, 3], 1000)],
  [
    'copy_file_range of 64 bits',
    m.copyRange([OTHER, 10], [FILE, 3], 1000, Opcode.COPY_FILE_RANGE_64),
  ],
  ['release', m.release(LINKED, m.O_WRONLY)],
];

/** What is open and dirty when the request comes. */
const opened: m.Message[] = [
  m.open(FILE, m.O_WRONLY),
  m.open(LINKED, m.O_WRONLY),
  m.write(LINKED, 0, Buffer.from('dirty')),
  m.open(OTHER, m.O_WRONLY),
  m.write(OTHER, 100, later),
];

let root = '';
let dirs = 0;
beforeEach(() => {
  root = fs.mkdtempSync(join(SCRATCH, 'sessfs-once-'));
});
afterEach(() => fs.rmSync(root, { recursive: true }));

async function start(uniques: Uniques): Promise<Server> {
  dirs += 1;
  const server = await Server.open(join(root, `${dirs}-0`));
  for (const message of [...before, ...opened]) {
    const { errno } = await server.ask({ ...message, unique: uniques.next() });
    if (errno !== 0) throw new Error(`Opcode ${message.opcode} failed: ${errno}`);
  }
  return server;
}

interface Outcome {
  readonly answer: Pick<Answered, 'errno' | 'body'>;
  readonly state: object;
  readonly records: string[];
}

/** @param lose Carries the request out and dies; returns the server that will be asked again. */
async function outcome(
  request: m.Message,
  then: readonly m.Message[],
  lose?: Death['carryOut'],
): Promise<Outcome> {
  const uniques = new Uniques();
  let server = await start(uniques);
  const unique = uniques.next();
  if (lose !== undefined) server = await lose(server, { ...request, unique });
  const resent = lose !== undefined;
  const { errno, body } = await server.ask({ ...request, unique, resent });
  server.endResend();
  for (const message of then) await server.ask({ ...message, unique: uniques.next() });
  const result = {
    answer: { errno, body },
    records: await server.records(),
    state: await server.state(),
  };
  expect(server.problems).toEqual([]);
  await server.volume.close();
  return result;
}

describe.each(cases)('%s', (_what, request, then = []) => {
  test('is carried out once, wherever its server dies', async () => {
    const wanted = await outcome(request, then);
    expect(wanted.answer.errno).toBe(0);
    for (const { when, carryOut } of DEATHS) {
      const actual = await outcome(request, then, carryOut);
      expect({ when, ...actual }).toEqual({ when, ...wanted });
    }
  });
});

describe('what was carried out', () => {
  test('is not worth refusing to serve: a record that is damaged ends the search', async () => {
    const first = await Server.open(join(root, '0'));
    const { volume } = first;
    // Never paid: as a write that waits for the disk, which keeps what follows from being forgotten.
    volume.answers.owe(volume.log.head);
    await first.ask({ ...m.mkdir(ROOT, 'a'), unique: 2 });
    const from = volume.log.head;
    await first.ask({ ...m.mkdir(ROOT, 'damaged'), unique: 4 });
    await first.ask({ ...m.create(ROOT, 'f', m.O_WRONLY), unique: 6 });
    // Into the next segment: the last one is read whole at the start, and must be.
    for (const unique of [8, 10, 12, 14, 16, 18, 20]) {
      await first.ask({ ...m.write(4, unique * 100_000, pages), unique });
    }
    await volume.close();
    const segment = join(first.dir, 'log', '00000000.seg');
    const bytes = fs.readFileSync(segment);
    bytes[bytes.indexOf('damaged', from)] = 0;
    fs.writeFileSync(segment, bytes);
    const second = await Server.resume(first.dir, first.connected);
    expect(second.volume.answersProblem).toContain('00000000.seg');
    expect(second.volume.answers.find(2)).toBeDefined();
    expect(second.volume.answers.find(4)).toBeUndefined();
    expect(await second.state()).toMatchObject({ count: 4 });
    await second.volume.close();
  });

  test('is known of a write that waits for the disk, though the index has it', async () => {
    const request = m.write(FILE, 0, later, m.O_WRONLY | m.O_DSYNC);
    const wanted = await outcome(request, []);
    const actual = await outcome(request, [], async (server, asked) => {
      server.bench.send(asked);
      await server.volume.flushed();
      return server.die();
    });
    expect(actual).toEqual(wanted);
  });

  test('is not known of a request of an earlier connection with the same number', async () => {
    const first = await Server.open(join(root, '0'));
    await first.ask({ ...m.mkdir(ROOT, 'a'), unique: 2 });
    await first.volume.close();
    let second = await Server.open(first.dir);
    // Without its index all of the log is read, that of the first connection too.
    second = await second.die({ losesIndex: true });
    const { errno } = await second.ask({ ...m.mkdir(ROOT, 'b'), unique: 2, resent: true });
    expect(errno).toBe(0);
    expect(await second.state()).toMatchObject({ count: 3 });
    await second.volume.close();
  });

  test('is forgotten when the resend is over', async () => {
    let server = await Server.open(join(root, '0'));
    server.bench.send({ ...m.mkdir(ROOT, 'a'), unique: 2 });
    server = await server.die();
    server.endResend();
    const { errno } = await server.ask({ ...m.mkdir(ROOT, 'a'), unique: 2, resent: true });
    expect(errno).toBe(Errno.EEXIST);
    await server.volume.close();
  });

  test('is not looked for again by later servers, though the index was made anew', async () => {
    let server = await Server.open(join(root, '0'));
    await server.ask({ ...m.mkdir(ROOT, 'a'), unique: 2 });
    server = await server.die({ losesIndex: true });
    server.endResend();
    const { answers } = server.volume;
    expect(answers.isCollecting).toBe(false);
    await server.volume.close();
    const { volume } = await Server.resume(server.dir, server.connected);
    expect(volume.answers.oldestOwed(volume.state.next)).toBe(volume.state.next);
    await volume.close();
  });
});

/** Dies after the record, and after the index has it. */
async function dieUntold(losesIndex: boolean): Promise<Server> {
  const uniques = new Uniques();
  const server = await start(uniques);
  const { history, volume } = server;
  const { revision } = volume.state;
  await server.ask({ ...m.unlink(ROOT, 'x'), unique: uniques.next() });
  await server.ask({ ...m.write(FILE, 0, later), unique: uniques.next() });
  await server.ask({ ...m.mkdir(ROOT, 'new'), unique: uniques.next() });
  const logged = new Promise<void>((resolve) => {
    history.onChange = () => {
      resolve();
      return new Promise(() => undefined);
    };
  });
  const actor = SYSTEM_ACTOR;
  void history.rollback({ path: [], to: revision, exact: true, actor });
  await logged;
  await volume.flushed();
  return server.die({ losesIndex });
}

describe('a rollback that the kernel was not told of', () => {
  test.each([false, true])('is told by the next server (index lost: %s)', async (losesIndex) => {
    let server = await dieUntold(losesIndex);
    const wanted = [`inode ${FILE}`, 'name 1/x', 'name 1/new'];
    await expect.poll(() => server.told).toEqual(expect.arrayContaining(wanted));
    server.endResend();
    await expect.poll(() => oldestOwed(server)).toBe(server.volume.state.next);
    await server.volume.flushed();
    await server.volume.close();
    server = await Server.resume(server.dir, server.connected);
    expect(server.told).toEqual([]);
    await server.volume.close();
  });
});

const oldestOwed = ({ volume }: Server): number => volume.answers.oldestOwed(volume.state.next);
