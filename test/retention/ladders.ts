/**
 * Policies in numbers, for the oracle, and in the words of the configuration, for the volume.
 */

import { encodePolicy, parseRetention } from '../../src/policy/retention-policy.ts';
import type { Tier } from '../../src/policy/tier.ts';

export const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;

export interface Rungs {
  readonly all: number;
  readonly hourly: number;
  readonly daily: number;
  readonly live: number;
  readonly minVersions: number;
}

/** What a file is promised, in the oracle's words. */
export interface Promised {
  /** Promises with the same key are one. */
  readonly key: string;
  readonly rungs: Rungs;
  readonly makesVersions: boolean;
}

export interface OraclePolicy {
  readonly text: string;
  readonly graceMs: number;
  readonly tiers: Readonly<Record<Tier, Rungs>>;
  /** A directory anywhere, all below which has only this; then names by their end, which make no versions. */
  readonly dirs: readonly { readonly name: string; readonly allMs: number }[];
  readonly transient: string;
}

const days = (
  all: number,
  hourly: number,
  daily: number,
  rest: { live: number; minVersions: number },
): Rungs => ({
  all: all * DAY_MS,
  hourly: hourly * DAY_MS,
  daily: daily * DAY_MS,
  live: rest.live * DAY_MS,
  minVersions: rest.minVersions,
});

/** DESIGN section 9, the table of tiers. */
const DESIGN_TIERS: Readonly<Record<Tier, Rungs>> = {
  ephemeral: days(0, 0, 0, { live: 0, minVersions: 0 }),
  standard: days(1, 7, 30, { live: 30, minVersions: 1 }),
  persistent: days(7, 30, 365, { live: 365, minVersions: 1 }),
  permanent: days(Infinity, Infinity, Infinity, { live: Infinity, minVersions: 1 }),
};

function make(
  config: Record<string, unknown>,
  numbers: { graceMs: number; standard: Rungs; dirs: OraclePolicy['dirs'] },
): OraclePolicy {
  const document = parseRetention(config);
  const { sessions: _, ...policy } = document;
  const { graceMs, standard, dirs } = numbers;
  const tiers = { ...DESIGN_TIERS, standard };
  return { text: encodePolicy(policy), graceMs, tiers, dirs, transient: '.swp' };
}

const NODE_MODULES = { name: 'node_modules', allMs: DAY_MS };

export const DESIGN_POLICY = make(
  {},
  { graceMs: HOUR_MS, standard: DESIGN_TIERS.standard, dirs: [NODE_MODULES] },
);

export const GENEROUS_POLICY = make(
  {
    tiers: {
      standard: { all: '2d', hourly: '9d', daily: '60d', live: '40d', minVersions: 3 },
    },
    rules: [{ match: 'cache/**', history: '6h' }],
    grace: '2h',
  },
  {
    graceMs: 2 * HOUR_MS,
    standard: days(2, 9, 60, { live: 40, minVersions: 3 }),
    dirs: [{ name: 'cache', allMs: 6 * HOUR_MS }, NODE_MODULES],
  },
);

export const STRICT_POLICY = make(
  {
    tiers: { standard: { all: '1h', hourly: '12h', daily: '3d', live: '2d' } },
    grace: '0',
  },
  {
    graceMs: 0,
    standard: days(1 / 24, 0.5, 3, { live: 2, minVersions: 1 }),
    dirs: [NODE_MODULES],
  },
);

/** What a path is promised. */
export function promiseOf(
  policy: OraclePolicy,
  path: readonly string[],
  tiers: { readonly own: Tier | undefined; readonly session: Tier },
): Promised {
  const { own, session } = tiers;
  if (own !== undefined) return tell(own, '', policy.tiers[own], true);
  const { live } = policy.tiers[session];
  const only = (all: number): Rungs => ({ all, hourly: 0, daily: 0, live, minVersions: 0 });
  const dir = policy.dirs.find(({ name }) => path.slice(0, -1).includes(name));
  // Rules of the configuration come first, then what is transient, then what is rebuilt.
  if (dir !== undefined && dir.name !== 'node_modules') {
    return tell(session, dir.name, only(dir.allMs), true);
  }
  if (path.at(-1)?.endsWith(policy.transient) === true) {
    return tell(session, 'transient', only(0), false);
  }
  if (dir !== undefined) return tell(session, dir.name, only(dir.allMs), true);
  return tell(session, '', policy.tiers[session], true);
}

function tell(tier: Tier, rule: string, rungs: Rungs, makesVersions: boolean): Promised {
  const key = [tier, rule, makesVersions, ...Object.values(rungs).map(String)].join(' ');
  return { key, rungs, makesVersions };
}
