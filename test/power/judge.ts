/**
 * Says what a power cut may have taken, and whether what is left is right.
 *
 * What every client was told is known, with times. Covered is what returned before a sync that returned
 * before the cut began, and what returned more than a second before it.
 */

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Interface } from 'node:readline';

import { recoverVolume } from './check-volume.ts';
import { takeImage, writeImage } from './disk-image.ts';
import type { Fate } from './disk-image.ts';
import type { Entry } from './journal.ts';
import { applyStep, describeTree, digestTree, treeAfter } from './plan.ts';
import type { Plan, Tree } from './plan.ts';
import type { FileClient, Note, Recording, SessionRun } from './workload.ts';

/** The promise, and what a host under load may add to it until the sync begins, in nanoseconds. */
const SECOND_NS = 1e9;
const PAGE_BYTES = 4096;

export interface Cut {
  readonly seq: number;
  readonly fate: Fate;
  /** Has fsck look at it, too. */
  readonly isThorough: boolean;
  /** Added to the second: how late a sync of the log was in this run. */
  readonly slackNs: number;
}

export interface Verdict {
  readonly problems: string[];
  readonly tornBytes: number;
  /** Calls that had returned and are not there: allowed, since nothing covered them. */
  readonly lost: number;
  readonly openMs: number;
}

/** The index of the first element that fails the test, of a list whose first elements pass it. */
function countWhile<T>(list: readonly T[], passes: (item: T) => boolean): number {
  const index = list.findIndex((item) => !passes(item));
  return index === -1 ? list.length : index;
}

/** @param dir Made and removed again. */
export async function judgeCut(
  recording: Recording,
  cut: Cut,
  parts: { readonly dir: string; readonly checker: DatabaseChecker },
): Promise<Verdict> {
  const { dir, checker } = parts;
  const image = takeImage(recording.journal, cut.seq, cut.fate);
  const t = timeOf(recording.journal, cut.seq);
  const total = { problems: [] as string[], tornBytes: 0, lost: 0, openMs: 0 };
  try {
    for (const session of recording.sessions) {
      const place = join(dir, session.id);
      if (!image.has(`store/sessions/${session.id}.json`)) {
        total.problems.push(`session ${session.id} is not registered`);
      }
      writeImage(image, place, `store/volumes/${session.id}/`);
      let recovered;
      try {
        const { isThorough } = cut;
        recovered = await recoverVolume(place, session.volumeId, { isThorough });
      } catch (error) {
        total.problems.push(`session ${session.id} does not open: ${String(error)}`);
        continue;
      }
      total.problems.push(...recovered.problems);
      total.tornBytes += recovered.tornBytes;
      total.openMs = Math.max(total.openMs, recovered.openMs);
      const covered = coveredUntil(session, t, cut.slackNs);
      for (const client of session.files) {
        const found = judgeFiles(client, recovered.tree, { t, covered });
        total.lost += found.lost;
        if (found.problem !== undefined) total.problems.push(found.problem);
      }
      for (const database of session.databases) {
        const found = await checker.check(recovered.tree, database.name, join(place, 'db'));
        const least = database.notes.findLast(({ end }) => end <= t)?.number ?? 0;
        const most = database.notes.findLast(({ start }) => start <= t)?.number ?? 0;
        const isWhole = found.verdict.join() === 'ok';
        if (isWhole && found.number >= least && found.number <= most) continue;
        total.problems.push(
          `${database.name}: ${found.verdict.join(', ')}; ${found.number} rows, wanted ${least} to ${most}`,
        );
      }
    }
    return total;
  } finally {
    fs.rmSync(dir, { recursive: true, force: true });
  }
}

export function timeOf(journal: readonly Entry[], seq: number): number {
  return journal[seq - 1]?.t ?? 0;
}

/** What returned by then must be there. */
function coveredUntil(session: SessionRun, t: number, slackNs: number): number {
  const synced = session.syncs
    .filter(({ end, error }) => end <= t && error === undefined)
    .reduce((latest, { start }) => Math.max(latest, start), 0);
  return Math.max(synced, t - SECOND_NS - slackNs);
}

function judgeFiles(
  { name, plan, notes }: FileClient,
  whole: Tree,
  { t, covered }: { t: number; covered: number },
): { problem: string | undefined; lost: number } {
  const least = countWhile(notes, ({ end }) => end <= covered);
  const returned = countWhile(notes, ({ end }) => end <= t);
  const most = countWhile(notes, ({ start }) => start <= t);
  const failed = notes.find((note: Note) => note.error !== undefined);
  if (failed !== undefined) return { problem: `${name}: a call failed: ${failed.error}`, lost: 0 };
  const prefix = `${name}/`;
  if (!whole.has(name)) {
    const problem = least === 0 ? undefined : `${name} is not there, wanted ${least} calls`;
    return { problem, lost: returned };
  }
  const tree: Tree = new Map();
  for (const [path, leaf] of whole) {
    if (path.startsWith(prefix)) tree.set(path.slice(prefix.length), leaf);
  }
  const digest = digestTree(tree);
  for (let count = most; count >= least; count--) {
    if (plan.digests[count] !== digest) continue;
    return { problem: undefined, lost: Math.max(0, returned - count) };
  }
  const begun = findBegun(plan, digest, { least, most });
  if (begun !== undefined) return { problem: undefined, lost: Math.max(0, returned - begun) };
  const any = plan.digests.indexOf(digest);
  const what = any === -1 ? 'no state that ever was' : `the state after ${any} calls`;
  const differs = findNearest(plan, tree, { least, most });
  const problem = `${name} has ${what}, wanted ${least} to ${most}\n${differs.join('\n')}`;
  return { problem, lost: 0 };
}

/**
 * The kernel may hand a write over in two pieces, cut between pages: the first may be there alone.
 *
 * @returns After how many calls, besides that piece.
 */
function findBegun(
  plan: Plan,
  digest: string,
  { least, most }: { least: number; most: number },
): number | undefined {
  for (let count = most - 1; count >= least; count--) {
    const step = plan.steps[count];
    if (step?.op !== 'write' && step?.op !== 'append') continue;
    const { length = 0 } = step;
    const tree = treeAfter(plan, count);
    const start = step.offset ?? tree.get(step.path)?.content.length ?? 0;
    const firstPage = PAGE_BYTES - (start % PAGE_BYTES);
    for (let part = firstPage; part < length; part += PAGE_BYTES) {
      // The tree is changed piece by piece: each is written over the one before it.
      const piece = { ...step, op: 'write', offset: start, length: part };
      applyStep(tree, piece);
      if (digestTree(tree) === digest) return count;
    }
  }
  return undefined;
}

/** In what a tree differs from the state of the plan that is most like it. */
function findNearest(
  plan: Plan,
  tree: Tree,
  { least, most }: { least: number; most: number },
): string[] {
  const present = describeTree(tree);
  let nearest: string[] | undefined;
  for (let count = Math.max(0, least - 200); count <= most; count++) {
    const wanted = describeTree(treeAfter(plan, count));
    const differs = [
      `compared with ${count} calls`,
      ...wanted.filter((line) => !present.includes(line)).map((line) => `- ${line}`),
      ...present.filter((line) => !wanted.includes(line)).map((line) => `+ ${line}`),
    ];
    if (nearest === undefined || differs.length < nearest.length) nearest = differs;
  }
  return (nearest ?? []).slice(0, 12);
}

/** How long after a call had returned its record was on disk, at worst, in nanoseconds. */
export function longestUnsynced(recording: Recording): number {
  let worst = 0;
  for (const { id, files, databases } of recording.sessions) {
    const inos = new Set<number>();
    const dirs = new Set<number>();
    const syncs: { began: number; t: number }[] = [];
    for (const entry of recording.journal) {
      // It is made under another name, and renamed once it is whole.
      if (entry.k === 'make' && entry.name === `${id}.making`) dirs.add(entry.ino);
      if (entry.k === 'make' && entry.name === 'log' && dirs.has(entry.dir)) inos.add(entry.ino);
      if (entry.k === 'make' && inos.has(entry.dir) && entry.name.endsWith('.seg')) {
        inos.add(entry.ino);
      }
      if (entry.k === 'sync' && inos.has(entry.ino)) syncs.push(entry);
    }
    const ends = [...files, ...databases].flatMap(({ notes }) => notes.map(({ end }) => end));
    for (const end of ends.toSorted((a, b) => a - b)) {
      while (syncs[0] !== undefined && syncs[0].began < end) syncs.shift();
      const sync = syncs[0];
      if (sync !== undefined) worst = Math.max(worst, sync.t - end);
    }
  }
  return worst;
}

/** One process of Python for all databases. */
export class DatabaseChecker {
  readonly #child: ChildProcess;
  readonly #lines: Interface;

  constructor() {
    const script = join(import.meta.dirname, 'transactions.py');
    this.#child = spawn('python3', [script, 'check'], { stdio: ['pipe', 'pipe', 'inherit'] });
    if (this.#child.stdout === null) throw new Error('no pipe');
    this.#lines = createInterface({ input: this.#child.stdout });
  }

  /** Takes a database, with its journals, out of a tree. */
  async check(
    tree: Tree,
    name: string,
    dir: string,
  ): Promise<{ verdict: string[]; number: number }> {
    fs.mkdirSync(dir, { recursive: true });
    let isThere = false;
    for (const [path, { content }] of tree) {
      // The index of a WAL is memory that processes share, and is made anew from the WAL.
      if (!path.startsWith(`${name}.db`) || path.endsWith('-shm')) continue;
      isThere = true;
      fs.writeFileSync(join(dir, path), content);
    }
    if (!isThere) return { verdict: ['ok'], number: 0 };
    const answer = new Promise<string>((resolve) => this.#lines.once('line', resolve));
    this.#child.stdin?.write(`${join(dir, `${name}.db`)}\n`);
    return JSON.parse(await answer) as { verdict: string[]; number: number };
  }

  end(): void {
    this.#child.stdin?.end();
    this.#lines.close();
  }
}
