/**
 * Checking a volume that nobody serves: what is whole is clean, what is not is found and named.
 */

import { describe, expect, test } from 'vitest';

import { fsck, makeWorkplace } from './workplace.ts';

describe('a volume that is whole', () => {
  test('is clean, and every record and entry was looked at', async () => {
    const { dir } = await makeWorkplace();
    const report = await fsck(dir);
    expect(report).toMatchObject({ status: 'clean', problems: [], known: [], notes: [] });
    expect(report.records).toBe(report.revision);
    expect(report.segments).toBeGreaterThan(10);
    expect(report.indexEntries).toBeGreaterThan(200);
  });
});
