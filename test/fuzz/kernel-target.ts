/**
 * Fuzz of what the kernel sends: a volume served through the codec to a client that makes things up.
 *
 * Every message gets the one reply that it must have, well-formed and in time; afterwards the volume is
 * whole, and its log tells the same state again.
 */

import fs from 'node:fs';
import { join } from 'node:path';

import { Opcode } from '../../src/fuse/abi.ts';
import { VersionsTree } from '../../src/mount/versions-tree.ts';
import { pathOf, VolumeFileSystem } from '../../src/mount/volume-file-system.ts';
import { Bench } from '../fuse/fake-device.ts';
import { System, TestClock } from '../model/system.ts';
import { demand, Finding, within } from './finding.ts';
import { Known, makeMessage } from './kernel-messages.ts';
import { damageMessage, encodeMessage } from './kernel-mutations.ts';
import { checkReply } from './kernel-replies.ts';
import { Random } from './random.ts';
import { checkReplay, checkTree } from './volume-checks.ts';

const MESSAGES = 600;
const WORK_MESSAGES = 300;
/** Longer is a hang to whoever waits; of processor time, so that a busy host is none. */
const MESSAGE_MS = 100;
const SETTLE_MS = 60_000;
/** What is deferred is waited for now and then, or mutations would pile up before it. */
const SETTLE_EVERY = 40;

const NO_REPLY: ReadonlySet<number> = new Set([
  Opcode.FORGET,
  Opcode.BATCH_FORGET,
  Opcode.NOTIFY_REPLY,
]);

/** Faults that a damaged message may well cause, and that are logged. */
const EXPECTED_LOGS = /wrong length|operation that is not known|too old a FUSE protocol/;

export async function fuzzKernel(seed: number, dir: string): Promise<void> {
  const random = new Random(seed);
  fs.mkdirSync(dir);
  const clock = new TestClock();
  const system = await System.open(join(dir, 'volume'), clock, { isNew: true });
  await play(system, new KernelRun(system, clock, { random, isDamaged: true }), MESSAGES);
  await checkReplay(system, { copy: join(dir, 'copy'), clock });
}

/** A volume that somebody has worked in: what other targets damage. It is open. */
export async function makeWorkedVolume(random: Random, dir: string): Promise<System> {
  const clock = new TestClock();
  const system = await System.open(dir, clock, { isNew: true });
  const messages = random.between(WORK_MESSAGES / 3, WORK_MESSAGES);
  await play(system, new KernelRun(system, clock, { random, isDamaged: false }), messages);
  await system.volume.cuts.settled();
  return system;
}

interface RunOptions {
  readonly random: Random;
  /** Half of the messages are. */
  readonly isDamaged: boolean;
}

async function play(system: System, run: KernelRun, messages: number): Promise<void> {
  try {
    await run.play(messages);
  } catch (error) {
    await system.volume.close().catch(() => undefined);
    throw error;
  }
}

class KernelRun {
  readonly #system: System;
  readonly #clock: TestClock;
  readonly #random: Random;
  readonly #bench: Bench;
  readonly #known: Known;
  readonly #isDamaged: boolean;
  /** Requests by unique: each is waited for until its reply is taken. */
  readonly #waiting = new Map<bigint, Buffer>();
  #unique = 2n;
  #taken = 0;

  constructor(system: System, clock: TestClock, { random, isDamaged }: RunOptions) {
    this.#system = system;
    this.#clock = clock;
    this.#random = random;
    const isHuge = random.once(3);
    this.#known = new Known({ isHuge, asksForHashes: !isHuge && !isDamaged });
    this.#isDamaged = isDamaged;
    const { volume, history } = system;
    volume.report = (message, error) => {
      throw new Finding(`the volume reports: ${message}`, { cause: error });
    };
    const versions = new VersionsTree({
      history,
      clock,
      status: () => ({}),
      pathOf: (ino) => pathOf(volume, ino),
    });
    this.#bench = new Bench(new VolumeFileSystem({ volume, history, versions }));
  }

  async play(messages: number): Promise<void> {
    this.#send(
      encodeMessage({ opcode: Opcode.INIT, nodeid: 0n, body: initBody() }, this.#nextUnique()),
    );
    for (let count = 0; count < messages; count++) {
      const message = makeMessage(this.#random, this.#known);
      const unique = this.#nextUnique();
      this.#send(
        this.#isDamaged && this.#random.once(2)
          ? damageMessage(this.#random, this.#known, message, unique)
          : encodeMessage(message, unique),
      );
      if (this.#random.once(20)) this.#clock.ms += this.#random.pick([1, 999, 60_000]);
      if (count % SETTLE_EVERY !== 0) continue;
      await this.#settle();
      // Several batches, or the index of so short a life is one.
      if (!this.#isDamaged) await this.#system.volume.flushed();
    }
    await this.#settle();
    const { readOnly } = this.#system.volume.status();
    demand(readOnly === undefined, `the volume can still be written: ${readOnly}`);
    await checkTree(this.#system.volume);
  }

  #nextUnique(): bigint {
    this.#unique += 2n;
    // Also those that are no exact numbers any more.
    return this.#random.once(30) ? this.#unique + (1n << 60n) : this.#unique;
  }

  #send(bytes: Buffer): void {
    const hasReply = bytes.length >= 40 && !NO_REPLY.has(bytes.readUInt32LE(4));
    if (hasReply) {
      const unique = bytes.readBigUInt64LE(8);
      demand(!this.#waiting.has(unique), 'the fuzzer uses each unique once');
      this.#waiting.set(unique, bytes);
    }
    const beganAt = performance.now();
    const cpuBefore = process.cpuUsage();
    try {
      this.#bench.sendBytes(bytes);
    } catch (error) {
      throw new Finding(`a message throws: ${describe(bytes)}`, { cause: error });
    }
    if (performance.now() - beganAt > MESSAGE_MS) {
      const { user, system } = process.cpuUsage(cpuBefore);
      const ms = (user + system) / 1000;
      demand(ms < MESSAGE_MS, `a message takes ${ms} ms: ${describe(bytes)}`);
    }
    this.#take();
  }

  #take(): void {
    const { replies } = this.#bench.device;
    for (; this.#taken < replies.length; this.#taken++) {
      const reply = replies[this.#taken];
      if (reply === undefined) continue;
      const unique = reply.readBigUInt64LE(8);
      const request = this.#waiting.get(unique);
      demand(request !== undefined, `a reply is to a request that waits: ${unique}`);
      this.#waiting.delete(unique);
      try {
        for (const nodeid of checkReply(request, reply)) this.#known.add(nodeid);
      } catch (error) {
        throw new Finding(`a reply is wrong: ${describe(request)}`, { cause: error });
      }
    }
    replies.splice(0);
    this.#taken = 0;
  }

  async #settle(): Promise<void> {
    await within(SETTLE_MS, `replies to ${this.#describeWaiting()}`, this.#bench.settled());
    this.#take();
    demand(this.#waiting.size === 0, `each message has its reply: ${this.#describeWaiting()}`);
    for (const { message, fields } of this.#bench.log.splice(0)) {
      if (EXPECTED_LOGS.test(message)) continue;
      throw new Finding(`it is logged: ${message}`, {
        cause: 'err' in fields ? fields.err : fields,
      });
    }
  }

  #describeWaiting(): string {
    return [...this.#waiting.values()].map(describe).join(', ');
  }
}

function initBody(): Buffer {
  const body = Buffer.alloc(64);
  body.writeUInt32LE(7, 0);
  body.writeUInt32LE(45, 4);
  body.writeUInt32LE(1 << 20, 8);
  body.writeUInt32LE(0xffffffff, 12);
  return body;
}

function describe(bytes: Buffer): string {
  const opcode = bytes.length >= 8 ? bytes.readUInt32LE(4) : -1;
  return `opcode ${opcode}, ${bytes.length} bytes ${bytes.toString('hex', 0, 200)}`;
}
