/**
 * Why something is kept, in words for people.
 */

import { unreachable } from '../shared/assert.ts';
import { formatDuration } from './duration.ts';
import type { LiveReason, Reason } from './policy.ts';
import { endOf } from './promise.ts';
import type { PromiseDefinition } from './promise.ts';

/** One reason as a clause without a full stop, for example `hold "audit": needed for review`. */
export function describeReason(reason: Reason | LiveReason): string {
  switch (reason.kind) {
    case 'live':
      return 'what the file holds now';
    case 'last-version':
      return 'newest version of a live file';
    case 'newest':
      return `one of the newest ${reason.count} versions`;
    case 'session':
      return 'the session is active';
    case 'hold':
      return `hold "${reason.name}": ${reason.reason}`;
    case 'checkpoint':
      return `checkpoint "${reason.name}"`;
    case 'released': {
      const verb = reason.what === 'hold' ? 'released' : 'removed';
      return `${reason.what} "${reason.name}", ${verb} ${formatSecond(reason.untilMs)}`;
    }
    case 'all':
      return describeKept(reason.promise, reason.promise.ladder.all);
    case 'hourly':
      return `hourly version of ${describeSource(reason.promise)}`;
    case 'daily':
      return `daily version of ${describeSource(reason.promise)}`;
    case 'protected': {
      const kept = describeKept(reason.promise, endOf(reason.promise.ladder));
      return `state before a deletion, replacement or rollback: ${kept}`;
    }
    case 'live-file': {
      const { live } = reason.promise.ladder;
      const source = describeSource(reason.promise);
      return live === 0
        ? `${source} keeps files until the session ends`
        : `${source} keeps files ${formatDuration(live)}`;
    }
    default:
      return unreachable(reason);
  }
}

/** In UTC. */
const formatSecond = (ms: number): string => new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');

function describeSource(promise: PromiseDefinition): string {
  return promise.rule === undefined ? `tier ${promise.tier}` : `rule ${promise.rule}`;
}

function describeKept(promise: PromiseDefinition, ms: number): string {
  const source = describeSource(promise);
  return ms === 0
    ? `${source} keeps no superseded version`
    : `${source} keeps ${formatDuration(ms)}`;
}
