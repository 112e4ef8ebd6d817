/**
 * Tells the kernel what changed behind its back, from a thread of its own.
 *
 * Rule: never from the serving thread. The kernel may hold the lock that a notification needs until a
 * request is answered that only the serving thread can answer. The thread is one of libuv's pool, and
 * one notification at a time is under way, so that three threads of the pool stay free whatever it
 * waits for.
 */

import { Errno, errnoName } from '../shared/errno.ts';
import type { Name, NodeId } from '../shared/brands.ts';
import { NOTIFY_INVAL_ENTRY, NOTIFY_INVAL_INODE, OUT_HEADER_BYTES } from './abi.ts';
import type { Notifier } from './file-system.ts';
import { libc } from './libc.ts';
import type { Logger } from './logger.ts';
import { Reply } from './reply.ts';

interface Notification {
  readonly nodeid: NodeId;
  /** Of an entry; without it the notification is of the inode. */
  readonly name: Name | undefined;
  readonly offset: number;
  readonly length: number;
}

const MAX_NOTIFICATION_BYTES = 512;

export class KernelNotifier implements Notifier {
  readonly #fd: number;
  readonly #logger: Logger;
  #queue: Notification[] = [];
  /** The next one of the queue; what is before it has been sent. */
  #next = 0;
  #isSending = false;
  #buffer: Reply | undefined;
  #waiting: { readonly after: number; readonly resolve: () => void }[] = [];
  #queued = 0;
  #sent = 0;

  constructor(options: { fd: number; logger: Logger }) {
    this.#fd = options.fd;
    this.#logger = options.logger;
  }

  invalidateInode(nodeid: NodeId, offset: number, length: number): void {
    this.#push({ nodeid, name: undefined, offset, length });
  }

  invalidateEntry(parent: NodeId, name: Name): void {
    this.#push({ nodeid: parent, name, offset: 0, length: 0 });
  }

  drained(): Promise<void> {
    if (this.#sent === this.#queued) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ after: this.#queued, resolve }));
  }

  #push(notification: Notification): void {
    this.#queue.push(notification);
    this.#queued += 1;
    if (!this.#isSending) this.#sendNext();
  }

  #sendNext(): void {
    const notification = this.#queue[this.#next];
    if (notification === undefined) {
      this.#queue = [];
      this.#next = 0;
      this.#isSending = false;
      return;
    }
    this.#next += 1;
    this.#isSending = true;
    this.#buffer ??= new Reply(MAX_NOTIFICATION_BYTES);
    const length = encodeNotification(this.#buffer, notification);
    libc().writeOnPool(this.#fd, this.#buffer.address, length, (result) => this.#onSent(result));
  }

  #onSent(result: number): void {
    this.#sent += 1;
    if (result < 0) this.#onFailed(-result);
    while (this.#waiting[0] !== undefined && this.#waiting[0].after <= this.#sent) {
      this.#waiting.shift()?.resolve();
    }
    this.#sendNext();
  }

  #onFailed(errno: number): void {
    // ENOENT: the kernel does not have it in its cache. ENODEV, ENOTCONN: there is no kernel any more.
    if (errno === Errno.ENOENT || errno === Errno.ENODEV || errno === Errno.ENOTCONN) return;
    this.#logger.warn({ errno: errnoName(errno) }, 'The kernel refused a notification');
  }
}

/** @returns How many bytes of the buffer are the message. */
export function encodeNotification(buffer: Reply, notification: Notification): number {
  const { nodeid, name } = notification;
  const at = OUT_HEADER_BYTES;
  buffer.u64(at, nodeid);
  if (name === undefined) {
    buffer.i64(at + 8, notification.offset);
    buffer.i64(at + 16, notification.length);
    return header(buffer, NOTIFY_INVAL_INODE, 24);
  }
  buffer.view.setUint32(at + 8, name.length, true);
  buffer.view.setUint32(at + 12, 0, true);
  // The name ends in a NUL that namelen does not count.
  const written = buffer.bytes.write(`${name}\0`, at + 16, 'latin1');
  return header(buffer, NOTIFY_INVAL_ENTRY, 16 + written);
}

function header(buffer: Reply, code: number, bodyBytes: number): number {
  const length = buffer.header(bodyBytes, 0, 0, 0);
  buffer.view.setInt32(4, code, true);
  return length;
}
