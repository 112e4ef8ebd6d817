/**
 * SHA-256 of content, off the thread that serves the kernel.
 *
 * Small content goes to the crypto thread pool in one piece; large content through a worker thread, a
 * piece at a time, so that memory stays bounded.
 */

import { Worker } from 'node:worker_threads';

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
  try {
    for (let offset = 0; offset < size; offset += PIECE_BYTES) {
      // A copy of its own, to be handed over.
      const piece = new Uint8Array(await read(offset, Math.min(PIECE_BYTES, size - offset)));
      worker.postMessage(piece, [piece.buffer]);
      await nextMessage(worker);
    }
    worker.postMessage(undefined);
    return await nextMessage(worker);
  } finally {
    await worker.terminate();
  }
}

function nextMessage(worker: Worker): Promise<string> {
  return new Promise((resolve, reject) => {
    const onMessage = (message: string): void => {
      worker.off('error', onError);
      resolve(message);
    };
    const onError = (error: Error): void => {
      worker.off('message', onMessage);
      reject(error);
    };
    worker.once('message', onMessage);
    worker.once('error', onError);
  });
}
