/**
 * `.status.json`: which moments can be restored, what is durable, what is used, what is promised.
 */

import type { HistoryStatus } from '../history/store.ts';
import { timeToIso } from '../shared/time.ts';

/** What is promised of everything: nothing expires yet. */
const PROMISE = {
  liveFile: 'until the session is deleted',
  versions: 'all, until the session is deleted',
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
    promises: [PROMISE],
    ...status,
  };
  return Buffer.from(`${JSON.stringify(content, undefined, 2)}\n`);
}
