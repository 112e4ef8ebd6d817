/**
 * `.status.json`: which moments can be restored, what is durable, what is used, what is promised.
 */

import type { HistoryStatus } from '../history/store.ts';
import { timeToIso } from '../shared/time.ts';

/** What is promised where nobody promised anything else: the standard tier. */
const STANDARD_PROMISE = {
  tier: 'standard',
  liveFile: '30 days after the later of its last write and the end of the session',
  versions: 'all for 24 hours, one an hour for 7 days, one a day for 30 days',
  durability: 'local disk within 1 second',
};

/**
 * @param status What the volume tells of itself: durable moment, usage, and so on. Its own members
 *   `earliest`, `latest` and `promises` win over those made here.
 */
export function renderStatus(history: HistoryStatus, status: object): Buffer {
  const content = {
    earliest: { revision: history.earliest, time: timeToIso(history.earliestTime) },
    latest: { revision: history.latest, time: timeToIso(history.latestTime) },
    promises: [STANDARD_PROMISE],
    ...status,
  };
  return Buffer.from(`${JSON.stringify(content, undefined, 2)}\n`);
}
