/**
 * Lists in ascending order, searched by halves. Pure.
 */

/** The place of the first item that is not below a number. */
export function findFrom<T>(
  items: readonly T[],
  least: number,
  numberOf: (item: T) => number,
): number {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (numberOf(items[middle] as T) < least) low = middle + 1;
    else high = middle;
  }
  return low;
}
