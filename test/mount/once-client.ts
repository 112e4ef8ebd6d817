/**
 * A client of a volume as the kernel lets it be: it names what is there, and writes to what it has open.
 */

import { Opcode } from '../../src/fuse/abi.ts';
import { ROOT_INO } from '../../src/shared/brands.ts';
import type { Ino } from '../../src/shared/brands.ts';
import type { Volume } from '../../src/volume/volume.ts';
import type { Answered } from '../fuse/frames.ts';
import * as m from './once-messages.ts';
import type { Message } from './once-messages.ts';

export interface Step {
  readonly kind: number;
  readonly a: number;
  readonly b: number;
  readonly c: number;
  readonly death: number | undefined;
  readonly isFlushed: boolean;
}

const NAMES = ['a', 'b', 'c', 'd', 'e'];
const LENGTHS = [1, 5, 100, 4096, 5000, 140_000];
const OFFSETS = [0, 3, 4096, 100_000];

const S_IFMT = 0o170000;
const S_IFDIR = 0o040000;

type Make = (client: Client, step: Step) => Message;

/** Each as often as it stands here. */
const KINDS: readonly Make[] = [
  (c, s) => m.mkdir(c.dir(s.a), c.name(s.b)),
  (c, s) => m.mknod(c.dir(s.a), c.name(s.b)),
  (c, s) => m.symlink(c.dir(s.a), c.name(s.b), `to ${s.c}`),
  (c, s) => m.link(c.file(s.a), c.dir(s.b), c.name(s.c)),
  (c, s) => m.unlink(c.dir(s.a), c.name(s.b)),
  (c, s) => m.rmdir(c.dir(s.a), c.name(s.b)),
  (c, s) => m.rename([c.dir(s.a), c.name(s.b)], [c.dir(s.c), c.name(s.a + s.b)]),
  (c, s) => m.rename2([c.dir(s.a), c.name(s.b)], [c.dir(s.c), c.name(s.a + s.b)], s.kind % 5),
  (c, s) => m.chmod(c.file(s.a), 0o600 + (s.b % 64)),
  (c, s) => m.chown(c.file(s.a), s.b % 3),
  (c, s) => m.truncate(c.file(s.a), LENGTHS[s.b % LENGTHS.length] ?? 0),
  (c, s) => m.ftruncate(c.writable(s.a), LENGTHS[s.b % LENGTHS.length] ?? 0),
  (c, s) => m.setxattr(c.file(s.a), `user.${c.name(s.b)}`, String(s.c % 3), s.c % 3),
  (c, s) => m.removexattr(c.file(s.a), `user.${c.name(s.b)}`),
  (c, s) => m.open(c.file(s.a), m.O_WRONLY | (s.b % 2 === 0 ? m.O_TRUNC : 0)),
  (c, s) => m.create(c.dir(s.a), c.name(s.b), m.O_WRONLY | (s.c % 2 === 0 ? m.O_TRUNC : 0)),
  (c, s) => m.create(c.dir(s.a), c.name(s.b), m.O_WRONLY | m.O_EXCL),
  (c, s) => m.tmpfile(c.dir(s.a), m.O_WRONLY),
  (c, s) => c.write(s, m.O_WRONLY),
  (c, s) => c.write(s, m.O_WRONLY),
  (c, s) => c.write(s, m.O_WRONLY | m.O_DSYNC),
  (c, s) => m.fallocate(c.writable(s.a), c.offset(s.b), 5000, [0, 1, 3, 16][s.c % 4] ?? 0),
  (c, s) => m.copyRange([c.file(s.a), c.offset(s.b)], [c.writable(s.c), c.offset(s.a)], 5000),
  (c, s) => m.release(c.writable(s.a), m.O_WRONLY),
  (c, s) => m.release(c.writable(s.a), m.O_WRONLY),
];

export class Client {
  readonly #volume: Volume;
  /** One entry for each open file. */
  readonly #open: number[] = [];
  /** There was none of the kind that a message needs: one is made instead. */
  #lacksFile = false;

  constructor(volume: Volume) {
    this.#volume = volume;
  }

  choose(step: Step): Message {
    this.#lacksFile = false;
    const message = pick(KINDS, step.kind)(this, step);
    return this.#lacksFile ? m.create(ROOT_INO, this.name(step.b), m.O_WRONLY) : message;
  }

  told({ opcode, nodeid = 0 }: Message, { errno, body }: Answered): void {
    if (opcode === Opcode.RELEASE) this.#open.splice(this.#open.indexOf(nodeid), 1);
    if (errno !== 0) return;
    if (opcode === Opcode.OPEN) this.#open.push(nodeid);
    if (opcode === Opcode.CREATE || opcode === Opcode.TMPFILE) {
      this.#open.push(Number(body.readBigUInt64LE(0)));
    }
  }

  dir(n: number): number {
    return pick(this.#live(true), n);
  }

  /** With a name, or open. */
  file(n: number): number {
    return this.#pickFile([...new Set([...this.#live(false), ...this.#open])], n);
  }

  writable(n: number): number {
    return this.#pickFile(this.#open, n);
  }

  #pickFile(files: readonly number[], n: number): number {
    this.#lacksFile ||= files.length === 0;
    return files.length === 0 ? 0 : pick(files, n);
  }

  name(n: number): string {
    return pick(NAMES, n);
  }

  offset(n: number): number {
    return pick(OFFSETS, n);
  }

  /** At the end, or somewhere; sometimes what is there already. */
  write(step: Step, flags: number): Message {
    const ino = this.writable(step.a) as Ino;
    const size = this.#volume.state.findInode(ino)?.size ?? 0;
    const data = Buffer.alloc(pick(LENGTHS, step.b), `${step.c % 3} line\n`);
    return m.write(ino, step.c % 2 === 0 ? size : this.offset(step.c), data, flags);
  }

  #live(areDirs: boolean): number[] {
    const { state } = this.#volume;
    const found: number[] = [];
    for (let ino = 1; ino < state.nextIno; ino += 1) {
      const inode = state.findInode(ino as Ino);
      if (inode === undefined || inode.nlink === 0) continue;
      if (((inode.mode & S_IFMT) === S_IFDIR) === areDirs) found.push(ino);
    }
    return found;
  }
}

function pick<T>(from: readonly T[], n: number): T {
  const picked = from[n % from.length];
  if (picked === undefined) throw new Error('Nothing to pick from');
  return picked;
}
