/**
 * Chance that can be repeated: a generator from a seed, and what fuzzing asks of it.
 *
 * Rule: nothing under test/fuzz takes chance from anywhere else, so that a seed is a whole run.
 */

/** Numbers at which codecs, loops and allocations go wrong; as u64 where they are larger. */
const EDGES: readonly bigint[] = [
  0n,
  1n,
  2n,
  7n,
  0x7fn,
  0x80n,
  0xffn,
  0xfffn,
  0x1000n,
  0x7fffn,
  0x8000n,
  0xffffn,
  0x10000n,
  0xf_ffffn,
  0x10_0000n,
  0x7fff_ffffn,
  0x8000_0000n,
  0xffff_ffffn,
  0x1_0000_0000n,
  0x7fff_ffff_ffffn,
  0x8000_0000_0000n,
  0xffff_ffff_ffffn,
  0x1_0000_0000_0000n,
  0x1_0000_0000_0001n,
  0x10_0000_0000_0000n,
  0x1f_ffff_ffff_ffffn,
  0x20_0000_0000_0000n,
  0x7fff_ffff_ffff_ffffn,
  0x8000_0000_0000_0000n,
  0xffff_ffff_ffff_fffen,
  0xffff_ffff_ffff_ffffn,
];

export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = (seed ^ 0x9e3779b9) >>> 0;
    // Neighbouring seeds begin alike.
    for (let i = 0; i < 4; i++) this.next();
  }

  /** 32 bits. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  }

  /** 0 up to below `limit`. */
  below(limit: number): number {
    return limit <= 1 ? 0 : this.next() % limit;
  }

  between(first: number, last: number): number {
    return first + this.below(last - first + 1);
  }

  /** True once in `times`. */
  once(times: number): boolean {
    return this.below(times) === 0;
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new Error('Nothing to pick from');
    return item;
  }

  bytes(length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length);
    for (let i = 0; i < length; i++) bytes[i] = this.next();
    return bytes;
  }

  /** One char per byte. */
  text(length: number): string {
    return this.bytes(length).toString('latin1');
  }

  u64(): bigint {
    if (this.once(4)) return (BigInt(this.next()) << 32n) | BigInt(this.next());
    const edge = this.pick(EDGES);
    return this.once(3) ? BigInt.asUintN(64, edge + BigInt(this.between(-2, 2))) : edge;
  }

  u32(): number {
    return Number(BigInt.asUintN(32, this.u64()));
  }
}
