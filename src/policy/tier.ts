/**
 * The four tiers: how much a session or a file matters, weakest first.
 */

import { SessfsError } from '../shared/errors.ts';

/** INVARIANT: ordered by strength, so that a later one promises at least as much by default. */
export const TIERS = ['ephemeral', 'standard', 'persistent', 'permanent'] as const;

export type Tier = (typeof TIERS)[number];

export function isTier(value: unknown): value is Tier {
  return TIERS.some((tier) => tier === value);
}

/** @throws {SessfsError} USAGE Naming the tiers that there are. */
export function parseTier(text: string): Tier {
  if (isTier(text)) return text;
  throw new SessfsError(
    'USAGE',
    `Cannot use tier ${JSON.stringify(text)}: want one of ${TIERS.join(', ')}`,
  );
}
