/**
 * Who is near a limit: levels of use, each told of once when it is reached.
 *
 * Rule: a level is left only well below it, so that use that goes up and down around it is told of once.
 */

import type { Quota } from '../policy/retention-policy.ts';

export const QUOTA_KINDS = ['liveBytes', 'historyBytes', 'inodes', 'versions'] as const;

export interface QuotaUse {
  readonly kind: keyof Quota;
  readonly used: number;
  readonly limit: number;
}

export interface QuotaWarning extends QuotaUse {
  /** Rounded down; may be above 100. */
  readonly percent: number;
  /** For people. */
  readonly text: string;
}

/** In percent, ascending. */
const LEVELS = [80, 90];
/** So many percent below a level it is over. */
const HYSTERESIS = 5;

const NAMES: Readonly<Record<keyof Quota, string>> = {
  liveBytes: 'Live bytes',
  historyBytes: 'History bytes',
  inodes: 'Inodes',
  versions: 'Versions',
};

export class QuotaWatch {
  /** The highest level that was reached, and is not over. */
  readonly #levels = new Map<keyof Quota, number>();

  /** What is above a level. */
  static warningsOf(uses: readonly QuotaUse[]): QuotaWarning[] {
    return uses.map(describe).filter(({ percent }) => percent >= (LEVELS[0] ?? Infinity));
  }

  /** @returns Those that have reached a level that they were not at. */
  note(uses: readonly QuotaUse[]): QuotaWarning[] {
    const reached: QuotaWarning[] = [];
    const limited = new Set(uses.map(({ kind }) => kind));
    for (const kind of this.#levels.keys()) if (!limited.has(kind)) this.#levels.delete(kind);
    for (const use of uses) {
      const warning = describe(use);
      const before = this.#levels.get(use.kind) ?? 0;
      const level = LEVELS.findLast((each) => warning.percent >= each) ?? 0;
      const isOver = warning.percent < before - HYSTERESIS;
      if (level > before || isOver) this.#levels.set(use.kind, level);
      if (level > before) reached.push(warning);
    }
    return reached;
  }
}

function describe(use: QuotaUse): QuotaWarning {
  const percent = Math.floor((use.used / use.limit) * 100);
  const text = `${NAMES[use.kind]} are at ${percent} % of the quota: ${use.used} of ${use.limit}`;
  return { ...use, percent, text };
}
