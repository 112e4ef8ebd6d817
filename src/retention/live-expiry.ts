/**
 * Live files whose time is over: a session that ended keeps them for as long as their tier says.
 *
 * While a session is active nothing here removes anything, whatever its age.
 */

import { ROOT_INO, SYSTEM_ACTOR } from '../shared/brands.ts';
import type { Ino, Name } from '../shared/brands.ts';
import { isDirectory } from '../shared/mode.ts';
import { timeToMs } from '../shared/time.ts';
import { decideLive, isExpired } from '../policy/policy.ts';
import type { LiveDecision } from '../policy/policy.ts';
import type { InodeRecord } from '../index/records.ts';
import { SYSTEM_CALLER } from '../volume/store.ts';
import type { Volume } from '../volume/volume.ts';
import { Commitments } from './commitments.ts';
import { listTiers } from './inode-survey.ts';
import type { PastTier } from './inode-survey.ts';

/** Names that are removed in one event. */
const BATCH_NAMES = 200;

export interface ExpiredFile {
  readonly parent: Ino;
  readonly name: Name;
  readonly path: string;
  readonly size: number;
  readonly decision: LiveDecision;
}

export interface LiveExpiryOptions {
  readonly nowMs: number;
  readonly sessionEndedMs: number | undefined;
  readonly pause?: (() => Promise<void>) | undefined;
  /** Called for what stays for now, with when it is due; for one or the other perhaps too early. */
  readonly onKept?: (dueMs: number) => void;
}

/**
 * Until when a live file is kept, and why.
 *
 * @param tiers Those that it had before.
 */
export function decideLiveFile(
  commitments: Commitments,
  { inode, tiers }: { readonly inode: InodeRecord; readonly tiers: readonly PastTier[] },
  sessionEndedMs: number | undefined,
): LiveDecision {
  return decideLive({
    promises: commitments.promisesSince({ inode, tiers }, inode.contentRevision),
    lastWriteMs: timeToMs(inode.ctime),
    sessionEndedMs,
    renewedMs: commitments.renewedMs(inode),
    holds: commitments.holdsOf(inode),
  });
}

/** Every name in the tree whose time is over, children before their directory. */
export async function* findExpired(
  volume: Volume,
  options: LiveExpiryOptions,
): AsyncGenerator<ExpiredFile> {
  const { sessionEndedMs, nowMs } = options;
  if (sessionEndedMs === undefined) return;
  const commitments = new Commitments(volume);
  const { graceMs } = volume.promiser.current.policy;
  yield* visit(ROOT_INO);

  /** Returns true if nothing in the directory stays. */
  async function* visit(directory: Ino): AsyncGenerator<ExpiredFile, boolean> {
    let isEmpty = true;
    for (const { name, ino } of await volume.listings.listAll(directory)) {
      const inode = volume.state.findInode(ino);
      if (inode === undefined) continue;
      const isEmptied = !isDirectory(inode.mode) || (yield* visit(ino));
      // What it was promised before is looked up only of what would go by what it is promised now.
      let decision = decideLiveFile(commitments, { inode, tiers: [] }, sessionEndedMs);
      const mayGo = isEmptied && isExpired(decision, nowMs, graceMs) && !volume.cuts.isOpen(ino);
      if (mayGo) {
        const tiers = await listTiers(volume.index, ino);
        decision = decideLiveFile(commitments, { inode, tiers }, sessionEndedMs);
      }
      if (!mayGo || !isExpired(decision, nowMs, graceMs)) {
        isEmpty = false;
        // A directory with something in it is due with that.
        if (isEmptied) options.onKept?.(decision.keptUntilMs + graceMs);
        continue;
      }
      yield {
        parent: directory,
        name,
        path: commitments.pathOf(inode),
        size: inode.size,
        decision,
      };
    }
    await options.pause?.();
    return isEmpty;
  }
}

/** Takes the names away; what they stood for goes with the next sweep. @returns How many. */
export async function removeExpired(volume: Volume, options: LiveExpiryOptions): Promise<number> {
  let batch: ExpiredFile[] = [];
  let removed = 0;
  const { generation } = volume.state.promises;
  const commit = (): void => {
    // What was held, renewed or written meanwhile is looked at again by the next sweep.
    const isCurrent = volume.state.promises.generation === generation;
    const names = isCurrent ? batch : [];
    const events = names.map(({ parent, name }) => ({ kind: 'unlink', parent, name }) as const);
    for (const { parent, name } of names) {
      const dentry = volume.state.findDentry(parent, name);
      if (dentry !== undefined) volume.cuts.beforeRemoval(dentry.ino, 'unlinked');
    }
    if (events.length > 0) {
      volume.commit({ kind: 'batch', events }, { ...SYSTEM_CALLER, actor: SYSTEM_ACTOR });
    }
    removed += events.length;
    batch = [];
  };
  for await (const file of findExpired(volume, options)) {
    batch.push(file);
    if (batch.length >= BATCH_NAMES) commit();
  }
  commit();
  return removed;
}
