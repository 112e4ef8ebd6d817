/**
 * Looks at one inode as a sweep would: its life, what keeps each part of it, and what may go.
 */

import { SYSTEM_ACTOR } from '../shared/brands.ts';
import type { Revision } from '../shared/brands.ts';
import { letOthersRun, takeSteps } from '../shared/steps.ts';
import type { Steps } from '../shared/steps.ts';
import { dentryHistoryKey } from '../index/keys.ts';
import { decodePastDentry } from '../index/records.ts';
import type { Volume } from '../volume/volume.ts';
import { Commitments } from './commitments.ts';
import { describeLife, wasNamed } from './content-intervals.ts';
import type { Life } from './content-intervals.ts';
import type { SurveyedInode } from './inode-survey.ts';
import { judge } from './verdict.ts';
import type { Verdict, VerdictInput } from './verdict.ts';

export interface Finding {
  readonly surveyed: SurveyedInode;
  readonly life: Life;
  /** One char per byte. */
  readonly path: string;
  readonly verdict: Verdict;
}

export interface ExaminerOptions {
  readonly nowMs: number;
  /** undefined: the session is active. */
  readonly sessionEndedMs: number | undefined;
  readonly horizon: Revision;
  /** Awaited now and then while one inode is judged. */
  readonly pause?: () => Promise<void>;
}

/** As of one state of the volume's promises. */
export class Examiner {
  readonly commitments: Commitments;
  readonly #volume: Volume;
  readonly #options: ExaminerOptions;

  constructor(volume: Volume, options: ExaminerOptions) {
    this.#volume = volume;
    this.#options = options;
    this.commitments = new Commitments(volume, options.nowMs);
  }

  /** Whoever is served comes in between: what has changed by the end is asked again before anything goes. */
  examine(surveyed: SurveyedInode): Promise<Finding> {
    return takeSteps(this.#examine(surveyed), this.#options.pause ?? letOthersRun);
  }

  /** What is judged by: for whoever asks what would be if some of it were otherwise. */
  inputOf(surveyed: SurveyedInode, life: Life): VerdictInput {
    const { inode } = surveyed;
    const commitments = this.commitments;
    const { nowMs, horizon } = this.#options;
    const renewedMs = commitments.renewedMs(inode);
    const placed = { ...surveyed, place: this.#volume.promiser.locate(inode) };
    return {
      life,
      promisesOf: (version) => commitments.promisesOf(placed, version),
      promisesSince: (revision) => commitments.promisesSince(placed, revision),
      holds: commitments.holdsOf(inode),
      released: commitments.releaseOf(inode),
      pins: commitments.pinsOf(inode).filter(({ revision }) => wasNamed(life, revision)),
      renewedMs,
      expiredLive: this.#findExpiredLive(life, renewedMs),
      isOpen: inode.nlink === 0 && this.#volume.cuts.isOpen(inode.ino),
      horizon,
      nowMs,
      graceMs: this.#volume.promiser.current.policy.graceMs,
    };
  }

  *#examine(surveyed: SurveyedInode): Steps<Finding> {
    const life = yield* describeLife(surveyed.inode, surveyed.states, surveyed.versions);
    const input = this.inputOf(surveyed, life);
    // In the same turn: if it moves meanwhile, it is not where it was judged.
    const path = this.commitments.pathOf(surveyed.inode);
    const verdict = yield* judge(input);
    return { surveyed, life, path, verdict };
  }

  /**
   * The sweeper itself took the name away.
   *
   * In nobody's name, and so does somebody who comes from outside of this namespace of processes; but not
   * from a session that has ended.
   */
  #findExpiredLive(
    { inode, removed }: Life,
    renewedMs: number | undefined,
  ): VerdictInput['expiredLive'] {
    const { sessionEndedMs } = this.#options;
    if (sessionEndedMs === undefined || removed === undefined) return undefined;
    if (removed.ms < sessionEndedMs) return undefined;
    const key = dentryHistoryKey(inode.parent, inode.name, removed.revision);
    const value = this.#volume.index.get(key);
    if (value === undefined || decodePastDentry(value).removedBy !== SYSTEM_ACTOR) return undefined;
    return { sinceMs: Math.max(sessionEndedMs, renewedMs ?? -Infinity) };
  }
}
