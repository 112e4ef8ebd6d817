/**
 * The thread that writes notifications: it may wait in the kernel for as long as it takes.
 *
 * Rule: it knows the descriptor and bytes, nothing else; each batch is answered with its failures.
 */

import { parentPort, workerData } from 'node:worker_threads';

import { Errno } from '../shared/errno.ts';
import { addressOf, lastErrno, libc } from './libc.ts';

/** Messages behind each other; each begins with its own length. */
export interface NotificationBatch {
  readonly bytes: Uint8Array;
  readonly count: number;
}

export interface NotificationResult {
  readonly count: number;
  /** Errnos that mean something; each once per batch. */
  readonly failures: readonly number[];
}

export interface NotifierWorkerData {
  readonly fd: number;
}

/** The kernel does not have it in its cache, or there is no kernel any more: nothing to tell anybody. */
const EXPECTED = new Set<number>([Errno.ENOENT, Errno.ENODEV, Errno.ENOTCONN]);

function writeBatch(fd: number, { bytes, count }: NotificationBatch): NotificationResult {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const address = addressOf(bytes);
  const failures = new Set<number>();
  for (let offset = 0; offset < bytes.length;) {
    const length = view.getUint32(offset, true);
    if (libc().write(fd, address + offset, length) < 0 && !EXPECTED.has(lastErrno())) {
      failures.add(lastErrno());
    }
    offset += length;
  }
  return { count, failures: [...failures] };
}

const { fd } = workerData as NotifierWorkerData;
parentPort?.on('message', (batch: NotificationBatch) => {
  parentPort?.postMessage(writeBatch(fd, batch));
});
