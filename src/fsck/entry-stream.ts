/**
 * The entries of an index as bytes, from the server that has it open to whoever checks it.
 *
 * For each: length of the key u32, length of the value u32 (little-endian), key, value. A key of length 0
 * ends it, so that half of an index never looks whole.
 */

import { SessfsError } from '../shared/errors.ts';

type Entries = [Buffer, Buffer][];

const HEAD_BYTES = 8;

export async function* encodeEntries(batches: AsyncIterable<Entries>): AsyncGenerator<Buffer> {
  for await (const batch of batches) {
    const parts: Buffer[] = [];
    for (const [key, value] of batch) {
      const head = Buffer.alloc(HEAD_BYTES);
      head.writeUInt32LE(key.length);
      head.writeUInt32LE(value.length, 4);
      parts.push(head, key, value);
    }
    yield Buffer.concat(parts);
  }
  yield Buffer.alloc(HEAD_BYTES);
}

/** @throws {SessfsError} FAILED If it ends before its end. */
export async function* decodeEntries(source: AsyncIterable<Buffer>): AsyncGenerator<Entries> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const part of source) {
    const bytes = rest.length === 0 ? part : Buffer.concat([rest, part]);
    const entries: Entries = [];
    let at = 0;
    while (bytes.length - at >= HEAD_BYTES) {
      const keyLength = bytes.readUInt32LE(at);
      const end = at + HEAD_BYTES + keyLength + bytes.readUInt32LE(at + 4);
      if (keyLength === 0) {
        yield entries;
        return;
      }
      if (end > bytes.length) break;
      const keyAt = at + HEAD_BYTES;
      entries.push([
        bytes.subarray(keyAt, keyAt + keyLength),
        bytes.subarray(keyAt + keyLength, end),
      ]);
      at = end;
    }
    rest = bytes.subarray(at);
    if (entries.length > 0) yield entries;
  }
  throw new SessfsError('FAILED', 'Cannot read the index: the volume server sent only part of it', {
    hint: 'It may have just ended: try again',
  });
}
