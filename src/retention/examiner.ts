/**
 * Looks at one inode as a sweep would: its life, what keeps each part of it, and what may go.
 */

import { SYSTEM_ACTOR } from '../shared/brands.ts';
import type { Revision } from '../shared/brands.ts';
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
}

/** As of one state of the volume's promises. */
export class Examiner {
  readonly commitments: Commitments;
  readonly #volume: Volume;
  readonly #options: ExaminerOptions;

  constructor(volume: Volume, options: ExaminerOptions) {
    this.#volume = volume;
    this.#options = options;
    this.commitments = new Commitments(volume);
  }

  examine(surveyed: SurveyedInode): Finding {
    const life = describeLife(surveyed.inode, surveyed.states, surveyed.versions);
    const verdict = judge(this.inputOf(surveyed, life));
    return { surveyed, life, path: this.commitments.pathOf(surveyed.inode), verdict };
  }

  /** What is judged by: for whoever asks what would be if some of it were otherwise. */
  inputOf(surveyed: SurveyedInode, life: Life): VerdictInput {
    const { inode } = surveyed;
    const commitments = this.commitments;
    const { nowMs, horizon } = this.#options;
    const renewedMs = commitments.renewedMs(inode);
    return {
      life,
      promisesOf: (version) => commitments.promisesOf(surveyed, version),
      promisesSince: (revision) => commitments.promisesSince(surveyed, revision),
      holds: commitments.holdsOf(inode),
      pins: commitments.pinsOf(inode).filter(({ revision }) => wasNamed(life, revision)),
      renewedMs,
      expiredLive: this.#findExpiredLive(life, renewedMs),
      isOpen: inode.nlink === 0 && this.#volume.cuts.isOpen(inode.ino),
      horizon,
      nowMs,
      graceMs: this.#volume.promiser.current.policy.graceMs,
    };
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
