/**
 * Opens what a volume is made of: the index, then whatever the log has beyond it.
 *
 * Rule: an index that cannot be used is made anew from the log, once; a log that cannot be used is refused.
 */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { Index } from '../index/index.ts';
import { actorKey, prefixEnd } from '../index/keys.ts';
import { migrateIndex } from '../index/migrate-index.ts';
import { decodeActor } from '../index/records.ts';
import type { ActorRecord, IndexMeta } from '../index/records.ts';
import { takeBackIndex } from '../index/swap-index.ts';
import { nodeDisk } from '../log/disk.ts';
import { Log } from '../log/log.ts';
import type { LogRecord } from '../log/record.ts';
import { NO_REVISION } from '../shared/brands.ts';
import type { ActorId, LogPos, Revision } from '../shared/brands.ts';
import { SessfsError } from '../shared/errors.ts';
import { MAX_PROCESSES } from './actors.ts';
import { Answers } from './answers.ts';
import { collectApplied } from './collect-applied.ts';
import { needsWholeIndex, replayRecord } from './replay.ts';
import { State } from './state.ts';
import type { VolumeOptions } from './store.ts';

/** Beside log and index once a repair has left something that cannot be read (src/fsck). */
export const DAMAGE_FILE = 'damaged.json';
/** The field in it that says so if the index knows what the log has lost. */
export const IRREPLACEABLE = 'indexIsIrreplaceable';

/** As many changes as LevelDB takes in a few milliseconds. */
export const FLUSH_CHANGES = 4000;
export interface Parts {
  readonly state: State;
  readonly index: Index;
  readonly log: Log;
  readonly answers: Answers;
  /** The state that the index on disk holds. */
  readonly indexed: Revision;
  /** Before which that says that everything was answered. */
  readonly answered: LogPos | undefined;
  readonly answersProblem: string | undefined;
  readonly indexProblem: string | undefined;
}

/** @param problem Why the index that was there is not used. */
export async function openParts(options: VolumeOptions, problem?: string): Promise<Parts> {
  const dir = join(options.dir, 'index');
  // After a repair it knows what the log has lost: nobody makes that anew.
  const isIrreplaceable = isIndexIrreplaceable(options.dir);
  if (isIrreplaceable) takeBackIndex(options.dir);
  // Where an index was, there was a log: if that is gone, it was lost, and no new one takes its place.
  const { create: _, ...asMade } = options;
  let failure: unknown;
  try {
    const parts = await openOnce(problem === undefined ? options : asMade, dir);
    return { ...parts, indexProblem: problem };
  } catch (error) {
    failure = error;
  }
  // It is a reading of the log, and one is made anew: once, or the reason is not in the index.
  if (problem !== undefined || !isIndexUnusable(failure)) throw failure;
  if (isIrreplaceable) {
    if (!(await migrateIndex(options.dir, options.volumeId))) throw failure;
    return { ...(await openOnce(asMade, dir)), indexProblem: undefined };
  }
  await Index.remove(dir);
  return openParts(options, failure.message);
}

async function openOnce(options: VolumeOptions, dir: string): Promise<Omit<Parts, 'indexProblem'>> {
  // First, so that all of the path outlives a power cut: LevelDB does not see to what is above it.
  if (options.create !== undefined) nodeDisk.makeDirectory(join(options.dir, 'log'));
  const { index, meta } = await Index.open(dir, options.volumeId);
  const state = new State(index, options.volumeId, meta);
  const answers = new Answers();
  if (options.resumed !== undefined) {
    answers.begin(options.resumed.since, meta?.answered ?? (0 as LogPos));
  }
  try {
    await state.promises.load(index);
    const log = await openLog(options, { state, answers }, meta);
    const collects = meta !== undefined && answers.isCollecting;
    const answersProblem = collects ? await collectApplied(log, answers, meta) : undefined;
    return {
      state,
      index,
      log,
      answers,
      indexed: state.revision === meta?.applied ? meta.applied : NO_REVISION,
      answered: meta?.answered,
      answersProblem,
    };
  } catch (error) {
    await index.close();
    throw error;
  }
}

function openLog(
  options: VolumeOptions,
  into: { readonly state: State; readonly answers: Answers },
  meta: IndexMeta | undefined,
): Promise<Log> {
  const { segmentBytes } = options;
  const code = meta === undefined ? 'LOG_CORRUPT' : 'INDEX_CORRUPT';
  return Log.open({
    dir: join(options.dir, 'log'),
    volumeId: options.volumeId,
    clock: options.clock,
    create: options.create !== undefined && meta === undefined,
    from: meta?.next,
    ...(segmentBytes === undefined ? {} : { segmentBytes }),
    onRecord: (record) => {
      const fail = (error: unknown): never => {
        if (error instanceof SessfsError) throw error;
        throw replayError(options.dir, record, { code, cause: error });
      };
      try {
        return replay(into, record)?.catch(fail);
      } catch (error) {
        return fail(error);
      }
    },
  });
}

/** Newest first; all of them must be in the index. */
export async function listRecentActors(index: Index): Promise<[ActorId, ActorRecord][]> {
  const recent: [ActorId, ActorRecord][] = [];
  const gte = Buffer.from(actorKey(0 as ActorId));
  const range = { gte, lt: prefixEnd(gte.subarray(0, 1)), reverse: true, limit: MAX_PROCESSES };
  for await (const [key, value] of index.scan(range)) {
    recent.push([key.readUInt32BE(1) as ActorId, decodeActor(value)]);
  }
  return recent;
}

/** As the file that a repair left says. */
export function isIndexIrreplaceable(dir: string): boolean {
  let text: string;
  try {
    text = readFileSync(join(dir, DAMAGE_FILE), 'utf8');
  } catch {
    return false;
  }
  return text.includes(`"${IRREPLACEABLE}": true`);
}

/** Damaged, or ahead of a log whose end a power cut took. */
const isIndexUnusable = (error: unknown): error is SessfsError =>
  error instanceof SessfsError && error.code === 'INDEX_CORRUPT';

/** A record that is whole, and yet does not fit the state: of the index, if that was read from one. */
function replayError(
  dir: string,
  { revision, type }: LogRecord,
  { code, cause }: { code: 'LOG_CORRUPT' | 'INDEX_CORRUPT'; cause: unknown },
): SessfsError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  const what = `revision ${revision}, of type ${type}, cannot be applied: ${reason}`;
  return new SessfsError(code, `Cannot open volume "${dir}": ${what}`, {
    hint: 'Check it with sessfs fsck SESSION; it may need the version of sessfs that wrote it',
    cause,
  });
}

/** The same apply as when the record was made. @returns What has to be waited for before the next. */
function replay(into: Replaying, record: LogRecord): Promise<void> | undefined {
  if (!needsWholeIndex(record)) {
    take(into, record);
    return undefined;
  }
  // What it removes is looked up in the index on disk. Its payload does not outlive this turn.
  const kept = { ...record, payload: Buffer.from(record.payload) };
  const { state, answers } = into;
  return state
    .flush(Promise.resolve(), answers.oldestOwed(state.next))
    .then(() => take(into, kept));
}

interface Replaying {
  readonly state: State;
  readonly answers: Answers;
}

function take({ state, answers }: Replaying, record: LogRecord): void {
  answers.note(record, replayRecord(state, record));
  if (state.pending < FLUSH_CHANGES) return;
  // Writes queue up behind one another; a failure shows in the one that open() waits for.
  void state.flush(Promise.resolve(), answers.oldestOwed(state.next)).then(
    () => state.trim(),
    () => undefined,
  );
}
