/**
 * The pax extended header, encoded: what a tar header cannot say of an entry, as records before it.
 *
 * Values are bytes: POSIX wants UTF-8, and names that are not UTF-8 are announced by hdrcharset=BINARY.
 * The fields of the header itself are chosen so that the same entry always gives the same bytes.
 *
 * Source: POSIX.1-2017 pax, "pax Extended Header".
 */

export const TAR_BLOCK_BYTES = 512;

export type PaxRecord = readonly [key: string, value: Uint8Array | string];

/** The header block and the records, padded to whole blocks. */
export function encodePaxHeader(records: readonly PaxRecord[]): Buffer {
  const body = Buffer.concat(records.map(encodeRecord));
  const padding = Buffer.alloc(
    (TAR_BLOCK_BYTES - (body.length % TAR_BLOCK_BYTES)) % TAR_BLOCK_BYTES,
  );
  return Buffer.concat([encodeBlock(body.length), body, padding]);
}

/** "LENGTH KEY=VALUE\n", where LENGTH counts itself. */
function encodeRecord([key, value]: PaxRecord): Buffer {
  const bytes = typeof value === 'string' ? Buffer.from(value, 'latin1') : Buffer.from(value);
  // The space, "=" and the line feed.
  const rest = Buffer.byteLength(key) + bytes.length + 3;
  let length = rest + String(rest).length;
  // One more digit may make the number longer by one.
  if (rest + String(length).length !== length) length = rest + String(length).length;
  return Buffer.concat([Buffer.from(`${length} ${key}=`), bytes, Buffer.from('\n')]);
}

function encodeBlock(sizeBytes: number): Buffer {
  const block = Buffer.alloc(TAR_BLOCK_BYTES);
  block.write('PaxHeader', 0, 'latin1');
  block.write('0000644\0', 100, 'latin1');
  block.write('0000000\0', 108, 'latin1');
  block.write('0000000\0', 116, 'latin1');
  block.write(`${sizeBytes.toString(8).padStart(11, '0')}\0`, 124, 'latin1');
  block.write('00000000000\0', 136, 'latin1');
  // The checksum is computed as if its own field were spaces.
  block.write('        ', 148, 'latin1');
  block.write('x', 156, 'latin1');
  block.write('ustar\u000000', 257, 'latin1');
  let sum = 0;
  for (const byte of block) sum += byte;
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}
