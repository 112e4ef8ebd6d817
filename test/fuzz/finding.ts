/**
 * What a fuzz target reports: that a rule did not hold, and for which input.
 */

export class Finding extends Error {
  override readonly name = 'Finding';
}

export function demand(holds: boolean, rule: string): asserts holds {
  if (!holds) throw new Finding(rule);
}

/** Fails instead of waiting for ever. */
export async function within<T>(ms: number, what: string, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Finding(`${what}: not done after ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
