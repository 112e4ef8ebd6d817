/**
 * What a service manager is told, as it arrives in a socket of its kind.
 */

import { closeSync, fstatSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { ServiceManager } from '../../src/daemon/service-manager.ts';
import { NotifySocket } from '../harness/notify-socket.ts';

let dir: string;
let path: string;
let receiver: NotifySocket;
let log: string;

const logger = pino({ level: 'debug' }, { write: (line: string) => void (log += line) });

function find(env: NodeJS.ProcessEnv = {}): ServiceManager {
  const found = ServiceManager.find({ NOTIFY_SOCKET: path, ...env }, { logger });
  if (found === undefined) throw new Error('There is no service manager');
  return found;
}

const received = (): (readonly string[])[] => receiver.receiveAll().map(({ lines }) => lines);

beforeEach(() => {
  log = '';
  dir = mkdtempSync(join(tmpdir(), 'sessfs-notify-'));
  path = join(dir, 'notify');
  receiver = new NotifySocket(path);
});

afterEach(() => {
  receiver.close();
  rmSync(dir, { recursive: true, force: true });
});

describe('ServiceManager.find', () => {
  test('finds none where NOTIFY_SOCKET is not set', () => {
    expect(ServiceManager.find({}, { logger })).toBeUndefined();
    expect(log).toBe('');
  });

  test.each(['vsock:2:1234', 'relative/path', `/${'x'.repeat(200)}`])(
    'logs and refuses %s',
    (name) => {
      expect(ServiceManager.find({ NOTIFY_SOCKET: name }, { logger })).toBeUndefined();
      expect(log).toContain('nobody is told anything');
    },
  );

  test('reaches an abstract socket', () => {
    const name = `@sessfs-test-${process.pid}`;
    const abstract = new NotifySocket(name);
    try {
      find({ NOTIFY_SOCKET: name }).ready();
      expect(abstract.receive()?.lines).toEqual(['READY=1']);
    } finally {
      abstract.close();
    }
  });

  test.each([
    [{ WATCHDOG_USEC: '3000000' }, 3000],
    [{ WATCHDOG_USEC: '1500', WATCHDOG_PID: String(process.pid) }, 1.5],
    [{ WATCHDOG_USEC: '3000000', WATCHDOG_PID: '1' }, undefined],
    [{ WATCHDOG_USEC: '0' }, undefined],
    [{ WATCHDOG_USEC: 'soon' }, undefined],
    [{}, undefined],
  ])('reads from %j a watchdog of %s ms', (env, expected) => {
    expect(find(env).watchdogMs).toBe(expected);
  });
});

describe('ServiceManager', () => {
  test('tells that it is ready, and whose process is the main one', () => {
    find().ready();
    find().ready(4711);
    expect(received()).toEqual([['READY=1'], ['MAINPID=4711', 'READY=1']]);
  });

  test('tells that it stops, that it lives, what it does, and how much longer that takes', () => {
    const manager = find();
    manager.stopping();
    manager.watchdog();
    manager.status('two\nlines');
    manager.extendTimeout(1.5);
    expect(received()).toEqual([
      ['STOPPING=1'],
      ['WATCHDOG=1'],
      ['STATUS=two lines'],
      ['EXTEND_TIMEOUT_USEC=1500000'],
    ]);
  });

  test('tells that it reloads, at a time of the monotonic clock', () => {
    const before = process.hrtime.bigint() / 1000n;
    find().reloading();
    const [line, time = ''] = received()[0] ?? [];
    expect(line).toBe('RELOADING=1');
    const usec = BigInt(time.replace('MONOTONIC_USEC=', ''));
    expect(usec).toBeGreaterThanOrEqual(before);
    expect(usec).toBeLessThanOrEqual(process.hrtime.bigint() / 1000n);
  });

  test('hands over a descriptor that is open at the same file', () => {
    const fd = openSync(join(dir, 'kept'), 'w');
    expect(find().storeDescriptor('fuse-abc', fd)).toBe(true);
    const { lines, fd: kept } = receiver.receive() ?? {};
    expect(lines).toEqual(['FDSTORE=1', 'FDNAME=fuse-abc', 'FDPOLL=0']);
    if (kept === undefined) throw new Error('No descriptor came');
    expect(kept).not.toBe(fd);
    expect(fstatSync(kept).ino).toBe(fstatSync(fd).ino);
    closeSync(kept);
    closeSync(fd);
  });

  test('has a descriptor dropped by its name', () => {
    expect(find().dropDescriptor('fuse-abc')).toBe(true);
    expect(received()).toEqual([['FDSTOREREMOVE=1', 'FDNAME=fuse-abc']]);
  });

  test.each(['', 'a:b', 'a b', 'ä', 'x'.repeat(256)])(
    'does not send a name that the manager would refuse: %j',
    (name) => {
      expect(find().storeDescriptor(name, 0)).toBe(false);
      expect(received()).toEqual([]);
      expect(log).toContain('would not keep');
    },
  );

  test('knows that everything was read when the manager has read it', async () => {
    const manager = find();
    manager.status('before');
    const flushed = manager.flushed();
    expect(await Promise.race([flushed, new Promise((done) => setImmediate(done, 'waits'))])).toBe(
      'waits',
    );
    const messages = receiver.receiveAll();
    expect(messages.map(({ lines }) => lines)).toEqual([['STATUS=before'], ['BARRIER=1']]);
    closeSync(messages[1]?.fd ?? -1);
    expect(await flushed).toBe(true);
  });

  test('gives up on a manager that does not read', async () => {
    expect(await find().flushed(50)).toBe(false);
  });

  test('logs what it could not tell, and does not throw', async () => {
    const manager = find({ NOTIFY_SOCKET: join(dir, 'gone') });
    manager.ready();
    expect(manager.storeDescriptor('fuse-abc', 0)).toBe(false);
    expect(await manager.flushed()).toBe(false);
    expect(log).toContain('"errno":"ENOENT"');
    expect(log).toContain('READY=1');
  });
});
