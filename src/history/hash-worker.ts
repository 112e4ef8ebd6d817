/**
 * The worker thread of hasher.ts: pieces come in, an answer to each goes back; the digest at the end.
 */

import { createHash } from 'node:crypto';
import { parentPort } from 'node:worker_threads';

const hash = createHash('sha256');

parentPort?.on('message', (piece: Uint8Array | undefined) => {
  if (piece === undefined) {
    parentPort?.postMessage(hash.digest('hex'));
    return;
  }
  hash.update(piece);
  parentPort?.postMessage('');
});
