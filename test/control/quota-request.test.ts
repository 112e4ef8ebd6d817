/**
 * What a request for a quota may say.
 */

import { expect, test } from 'vitest';

import { parseQuotaRequest, readOwnQuota } from '../../src/control/quota-request.ts';

test('reads limits, no limits, and force', () => {
  const body = { live: 1, history: null, inodes: 2 ** 53 - 1, versions: undefined, force: true };
  expect(parseQuotaRequest(body)).toEqual({
    change: { liveBytes: 1, historyBytes: null, inodes: 2 ** 53 - 1 },
    isForced: true,
  });
  expect(parseQuotaRequest({ live: 5 })).toEqual({ change: { liveBytes: 5 }, isForced: false });
});

test.each([
  [{ live: 0 }, '"live" is 0, want a whole number from 1 below 2^53, or null for no limit'],
  [{ history: -1 }, '"history" is -1'],
  [{ inodes: Number.NaN }, '"inodes" is NaN'],
  [{ versions: Number.POSITIVE_INFINITY }, '"versions" is Infinity'],
  [{ live: 2 ** 53 }, '"live" is 9007199254740992'],
  [{ live: 1.5 }, '"live" is 1.5'],
  [{ live: '1' }, '"live" is "1"'],
  [
    { live: 1, liveBytes: 1 },
    '"liveBytes" is unknown, want one of live, history, inodes, versions',
  ],
  [{ live: 1, force: 'yes' }, '"force" is "yes", want true or false'],
  [{ force: true }, 'no limit is named'],
  [{}, 'no limit is named'],
])('refuses %j', (body, reason) => {
  expect(() => parseQuotaRequest(body)).toThrow(
    expect.objectContaining({ code: 'USAGE', message: expect.stringContaining(reason) }),
  );
});

test('reads what a record keeps, and nothing else', () => {
  expect(readOwnQuota({ liveBytes: 1, inodes: null })).toEqual({ liveBytes: 1, inodes: null });
  expect(readOwnQuota({})).toEqual({});
  for (const value of [undefined, null, 'none', [1], { liveBytes: -1 }, { versions: '1' }]) {
    expect(readOwnQuota(value)).toBeUndefined();
  }
});
