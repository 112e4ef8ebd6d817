/**
 * What comes from outside, damaged by chance: nothing of it crashes, hangs or bloats.
 *
 * In CI a few runs of a fixed seed; `node scripts/fuzz.js` goes on for as long as one likes.
 */

import { beforeAll, describe, expect, test } from 'vitest';

import { buildWorker, fuzzRuns, runWorker } from './run-worker.ts';

/** Of the whole process: Node itself takes some 60 MB, the buffers of a connection 2. */
const MAX_RSS_BYTES = 400 << 20;
/** A run of any length is ended by its own deadlines (RUN_TIMEOUT_MS). */
const TEST_TIMEOUT_MS = 24 * 3600 * 1000;

beforeAll(buildWorker);

describe('Fuzz', () => {
  test.each([
    ['kernel', 8],
    ['log', 8],
    ['codec', 3],
    ['volume', 4],
  ])(
    'of the target "%s" finds nothing',
    async (target, runs) => {
      const result = await runWorker(target, fuzzRuns(runs));
      expect(result.done).toBe(fuzzRuns(runs));
      expect(result.maxRssBytes).toBeLessThan(MAX_RSS_BYTES);
    },
    TEST_TIMEOUT_MS,
  );
});
