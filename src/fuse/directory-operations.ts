/**
 * The kernel's operations on open directories.
 *
 * Rule: layouts are those of <linux/fuse.h>; the numbers are offsets in the message, the header
 * included, which has 40 bytes.
 */

import { Errno } from '../shared/errno.ts';
import { FUSE_FSYNC_FDATASYNC } from './abi.ts';
import { answer, encodeNothing, encodeOpen } from './exchange.ts';
import type { Exchange } from './exchange.ts';

export function opendir(x: Exchange): number {
  const { frame } = x;
  if (x.options.messagelessOpendir === true) return -Errno.ENOSYS;
  return answer(x, x.fileSystem.opendir(frame, frame.nodeid, frame.u32(40)), encodeOpen);
}

export function readdir(x: Exchange): number {
  return readDirectory(x, false);
}

export function readdirplus(x: Exchange): number {
  return readDirectory(x, true);
}

function readDirectory(x: Exchange, plus: boolean): number {
  const { frame } = x;
  const sizeBytes = frame.u32(56);
  const reply = x.takeDirReply(sizeBytes).begin({ plus, sizeBytes });
  let done: Promise<void> | void;
  try {
    done = x.fileSystem.readdir(frame, frame.nodeid, frame.u64(40), frame.u64(48), reply);
  } catch (error) {
    // The buffer goes back also when there is nothing to send from it.
    done = Promise.reject(error);
  }
  return x.sendDirReply(reply, done);
}

export function releasedir(x: Exchange): number {
  x.fileSystem.releasedir(x.frame, x.frame.nodeid, x.frame.u64(40));
  return 0;
}

export function fsyncdir(x: Exchange): number {
  const { frame, fileSystem } = x;
  const dataOnly = (frame.u32(48) & FUSE_FSYNC_FDATASYNC) !== 0;
  const done = fileSystem.fsyncdir(frame, frame.nodeid, frame.u64(40), dataOnly);
  return answer(x, done, encodeNothing);
}
