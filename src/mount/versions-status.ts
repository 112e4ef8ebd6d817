/**
 * `.status.json`: which moments can be restored, what is durable, what is used, what is promised.
 */

import type { HistoryStatus } from '../history/store.ts';
import { timeToIso } from '../shared/time.ts';

/**
 * @param status What the volume tells of itself: durable moment, usage, promises, and so on. Its own members
 *   `earliest` and `latest` win over those made here.
 */
export function renderStatus(history: HistoryStatus, status: object): Buffer {
  const content = {
    earliest: { revision: history.earliest, time: timeToIso(history.earliestTime) },
    latest: { revision: history.latest, time: timeToIso(history.latestTime) },
    ...status,
  };
  return Buffer.from(`${JSON.stringify(content, undefined, 2)}\n`);
}
