/**
 * Messages of the kernel as it sends them, for every operation, about what a volume really holds.
 *
 * Rule: layouts are written from <linux/fuse.h> and not from src/fuse. What is made here is right but for
 * the numbers in it; damaging it is the business of kernel-mutations.ts.
 */

import { Opcode } from '../../src/fuse/abi.ts';
import { text, u32, u64 } from '../fuse/frames.ts';
import type { Random } from './random.ts';

export interface Message {
  readonly opcode: number;
  readonly nodeid: bigint;
  readonly body: Buffer;
}

/** What the client of the volume has been told: nodeids come from replies. */
export class Known {
  readonly nodeids: bigint[] = [1n];
  /** Those under `.versions`. */
  readonly virtual: bigint[] = [];
  /** Offsets are of any size that a file can have. */
  readonly isHuge: boolean;
  /** Not where files of many GB may come to be: they are read whole for it. */
  readonly asksForHashes: boolean;

  constructor(options: { isHuge: boolean; asksForHashes: boolean }) {
    this.isHuge = options.isHuge;
    this.asksForHashes = options.asksForHashes;
  }

  add(nodeid: bigint): void {
    if (nodeid === 0n) return;
    const list = nodeid >= 1n << 52n ? this.virtual : this.nodeids;
    if (!list.includes(nodeid)) list.push(nodeid);
    if (list.length > 200) list.splice(1, 50);
  }
}

const NAMES = ['a', 'b', 'c', 'dir', 'sub', 'notes.md', 'x'.repeat(255), '\xff\xfe', 'a b\n'];
const VIRTUAL_NAMES = [
  '.versions',
  '.status.json',
  '.incomplete',
  'latest',
  'previous',
  'r1',
  '~0',
  '~1',
  '~999999999999999999999',
  '7',
  'r00000042-20261122T101502Z.md',
  '@r1',
  '@r12',
  '@now',
  '@@a',
  '@',
  '~',
  'r',
  '@r-1',
  '@r99999999999999999999',
  '@1e9999m',
  '@99999999999999d',
  '@-1h',
  '@yesterday 99:99',
  '@2026-13-45T99:99:99.999999999999Z',
  '@+292277026596-12-04',
  '@0000-00-00',
  '@10m',
  '@__proto__',
  '__proto__',
  'constructor',
];
const SIZES = [0, 1, 5, 100, 4095, 4096, 4097, 65_536, 131_072, 131_073];
const XATTRS = ['user.a', 'user.b', 'security.capability', 'system.posix_acl_access'];

export function pickName(random: Random): string {
  const kind = random.below(12);
  if (kind < 8) return random.pick(NAMES);
  if (kind < 11) return random.pick(VIRTUAL_NAMES);
  const head = random.pick(['@', '~', 'r', '@@', '@r', '', '.', 'r0000']);
  return head + random.text(random.pick([1, 2, 3, 8, 20, 200, 254])).replaceAll(/[\0/]/g, '_');
}

/** One message of any operation. */
export function makeMessage(random: Random, known: Known): Message {
  const opcode = random.pick(COMMON.concat(OPCODES));
  const isVirtual = known.virtual.length > 0 && random.once(opcode === Opcode.LOOKUP ? 3 : 6);
  const nodeid = random.pick(isVirtual ? known.virtual : known.nodeids);
  return { opcode, nodeid, body: bodyOf(opcode, random, known) };
}

const OPCODES: readonly number[] = Object.values(Opcode).filter(
  (opcode) => opcode !== Opcode.INIT && opcode !== Opcode.DESTROY,
);
/** What there must be enough of for the rest to find anything. */
const COMMON: readonly number[] = [
  ...Array.from({ length: 8 }, () => Opcode.LOOKUP),
  ...Array.from({ length: 5 }, () => Opcode.CREATE),
  ...Array.from({ length: 5 }, () => Opcode.WRITE),
  ...Array.from({ length: 3 }, () => Opcode.RELEASE),
  Opcode.MKDIR,
  Opcode.MKDIR,
  Opcode.RENAME2,
];

function bodyOf(opcode: number, random: Random, known: Known): Buffer {
  const name = (): Buffer => text(pickName(random));
  switch (opcode) {
    case Opcode.LOOKUP:
    case Opcode.UNLINK:
    case Opcode.RMDIR:
      return name();
    case Opcode.REMOVEXATTR:
      return text(random.pick(XATTRS));
    case Opcode.FORGET:
      return u64(random.once(2) ? 1 : random.u64());
    case Opcode.BATCH_FORGET:
      return batchForget(random, known);
    case Opcode.GETATTR:
      return Buffer.concat([u32(random.below(2), 0), u64(0)]);
    case Opcode.STATX:
      return Buffer.concat([u32(random.below(2), 0), u64(0), u32(0, 0xfff)]);
    case Opcode.SETATTR:
      return setattr(random, known);
    case Opcode.SYMLINK:
      return Buffer.concat([name(), text(random.pick(['a', '../b', '/', 't'.repeat(4095)]))]);
    case Opcode.MKNOD:
      return Buffer.concat([u32(random.pick(MODES), random.u32(), 0, 0), name()]);
    case Opcode.MKDIR:
      return Buffer.concat([u32(0o755, 0), name()]);
    case Opcode.CREATE:
      return Buffer.concat([u32(random.pick(FLAGS), 0o100644, 0, 0), name()]);
    case Opcode.TMPFILE:
      return Buffer.concat([u32(2, 0o100600, 0, 0), text('')]);
    case Opcode.RENAME:
      return Buffer.concat([u64(random.pick(known.nodeids)), name(), name()]);
    case Opcode.RENAME2:
      return Buffer.concat([
        u64(random.pick(known.nodeids)),
        u32(random.pick([0, 0, 1, 2, 4, 5]), 0),
        name(),
        name(),
      ]);
    case Opcode.LINK:
      return Buffer.concat([u64(random.pick(known.nodeids)), name()]);
    default:
      return bodyOfFile(opcode, random, known);
  }
}

const FLAGS = [0, 1, 2, 0x401, 0x201, 0o1001, 0o10001, 0x8002];
const MODES = [0o100644, 0o010600, 0o140600, 0o020600, 0o060600, 0o644, 0o104755];

function bodyOfFile(opcode: number, random: Random, known: Known): Buffer {
  const offset = offsetOf(random, known);
  const size = random.pick(SIZES);
  switch (opcode) {
    case Opcode.OPEN:
    case Opcode.OPENDIR:
      return u32(random.pick(FLAGS), random.below(2));
    case Opcode.READ:
    case Opcode.READDIR:
    case Opcode.READDIRPLUS:
      return Buffer.concat([
        u64(0, opcode === Opcode.READ ? offset : random.pick([0, 1, 2, 3, 8, 9])),
        u32(size, 0),
        u64(0),
        u32(0, 0),
      ]);
    case Opcode.WRITE: {
      const data = random.once(3) ? random.bytes(Math.min(size, 5000)) : Buffer.alloc(size, 'w');
      const flags = u32(random.pick([0, 1, 4, 5]));
      return Buffer.concat([
        u64(0, offset),
        u32(data.length),
        flags,
        u64(0),
        u32(random.pick(FLAGS), 0),
        data,
      ]);
    }
    case Opcode.RELEASE:
    case Opcode.RELEASEDIR:
      return Buffer.concat([u64(0), u32(random.pick(FLAGS), 0), u64(0)]);
    case Opcode.FSYNC:
    case Opcode.FSYNCDIR:
      return Buffer.concat([u64(0), u32(random.below(2), 0)]);
    case Opcode.SETXATTR: {
      const value = random.bytes(random.pick([0, 1, 20, 300]));
      return Buffer.concat([u32(value.length, random.below(3)), text(random.pick(XATTRS)), value]);
    }
    case Opcode.GETXATTR: {
      const own = known.asksForHashes ? 'user.sessfs.hash' : 'user.sessfs.tier';
      const names = [...XATTRS, 'user.sessfs.lineage', 'user.sessfs.revision', own];
      return Buffer.concat([u32(random.pick(SIZES), 0), text(random.pick(names))]);
    }
    case Opcode.LISTXATTR:
      return u32(random.pick(SIZES), 0);
    case Opcode.FALLOCATE:
      return Buffer.concat([
        u64(0, offset, offsetOf(random, known) + 1n),
        u32(random.pick([0, 1, 3, 16, 17]), 0),
      ]);
    case Opcode.LSEEK:
      return Buffer.concat([u64(0, offset), u32(random.pick([3, 4]), 0)]);
    case Opcode.COPY_FILE_RANGE:
    case Opcode.COPY_FILE_RANGE_64:
      return u64(0, offset, random.pick(known.nodeids), 0, offsetOf(random, known), size, 0);
    case Opcode.INTERRUPT:
      return u64(random.u64());
    case Opcode.IOCTL:
    case Opcode.POLL:
      return Buffer.concat([u64(0), u32(0, 0, 0, 0, 0, 0)]);
    case Opcode.GETLK:
    case Opcode.SETLK:
    case Opcode.SETLKW:
      return Buffer.concat([u64(0, 0, 0, 100), u32(1, 1, 0, 0)]);
    case Opcode.BMAP:
      return Buffer.concat([u64(0), u32(4096, 0)]);
    case Opcode.ACCESS:
      return u32(4, 0);
    default:
      return Buffer.alloc(random.pick([0, 8, 16, 40]));
  }
}

function offsetOf(random: Random, known: Known): bigint {
  if (known.isHuge && random.once(3)) return random.u64() & ((1n << 47n) - 1n);
  return BigInt(random.pick([0, 0, 0, 1, 5, 100, 4096, 5000, 131_072, 1 << 20, (1 << 20) + 7]));
}

function setattr(random: Random, known: Known): Buffer {
  return Buffer.concat([
    u32(random.next() & 0xfff, 0),
    u64(0, offsetOf(random, known), 0),
    u64(1_700_000_000, random.pick([-1, 0, 1_800_000_000]), 1_700_000_001),
    u32(1, 999_999_999, 2),
    u32(0o100640, 0, random.below(3), random.below(3), 0),
  ]);
}

function batchForget(random: Random, known: Known): Buffer {
  const count = random.below(20);
  const entries = Array.from({ length: count }, () => u64(random.pick(known.nodeids), 1));
  return Buffer.concat([u32(count, 0), ...entries]);
}
