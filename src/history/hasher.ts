/**
 * SHA-256 of content, off the thread that serves the kernel.
 *
 * Small content goes to the crypto thread pool in one piece; large content through a worker thread, a
 * piece at a time, so that memory stays bounded.
 */

import { Worker } from 'node:worker_threads';

/**
 * Larger content has no hash, 64 GiB: some minutes of work. A sparse file of 100 TiB is a moment's work to
 * make, and whoever asked for its hash could not be killed for days.
 */
export const HASHED_MAX_BYTES = 64 * 2 ** 30;

/** What is hashed in one piece. */
const ONE_PIECE_BYTES = 8 << 20;
const PIECE_BYTES = 1 << 20;

/** Reads part of some content. */
export type ReadPiece = (offset: number, length: number) => Promise<Buffer>;

/** @returns Lower-case hex. */
export async function hashContent(size: number, read: ReadPiece): Promise<string> {
  if (size > ONE_PIECE_BYTES) return hashInWorker(size, read);
  const content = await read(0, size);
  const digest = await crypto.subtle.digest('SHA-256', new Uint8Array(content));
  return Buffer.from(digest).toString('hex');
}

async function hashInWorker(size: number, read: ReadPiece): Promise<string> {
  const worker = new Worker(new URL('hash-worker.js', import.meta.url));
  const failed = new Promise<never>((_resolve, reject) => {
    worker.once('error', reject);
    worker.once('exit', () => reject(new Error('The hash worker ended before its answer')));
  });
  // It is looked at only while an answer is awaited; ending the worker rejects it, too.
  failed.catch(() => undefined);
  const nextAnswer = (): Promise<string> =>
    Promise.race([new Promise<string>((resolve) => worker.once('message', resolve)), failed]);
  try {
    for (let offset = 0; offset < size; offset += PIECE_BYTES) {
      // A copy of its own, to be handed over.
      const piece = new Uint8Array(await read(offset, Math.min(PIECE_BYTES, size - offset)));
      worker.postMessage(piece, [piece.buffer]);
      await nextAnswer();
    }
    worker.postMessage(undefined);
    return await nextAnswer();
  } finally {
    await worker.terminate();
  }
}
