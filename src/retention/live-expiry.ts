/**
 * Live files whose time is over: a session that ended keeps them for as long as their tier says.
 *
 * While a session is active nothing here removes anything, whatever its age.
 */

import { ROOT_INO, SYSTEM_ACTOR } from '../shared/brands.ts';
import type { Ino, Name } from '../shared/brands.ts';
import { isDirectory } from '../shared/mode.ts';
import { compareTime, timeToMs } from '../shared/time.ts';
import type { Time } from '../shared/time.ts';
import { decideLive, isExpired } from '../policy/policy.ts';
import type { LiveDecision } from '../policy/policy.ts';
import type { InodeRecord } from '../index/records.ts';
import type { UnlinkEvent } from '../volume/events.ts';
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
  readonly ino: Ino;
  readonly path: string;
  readonly size: number;
  readonly decision: LiveDecision;
  /** What it was decided by. */
  readonly stamp: Pick<InodeRecord, 'since' | 'contentRevision' | 'tier' | 'renewed'>;
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
    released: commitments.releaseOf(inode),
  });
}

/** Every name in the tree whose time is over, children before their directory. */
export async function* findExpired(
  volume: Volume,
  options: LiveExpiryOptions,
): AsyncGenerator<ExpiredFile> {
  const { sessionEndedMs, nowMs } = options;
  if (sessionEndedMs === undefined) return;
  const commitments = new Commitments(volume, nowMs);
  await commitments.lookBelow(options.pause);
  const { graceMs } = volume.promiser.current.policy;
  yield* visit(ROOT_INO);

  /** Returns true if nothing in the directory stays. */
  async function* visit(directory: Ino): AsyncGenerator<ExpiredFile, boolean> {
    let isEmpty = true;
    for (const { name, ino } of await volume.listings.listAll(directory)) {
      const inode = volume.state.findInode(ino);
      if (inode === undefined) continue;
      let decision = decideLiveFile(commitments, { inode, tiers: [] }, sessionEndedMs);
      // What it was promised before is looked up only of what would go by what it is promised now.
      if (isExpired(decision, nowMs, graceMs)) {
        const tiers = await listTiers(volume.index, ino);
        decision = decideLiveFile(commitments, { inode, tiers }, sessionEndedMs);
      }
      const { since, contentRevision, tier, renewed } = inode;
      // Before what is in it: that this goes is a change of a directory, too.
      const isEmptied = !isDirectory(inode.mode) || (yield* visit(ino));
      if (!isEmptied || !isExpired(decision, nowMs, graceMs) || volume.cuts.isOpen(ino)) {
        isEmpty = false;
        // A directory with something in it is due with that.
        if (isEmptied) options.onKept?.(decision.keptUntilMs + graceMs);
        continue;
      }
      yield {
        parent: directory,
        name,
        ino,
        path: commitments.pathOf(inode),
        size: inode.size,
        decision,
        stamp: { since, contentRevision, tier, renewed },
      };
    }
    await options.pause?.();
    return isEmpty;
  }
}

/** Takes the names away; what they stood for goes with the next sweep. @returns How many. */
export async function removeExpired(volume: Volume, options: LiveExpiryOptions): Promise<number> {
  const removal = new LiveRemoval(volume);
  for await (const file of findExpired(volume, options)) removal.add(file);
  removal.commit();
  return removal.count;
}

/** INVARIANT: what is removed is still what was decided about, in the turn in which it is removed. */
class LiveRemoval {
  readonly #volume: Volume;
  readonly #generation: number;
  readonly #renewed: Time | undefined;
  /** Of which this has taken another name. */
  readonly #touched = new Set<Ino>();
  #batch: ExpiredFile[] = [];
  count = 0;

  constructor(volume: Volume) {
    this.#volume = volume;
    this.#generation = volume.state.promises.generation;
    this.#renewed = volume.state.findInode(ROOT_INO)?.renewed;
  }

  add(file: ExpiredFile): void {
    this.#batch.push(file);
    if (this.#batch.length >= BATCH_NAMES) this.commit();
  }

  commit(): void {
    const { state, cuts } = this.#volume;
    const batch = this.#batch;
    this.#batch = [];
    // What was held, renewed or written meanwhile is looked at again by the next sweep.
    if (state.promises.generation !== this.#generation) return;
    if (!isSameTime(state.findInode(ROOT_INO)?.renewed, this.#renewed)) return;
    const events: UnlinkEvent[] = [];
    const emptied = new Map<Ino, number>();
    for (const file of batch) {
      const { parent, name, ino } = file;
      if (!this.#isStillDue(file, emptied.get(ino) ?? 0)) continue;
      emptied.set(parent, (emptied.get(parent) ?? 0) + 1);
      this.#touched.add(ino);
      cuts.beforeRemoval(ino, 'unlinked');
      events.push({ kind: 'unlink', parent, name });
    }
    if (events.length === 0) return;
    this.#volume.commit({ kind: 'batch', events }, { ...SYSTEM_CALLER, actor: SYSTEM_ACTOR });
    this.count += events.length;
  }

  /** @param going How many of its names go in the same event, if it is a directory. */
  #isStillDue({ parent, name, ino, stamp }: ExpiredFile, going: number): boolean {
    const { state, cuts } = this.#volume;
    const inode = state.findInode(ino);
    if (inode === undefined || state.findDentry(parent, name)?.ino !== ino) return false;
    if (inode.tier !== stamp.tier || !isSameTime(inode.renewed, stamp.renewed)) return false;
    if (isDirectory(inode.mode)) return inode.size === going;
    if (cuts.isOpen(ino) || inode.contentRevision !== stamp.contentRevision) return false;
    return inode.since === stamp.since || this.#touched.has(ino);
  }
}

const isSameTime = (a: Time | undefined, b: Time | undefined): boolean =>
  a === b || (a !== undefined && b !== undefined && compareTime(a, b) === 0);
