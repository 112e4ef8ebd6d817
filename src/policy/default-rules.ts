/**
 * The rules that hold unless the configuration says otherwise: what programs make again by themselves.
 *
 * Rule: a file that a person may have written must not match one that makes no versions. What can be
 * taken for such a file keeps its history for a day.
 */

import type { Rule } from './retention-policy.ts';

const DAY_MS = 86_400_000;

const NO_HISTORY = { all: 0, hourly: 0, daily: 0, minVersions: 0 };

/** Dependencies, and what builds and caches make: large, many, and made again by one command. */
const REBUILT = [
  'node_modules',
  'bower_components',
  '.venv',
  'venv',
  '__pycache__',
  '.pytest_cache',
  '.mypy_cache',
  '.ruff_cache',
  '.tox',
  '.gradle',
  '.next',
  '.nuxt',
  '.turbo',
  '.parcel-cache',
  '.cache',
  'build',
  'dist',
  'target',
  'out',
];

/** What editors, databases and NFS clients put beside a file while they work on it. */
const TRANSIENT = [
  // vim: swap files, and the file by which it finds out whether it may write here.
  '*.swp',
  '*.swo',
  '*.swx',
  '4913',
  // Emacs: locks and automatic saves.
  '.#*',
  '#*#',
  // SQLite. By the database's suffix: "travel-journal" is somebody's writing.
  '*.{db,db3,sqlite,sqlite3,sqlitedb}-{journal,shm}',
  '.nfs*',
];

export const DEFAULT_RULES: readonly Rule[] = [
  { match: TRANSIENT, tier: undefined, ladder: NO_HISTORY, makesVersions: false },
  {
    match: REBUILT.map((name) => `${name}/**`),
    tier: undefined,
    ladder: { ...NO_HISTORY, all: DAY_MS },
    makesVersions: true,
  },
];
