/**
 * Why a version was cut. Its place in the list is what records and the index store: only append.
 */

export const CUT_CAUSES = [
  'close',
  'replaced',
  'truncated',
  'unlinked',
  'interval',
  'rollback',
  'checkpoint',
] as const;

export type CutCause = (typeof CUT_CAUSES)[number];
