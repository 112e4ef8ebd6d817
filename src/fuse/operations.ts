/**
 * Every operation of the kernel that is known: one row per opcode.
 *
 * Rule: a row states the smallest length of its message; a shorter one never reaches its code. What is
 * refused here is refused for good: after ENOSYS the kernel does not ask again.
 */

import { Errno } from '../shared/errno.ts';
import { Opcode, OPCODE_LIMIT } from './abi.ts';
import * as attributes from './attribute-operations.ts';
import * as directories from './directory-operations.ts';
import { NO_REPLY } from './exchange.ts';
import type { Operation } from './exchange.ts';
import * as files from './file-operations.ts';
import * as names from './name-operations.ts';

/** An operation that the kernel stops asking for once it is told that there is none. */
const refused = (errno: number): Operation => ({ minBytes: 40, run: () => -errno });

const rows: readonly (readonly [opcode: number, operation: Operation])[] = [
  [Opcode.LOOKUP, { minBytes: 42, run: names.lookup }],
  [Opcode.FORGET, { minBytes: 48, run: names.forget }],
  [Opcode.BATCH_FORGET, { minBytes: 48, run: names.batchForget }],
  [Opcode.GETATTR, { minBytes: 56, run: attributes.getattr }],
  [Opcode.STATX, { minBytes: 64, run: attributes.statx }],
  [Opcode.SETATTR, { minBytes: 128, run: attributes.setattr }],
  [Opcode.READLINK, { minBytes: 40, run: names.readlink }],
  [Opcode.SYMLINK, { minBytes: 43, run: names.symlink }],
  [Opcode.MKNOD, { minBytes: 58, run: names.mknod }],
  [Opcode.MKDIR, { minBytes: 50, run: names.mkdir }],
  [Opcode.UNLINK, { minBytes: 42, run: names.unlink }],
  [Opcode.RMDIR, { minBytes: 42, run: names.rmdir }],
  [Opcode.RENAME, { minBytes: 52, run: names.rename }],
  [Opcode.RENAME2, { minBytes: 60, run: names.rename2 }],
  [Opcode.LINK, { minBytes: 50, run: names.link }],
  [Opcode.OPEN, { minBytes: 48, run: files.open }],
  [Opcode.READ, { minBytes: 80, run: files.read }],
  [Opcode.WRITE, { minBytes: 80, run: files.write }],
  [Opcode.STATFS, { minBytes: 40, run: attributes.statfs }],
  [Opcode.RELEASE, { minBytes: 64, run: files.release }],
  [Opcode.FSYNC, { minBytes: 56, run: files.fsync }],
  [Opcode.SETXATTR, { minBytes: 50, run: attributes.setxattr }],
  [Opcode.GETXATTR, { minBytes: 50, run: attributes.getxattr }],
  [Opcode.LISTXATTR, { minBytes: 48, run: attributes.listxattr }],
  [Opcode.REMOVEXATTR, { minBytes: 42, run: attributes.removexattr }],
  [Opcode.OPENDIR, { minBytes: 48, run: directories.opendir }],
  [Opcode.READDIR, { minBytes: 80, run: directories.readdir }],
  [Opcode.READDIRPLUS, { minBytes: 80, run: directories.readdirplus }],
  [Opcode.RELEASEDIR, { minBytes: 64, run: directories.releasedir }],
  [Opcode.FSYNCDIR, { minBytes: 56, run: directories.fsyncdir }],
  [Opcode.CREATE, { minBytes: 58, run: files.create }],
  [Opcode.TMPFILE, { minBytes: 56, run: files.tmpfile }],
  [Opcode.SYNCFS, { minBytes: 40, run: files.syncfs }],
  [Opcode.FALLOCATE, { minBytes: 72, run: files.fallocate }],
  [Opcode.LSEEK, { minBytes: 64, run: files.lseek }],
  [Opcode.COPY_FILE_RANGE, { minBytes: 96, run: files.copyFileRange }],
  [Opcode.COPY_FILE_RANGE_64, { minBytes: 96, run: files.copyFileRange64 }],
  [Opcode.DESTROY, { minBytes: 40, run: () => 0 }],
  // RELEASE tells of the last close, default_permissions checks access, locks are the kernel's own.
  [Opcode.FLUSH, refused(Errno.ENOSYS)],
  [Opcode.ACCESS, refused(Errno.ENOSYS)],
  [Opcode.GETLK, refused(Errno.ENOSYS)],
  [Opcode.SETLK, refused(Errno.ENOSYS)],
  [Opcode.SETLKW, refused(Errno.ENOSYS)],
  [Opcode.BMAP, refused(Errno.ENOSYS)],
  [Opcode.POLL, refused(Errno.ENOSYS)],
  [Opcode.IOCTL, refused(Errno.ENOTTY)],
  // Nothing here waits for long; with ENOSYS the kernel lets interrupted requests run to their end.
  [Opcode.INTERRUPT, refused(Errno.ENOSYS)],
  [Opcode.NOTIFY_REPLY, { minBytes: 40, run: () => NO_REPLY }],
];

/** By opcode; undefined is unknown. INIT is not here: it belongs to the connection. */
export const OPERATIONS: readonly (Operation | undefined)[] = makeTable();

function makeTable(): (Operation | undefined)[] {
  const table: (Operation | undefined)[] = Array.from({ length: OPCODE_LIMIT });
  for (const [opcode, operation] of rows) table[opcode] = operation;
  return table;
}
