/**
 * Bytes made wrong: a few changes of the kinds that damage, skew between versions or malice bring.
 */

import type { Random } from './random.ts';

/** @returns A changed copy. */
export function mutate(random: Random, bytes: Buffer): Buffer {
  let changed: Buffer = Buffer.from(bytes);
  for (let left = random.between(1, 3); left > 0; left--) changed = mutateOnce(random, changed);
  return changed;
}

function mutateOnce(random: Random, bytes: Buffer): Buffer {
  if (bytes.length === 0) return random.bytes(random.below(16));
  const at = random.below(bytes.length);
  switch (random.below(9)) {
    case 0:
      bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
      return bytes;
    case 1:
      bytes[at] = random.next();
      return bytes;
    case 2:
      return bytes.subarray(0, at);
    case 3:
      return Buffer.concat([bytes, random.bytes(random.between(1, 64))]);
    case 4: {
      const from = random.below(bytes.length);
      bytes.copy(bytes, at, from, Math.min(bytes.length, from + random.between(1, 32)));
      return bytes;
    }
    case 5:
      bytes.fill(
        random.pick([0, 0xff, 0x41]),
        at,
        Math.min(bytes.length, at + random.between(1, 64)),
      );
      return bytes;
    case 6:
      return Buffer.concat([
        bytes.subarray(0, at),
        random.bytes(random.between(1, 8)),
        bytes.subarray(at),
      ]);
    default:
      return mutateNumber(random, bytes, at);
  }
}

/** A field of 32 or 64 bits, aligned as fields mostly are. */
function mutateNumber(random: Random, bytes: Buffer, at: number): Buffer {
  const aligned = random.once(2) ? at & ~3 : at;
  if (aligned + 8 <= bytes.length && random.once(2)) bytes.writeBigUInt64LE(random.u64(), aligned);
  else if (aligned + 8 <= bytes.length && random.once(6)) {
    bytes.writeDoubleLE(random.pick([NaN, Infinity, -Infinity, -1, 0.5, 1e300, 2 ** 60]), aligned);
  } else if (aligned + 4 <= bytes.length) bytes.writeUInt32LE(random.u32(), aligned);
  return bytes;
}
