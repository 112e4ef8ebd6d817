/**
 * The kernel's operations on names: finding, making, moving and removing them.
 *
 * Rule: layouts are those of <linux/fuse.h>; the numbers are offsets in the message, the header
 * included, which has 40 bytes.
 */

import { answer, NO_REPLY, encodeEntry, encodeNothing, encodeText } from './exchange.ts';
import type { Exchange } from './exchange.ts';

export function lookup(x: Exchange): number {
  const { frame, fileSystem } = x;
  const parent = frame.nodeid;
  const entry = fileSystem.lookup(frame, parent, frame.name(40));
  if (entry instanceof Promise) {
    return x.defer(entry, (reply, found) =>
      found === undefined
        ? reply.negativeEntry(fileSystem.negativeTtlMs(parent))
        : reply.entry(found),
    );
  }
  return entry === undefined
    ? x.reply.negativeEntry(fileSystem.negativeTtlMs(parent))
    : x.reply.entry(entry);
}

export function forget({ frame, fileSystem }: Exchange): number {
  fileSystem.forget(frame.nodeid, frame.u64(40));
  return NO_REPLY;
}

export function batchForget({ frame, fileSystem }: Exchange): number {
  const count = Math.min(frame.u32(40), Math.floor((frame.length - 48) / 16));
  for (let i = 0; i < count; i += 1) {
    fileSystem.forget(frame.nodeId(48 + i * 16), frame.u64(56 + i * 16));
  }
  return NO_REPLY;
}

export function readlink(x: Exchange): number {
  return answer(x, x.fileSystem.readlink(x.frame, x.frame.nodeid), encodeText);
}

export function symlink(x: Exchange): number {
  const { frame } = x;
  const name = frame.name(40);
  const target = frame.string(40 + name.length + 1);
  return answer(x, x.fileSystem.symlink(frame, frame.nodeid, name, target), encodeEntry);
}

export function mknod(x: Exchange): number {
  const { frame } = x;
  const [mode, rdev] = [frame.u32(40), frame.u32(44)];
  const entry = x.fileSystem.mknod(frame, frame.nodeid, frame.name(56), mode, rdev);
  return answer(x, entry, encodeEntry);
}

export function mkdir(x: Exchange): number {
  const { frame } = x;
  const entry = x.fileSystem.mkdir(frame, frame.nodeid, frame.name(48), frame.u32(40));
  return answer(x, entry, encodeEntry);
}

export function unlink(x: Exchange): number {
  const { frame } = x;
  return answer(x, x.fileSystem.unlink(frame, frame.nodeid, frame.name(40)), encodeNothing);
}

export function rmdir(x: Exchange): number {
  const { frame } = x;
  return answer(x, x.fileSystem.rmdir(frame, frame.nodeid, frame.name(40)), encodeNothing);
}

export function rename(x: Exchange): number {
  return renameAt(x, 48, 0);
}

export function rename2(x: Exchange): number {
  return renameAt(x, 56, x.frame.u32(48));
}

function renameAt(x: Exchange, namesAt: number, flags: number): number {
  const { frame } = x;
  const newParent = frame.nodeId(40);
  const name = frame.name(namesAt);
  const newName = frame.name(namesAt + name.length + 1);
  const done = x.fileSystem.rename(frame, frame.nodeid, name, newParent, newName, flags);
  return answer(x, done, encodeNothing);
}

export function link(x: Exchange): number {
  const { frame } = x;
  const entry = x.fileSystem.link(frame, frame.nodeId(40), frame.nodeid, frame.name(48));
  return answer(x, entry, encodeEntry);
}
