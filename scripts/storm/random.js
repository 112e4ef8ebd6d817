/**
 * Randomness from a seed: the same seed is the same choices, in every process that is given it.
 */

/** @param {number} seed */
export function makeRandom(seed) {
  let state = seed >>> 0;
  /** mulberry32: at least 0, less than 1. */
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
  return {
    next,
    /** A whole number of at least `from` and less than `to`. */
    whole: (from, to) => from + Math.floor(next() * (to - from)),
    /** @template T @param {readonly T[]} list @returns {T} */
    pick: (list) => list[Math.floor(next() * list.length)],
    chance: (part) => next() < part,
  };
}

/** A seed for each of several that need their own. @param {number} seed @param {string} purpose */
export function deriveSeed(seed, purpose) {
  let hash = seed >>> 0;
  for (const char of purpose) hash = Math.imul(hash ^ char.charCodeAt(0), 0x01000193) >>> 0;
  return hash;
}

/**
 * Text that says whose it is, so that wrong bytes tell where they came from.
 *
 * @param {string} label @param {number} sizeBytes At least as long as the label and a newline.
 */
export function labelledText(label, sizeBytes) {
  const line = `${label} `;
  return `${line.repeat(Math.ceil(sizeBytes / line.length)).slice(0, Math.max(sizeBytes - 1, 0))}\n`;
}
