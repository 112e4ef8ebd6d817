/**
 * The sweep: what no promise keeps any more is found, and removed.
 *
 * Rules:
 * - A dry run and a run are the same survey; a run commits what the dry run would have told.
 * - Nothing is removed at its end, but a grace later; holds and checkpoints that came meanwhile count.
 * - At the moment of removal all is checked again that could have changed since the survey: what is read,
 *   open, brought back or held by then stays for the next sweep.
 * - A sweep that would remove too much at once is refused until somebody confirms it.
 */

import { ROOT_INO, SYSTEM_ACTOR } from '../shared/brands.ts';
import type { ActorId, Ino, Revision } from '../shared/brands.ts';
import { isDirectory } from '../shared/mode.ts';
import { compareTime } from '../shared/time.ts';
import type { Time } from '../shared/time.ts';
import { dentryHistoryDirKey, inodeKey, prefixEnd, Space } from '../index/keys.ts';
import { EntryCursor, spaceRange } from '../index/entry-cursor.ts';
import { decodePastDentry } from '../index/records.ts';
import type { InodeRecord } from '../index/records.ts';
import type { PurgedInode, PurgedName } from '../volume/promise-events.ts';
import type { Volume } from '../volume/volume.ts';
import type { VolumeHistory } from '../history/volume-history.ts';
import type { Life } from './content-intervals.ts';
import { Examiner } from './examiner.ts';
import type { Finding } from './examiner.ts';
import { findHorizon } from './horizon.ts';
import { surveyInodes } from './inode-survey.ts';
import { planRemoval, removesAnything } from './removal.ts';
import { countKeys, splitRemoval } from './removal-parts.ts';
import type { Removal } from './removal.ts';
import { hasPinIn } from './verdict.ts';
import type { Verdict } from './verdict.ts';

/** So much is removed in one event: a few milliseconds of the thread that serves. */
const BATCH_INODES = 64;
const BATCH_KEYS = 500;
const BATCH_NAMES = 2000;
/** A sweep of fewer versions is never refused: a share of little means nothing. */
const HARMLESS_VERSIONS = 1000;

export interface SweepOptions {
  readonly nowMs: number;
  /** undefined: the session is active. */
  readonly sessionEndedMs: number | undefined;
  /** Awaited now and then: whoever is served goes first. Rejects to stop in between. */
  readonly pause?: () => Promise<void>;
}

export interface SweepTotals {
  versions: number;
  /** Of these, versions that a tier had promised, and not a rule for caches. */
  promisedVersions: number;
  /** Live files that would lose their newest version: a defence, no policy asks for it. */
  lastVersions: number;
  inodes: number;
  names: number;
  bytes: number;
}

export class Sweep {
  readonly #volume: Volume;
  readonly #options: SweepOptions;
  readonly #examiner: Examiner;
  readonly #generation: number;
  /** Those that were not due any more when they were to be removed. */
  readonly #leftOut = new Set<Ino>();
  /** When the session was last renewed, if ever. */
  readonly #renewed: Time | undefined;
  readonly horizon: Revision;
  readonly #horizonTime: Time;
  readonly totals: SweepTotals = {
    versions: 0,
    promisedVersions: 0,
    lastVersions: 0,
    inodes: 0,
    names: 0,
    bytes: 0,
  };
  /** When the next thing is due, in milliseconds since 1970; Infinity if nothing ever is. */
  nextDueMs = Infinity;

  private constructor(
    volume: Volume,
    options: SweepOptions,
    { horizon, horizonTime }: { readonly horizon: Revision; readonly horizonTime: Time },
  ) {
    this.#volume = volume;
    this.#options = options;
    this.#examiner = new Examiner(volume, { ...options, horizon });
    this.#generation = volume.state.promises.generation;
    this.#renewed = volume.state.findInode(ROOT_INO)?.renewed;
    this.horizon = horizon;
    this.#horizonTime = horizonTime;
  }

  static async begin(
    volume: Volume,
    history: Pick<VolumeHistory, 'findRevision' | 'getRevisionTime'>,
    options: SweepOptions,
  ): Promise<Sweep> {
    await volume.cuts.settled();
    await volume.flushed();
    const { epochs, current } = volume.promiser;
    const horizon = await findHorizon({
      epochs,
      nowMs: options.nowMs,
      graceMs: current.policy.graceMs,
      findRevision: (time) => history.findRevision(time),
    });
    // A horizon never comes back: what was behind it may have gone.
    const isFurther = horizon > volume.state.horizon;
    const sweep = new Sweep(volume, options, {
      horizon: isFurther ? horizon : volume.state.horizon,
      horizonTime: isFurther ? await history.getRevisionTime(horizon) : volume.state.horizonTime,
    });
    await sweep.#examiner.commitments.lookBelow(options.pause);
    return sweep;
  }

  /** Everything that would be removed, inode by inode. Counts as it goes. */
  async *findings(from?: Ino): AsyncGenerator<Finding> {
    const { pause } = this.#options;
    const survey = surveyInodes(this.#volume.index, {
      ...(from === undefined ? {} : { from }),
      ...(pause === undefined ? {} : { pause }),
    });
    for await (const surveyed of survey) {
      const finding = await this.#examiner.examine(surveyed);
      this.#noteDue(finding.verdict);
      if (!removesAnything(finding.verdict)) continue;
      if (finding.verdict.isForgotten && (await this.#hasPastNames(surveyed.inode))) continue;
      this.#count(finding);
      yield finding;
    }
  }

  /** Why it is refused, if it is; to be asked when all findings were counted. */
  get refusal(): string | undefined {
    const { promisedVersions, lastVersions } = this.totals;
    const { maxRemovedShare } = this.#volume.promiser.current.policy;
    const all = this.#volume.state.versions;
    if (lastVersions > 0) return `it would remove the newest version of ${lastVersions} live files`;
    if (promisedVersions < HARMLESS_VERSIONS || promisedVersions <= all * maxRemovedShare) {
      return undefined;
    }
    const share = Math.round((promisedVersions / all) * 100);
    return `it would remove ${promisedVersions} of ${all} versions (${share} %), more than ${Math.round(maxRemovedShare * 100)} %`;
  }

  /** Removes what a survey found, in events of bounded size; then the names that nothing is left of. */
  async apply(options: {
    readonly actor?: ActorId;
    readonly isConfirmed?: boolean;
    readonly onBatch?: (removed: readonly Removal[]) => void;
  }): Promise<void> {
    let batch: { finding: Finding; removal: Removal }[] = [];
    let keys = 0;
    const commit = async (): Promise<void> => {
      if (batch.length > 0) await this.#commit(batch, options);
      batch = [];
      keys = 0;
    };
    for await (const finding of this.findings()) {
      const { life, verdict, path, surveyed } = finding;
      const subject = { life, verdict, path, tiers: surveyed.tiers };
      const removal = await planRemoval(this.#volume.index, subject);
      this.totals.bytes += removal.bytes;
      let { bytes } = removal;
      for (const purged of splitRemoval(removal.purged, BATCH_KEYS)) {
        batch.push({ finding, removal: { purged, bytes } });
        bytes = 0;
        keys += countKeys(purged);
        if (batch.length >= BATCH_INODES || keys >= BATCH_KEYS) await commit();
      }
    }
    await commit();
    await this.#purgeNames(options);
  }

  /** For a dry run: how many bytes a finding frees. */
  async measure({ life, verdict, path, surveyed }: Finding): Promise<number> {
    const subject = { life, verdict, path, tiers: surveyed.tiers };
    const { bytes } = await planRemoval(this.#volume.index, subject);
    this.totals.bytes += bytes;
    return bytes;
  }

  #count({ verdict, life, surveyed }: Finding): void {
    const { totals } = this;
    totals.inodes += 1;
    const newest = surveyed.versions.at(-1);
    for (const { version, decision, isRemoved } of verdict.versions) {
      if (!isRemoved) continue;
      totals.versions += 1;
      const [reason] = decision.reasons;
      const isOfRule =
        reason !== undefined && 'promise' in reason && reason.promise.rule !== undefined;
      if (!isOfRule) totals.promisedVersions += 1;
      if (life.removed === undefined && version === newest) totals.lastVersions += 1;
    }
  }

  #noteDue({ versions }: Verdict): void {
    const { graceMs } = this.#volume.promiser.current.policy;
    for (const { decision, isRemoved } of versions) {
      if (!isRemoved) this.nextDueMs = Math.min(this.nextDueMs, decision.keptUntilMs + graceMs);
    }
  }

  async #commit(
    batch: readonly { finding: Finding; removal: Removal }[],
    options: Parameters<Sweep['apply']>[0],
  ): Promise<void> {
    // What is removed is looked up in the index on disk.
    await this.#volume.flushed();
    // From here to the commit nothing else runs.
    const removals = batch.filter(({ finding, removal }) => {
      const { ino } = removal.purged;
      // A part is left out with all that come behind it.
      if (!this.#leftOut.has(ino) && this.#isStillDue(finding, removal)) return true;
      this.#leftOut.add(ino);
      return false;
    });
    if (removals.length === 0) return;
    this.#purge({ inodes: removals.map(({ removal }) => removal.purged), names: [] }, options);
    options.onBatch?.(removals.map(({ removal }) => removal));
    await this.#options.pause?.();
  }

  /** Nobody reads it, has it open, has brought it back, or has asked to keep it since the survey. */
  #isStillDue({ life, path, verdict }: Finding, { purged }: Removal): boolean {
    const { state, pins, cuts } = this.#volume;
    if (state.promises.generation !== this.#generation) return false;
    if (!isSameTime(state.findInode(ROOT_INO)?.renewed, this.#renewed)) return false;
    const inode = state.findInode(life.inode.ino);
    if (inode === undefined || inode.tier !== life.inode.tier) return false;
    if (!isSameTime(inode.renewed, life.inode.renewed)) return false;
    // Where it has gone to it may be promised more, or be held.
    if (this.#examiner.commitments.pathOf(inode) !== path) return false;
    for (const { since, to } of revisionsOf(life, verdict)) {
      if (pins.hasBetween(since, to)) return false;
    }
    if (life.removed === undefined) return true;
    // What has no name now must still be what it was, down to its last state.
    if (inode.nlink > 0 || inode.since !== life.inode.since) return false;
    if (inode.contentRevision !== life.inode.contentRevision) return false;
    return purged.last === 'stays' || !cuts.isOpen(inode.ino);
  }

  #purge(
    removed: { readonly inodes: readonly PurgedInode[]; readonly names: readonly PurgedName[] },
    { actor = SYSTEM_ACTOR, isConfirmed = false }: Parameters<Sweep['apply']>[0],
  ): void {
    const by = { unique: 0, uid: 0, gid: 0, pid: 0, actor };
    const { horizon } = this;
    const horizonTime = this.#horizonTime;
    this.#volume.commit({ kind: 'purge', horizon, horizonTime, isConfirmed, ...removed }, by);
  }

  /** A removed directory stays for as long as names that it had are told of. */
  async #hasPastNames(inode: InodeRecord): Promise<boolean> {
    if (!isDirectory(inode.mode)) return false;
    const prefix = Buffer.from(dentryHistoryDirKey(inode.ino));
    const range = { gte: prefix, lt: prefixEnd(prefix) };
    return (await this.#volume.index.findFirst(range)) !== undefined;
  }

  /** Past names behind the horizon of which there is no inode any more. */
  async #purgeNames(options: Parameters<Sweep['apply']>[0]): Promise<void> {
    await this.#volume.flushed();
    const { index } = this.#volume;
    const pins = this.#examiner.commitments.treePins;
    const cursor = new EntryCursor(index, spaceRange(Space.DENTRY_HISTORY));
    let due: (PurgedName & { readonly since: Revision })[] = [];
    const commit = async (): Promise<void> => {
      const { state, pins: read } = this.#volume;
      const isCurrent = state.promises.generation === this.#generation;
      const names = isCurrent ? due.filter(({ since, to }) => !read.hasBetween(since, to)) : [];
      this.totals.names += names.length;
      if (names.length > 0) this.#purge({ inodes: [], names }, options);
      due = [];
      await this.#options.pause?.();
    };
    try {
      for (await cursor.next(); !cursor.isDone;) {
        const { key, value } = cursor;
        const to = key.readUIntBE(key.length - 6, 6) as Revision;
        const { ino, since } = decodePastDentry(value);
        const isPinned = hasPinIn(pins, since, to);
        if (to <= this.horizon && !isPinned && index.get(inodeKey(ino)) === undefined) {
          const parent = key.readUIntBE(1, 6) as Ino;
          const name = key.toString('latin1', 1 + 6, key.length - 7);
          due.push({ parent, name: name as PurgedName['name'], since, to });
          if (due.length >= BATCH_NAMES) await commit();
        }
        if (!cursor.step()) await cursor.fill();
      }
      await commit();
    } finally {
      await cursor.close();
    }
  }
}

/** The revisions of which something goes: from one, up to before another. */
function revisionsOf(
  { inode, states }: Life,
  { removed, isForgotten, forgottenStates }: Verdict,
): { readonly since: Revision; readonly to: Revision }[] {
  if (isForgotten) return [{ since: inode.born, to: Infinity as Revision }];
  const gone = new Set(forgottenStates);
  const forgotten = states.filter(({ to }) => gone.has(to));
  const ranges = forgotten.map(({ inode: { since }, to }) => ({ since, to }));
  // How it was made goes with its first state.
  const first = ranges[0];
  if (first !== undefined && first.to === states[0]?.to) first.since = inode.born;
  return [...ranges, ...removed.map(({ start, end }) => ({ since: start, to: end as Revision }))];
}

const isSameTime = (a: Time | undefined, b: Time | undefined): boolean =>
  a === b || (a !== undefined && b !== undefined && compareTime(a, b) === 0);
