/**
 * Pure work in steps: whoever is served comes in between, and whoever does not wait takes them all at once.
 */

/** Ends with what came of it; each step is a place to pause. */
export type Steps<T> = Generator<void, T, void>;

/** Items between two steps: less than a millisecond of work. */
export const STEP_ITEMS = 500;

export async function takeSteps<T>(steps: Steps<T>, pause: () => Promise<void>): Promise<T> {
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
    await pause();
  }
}

export function* mapInSteps<T, U>(
  items: readonly T[],
  map: (item: T, at: number) => U,
): Steps<U[]> {
  const mapped: U[] = [];
  for (const item of items) {
    if (mapped.length % STEP_ITEMS === STEP_ITEMS - 1) yield;
    mapped.push(map(item, mapped.length));
  }
  return mapped;
}

export const letOthersRun = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
