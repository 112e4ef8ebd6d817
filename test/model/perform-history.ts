/**
 * Commands that bring the past back, and those that stop and start the volume.
 */

import fs from 'node:fs';

import { SessfsError } from '../../src/shared/errors.ts';
import { nameToText } from '../../src/shared/names.ts';
import { NO_PROMISE } from '../../src/shared/brands.ts';
import type { Name, Revision } from '../../src/shared/brands.ts';
import type { RollbackResult } from '../../src/history/store.ts';
import { versionKey } from '../../src/index/keys.ts';
import { same } from './compare.ts';
import { planRollback, planUndelete, Refused, takeOver } from './restore.ts';
import type { Wanted } from './restore.ts';
import type { Run } from './run.ts';
import { System } from './system.ts';
import { Difference } from './steps.ts';

export type Restart = 'close' | 'crash' | 'resume' | 'rebuild';

export async function rollback(
  run: Run,
  options: { readonly path: readonly Name[]; readonly to: Revision; readonly exact: boolean },
  how: { readonly by: number; readonly isUndone: boolean },
): Promise<void> {
  const { path, to, exact } = options;
  const text = nameToText(path.join('/'));
  const result = await restore(run, {
    what: `rollback ${exact ? 'exactly ' : ''}of "${text}" to r${to}`,
    plan: () => planRollback(run.model, options),
    act: ({ history }, dryRun) =>
      history.rollback({ ...options, dryRun, actor: run.caller(how.by).actor ?? run.noActor }),
  });
  if (result?.revision === undefined || !how.isUndone) return;
  await rollback(
    run,
    { path: [], to: result.before, exact: true },
    { by: how.by, isUndone: false },
  );
}

export async function undelete(run: Run, path: readonly Name[], by: number): Promise<void> {
  await restore(run, {
    what: `undelete "${nameToText(path.join('/'))}"`,
    plan: () => planUndelete(run.model, path),
    act: ({ history }, dryRun) =>
      history.undelete({ path, dryRun, actor: run.caller(by).actor ?? run.noActor }),
  });
}

/** A dry run, the same for real, and what is there afterwards. */
async function restore(
  run: Run,
  command: {
    readonly what: string;
    readonly plan: () => Wanted;
    readonly act: (system: System, dryRun: boolean) => Promise<RollbackResult>;
  },
): Promise<RollbackResult | undefined> {
  const { system, model } = run;
  model.now = run.clock.now();
  const wanted = orRefused(command.plan);
  let result: RollbackResult;
  try {
    const dry = await command.act(system, true);
    same(`${command.what}: changed by a dry run`, system.takeCommitted().length, 0);
    result = await command.act(system, false);
    same(`${command.what}: steps`, result.steps, dry.steps);
  } catch (error) {
    if (!(error instanceof SessfsError) || wanted !== undefined) throw error;
    run.tell(`${command.what}: ${error.code}`);
    same(`${command.what}: changed and failed`, system.takeCommitted().length, 0);
    return undefined;
  }
  run.tell(command.what, result.revision);
  if (wanted === undefined) throw new Difference(`${command.what}: was done, must be refused`);
  const committed = system.takeCommitted();
  same(`${command.what}: its revision`, result.revision, committed.at(-1)?.revision);
  await takeOver(system, model, wanted, committed);
  return result;
}

function orRefused(plan: () => Wanted): Wanted | undefined {
  try {
    return plan();
  } catch (error) {
    if (error instanceof Refused) return undefined;
    throw error;
  }
}

/** The volume is stopped, in order or not, and started again. */
export async function restart(run: Run, how: Restart): Promise<void> {
  const { system, model } = run;
  run.tell(`restart: ${how}`);
  let { dir } = system;
  if (how === 'crash') {
    // A copy of what is on disk at this moment; what is in memory only is gone.
    dir = run.newDir();
    system.copyTo(dir, { withIndex: true });
  }
  await system.volume.close();
  if (how === 'crash') fs.rmSync(system.dir, { recursive: true });
  if (how === 'rebuild') fs.rmSync(`${dir}/index`, { recursive: true });
  const isResumed = how === 'resume';
  await run.replaceSystem(dir, { isResumed });
  model.restart();
  if (isResumed) return;
  run.handles = [];
  takeCuts(run);
}

/** At a start without anybody who has files open, what is dirty becomes a version. */
export function takeCuts(run: Run): void {
  const { system, model } = run;
  const { state, index } = system.volume;
  model.now = run.clock.now();
  const cuts = [...model.dirty.keys()].map((ino) => ({
    ino,
    at: state.findInode(ino)?.cutRevision ?? 0,
  }));
  const time = state.time;
  for (const { ino, at } of cuts.toSorted((a, b) => a.at - b.at)) {
    const revision = at as Revision;
    const actor = model.dirty.get(ino)?.actor ?? 0;
    // The first cut of all gives the promise its number.
    if (revision === model.revision + 2) {
      const event = { kind: 'define', id: NO_PROMISE, text: '' } as const;
      const define = { revision: (revision - 1) as Revision, time, actor: 0, event };
      model.commit(define, () => undefined);
    }
    const isCut = index.get(versionKey(ino, revision)) !== undefined;
    const event = isCut
      ? ({ kind: 'cut', ino, cause: 'close', promise: NO_PROMISE } as const)
      : ({ kind: 'unchanged', ino } as const);
    run.replay({ revision, time, actor: isCut ? actor : 0, event }, ino);
  }
  same('the revision after a start', state.revision, model.revision);
}
