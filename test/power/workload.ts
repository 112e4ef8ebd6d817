/**
 * Clients at work in two sessions of a daemon whose store is on a recording disk; what they were told.
 *
 * One session syncs often and has databases; in the other hardly anybody syncs, and only the second
 * counts.
 */

import { spawn } from 'node:child_process';
import fs from 'node:fs';
import { join } from 'node:path';

import { startDaemon } from '../harness/daemon.ts';
import type { TestSession } from '../harness/daemon.ts';
import type { Entry } from './journal.ts';
import { makePlan } from './plan.ts';
import type { Plan } from './plan.ts';
import { slowSync } from './recording-mount.ts';
import type { RecordingMount } from './recording-mount.ts';

/** A call that returned. */
export interface Note {
  readonly start: number;
  readonly end: number;
  readonly error?: string;
  /** Of a client of a database: the last row that was committed. */
  readonly number?: number;
}

export interface FileClient {
  readonly name: string;
  readonly plan: Plan;
  readonly notes: readonly Note[];
}

export interface DatabaseClient {
  readonly name: string;
  readonly notes: readonly Note[];
}

export interface SessionRun {
  readonly id: string;
  readonly volumeId: string;
  readonly files: readonly FileClient[];
  readonly databases: readonly DatabaseClient[];
  /** Calls that return when everything before them in the session is on disk. */
  readonly syncs: readonly Note[];
}

export interface Recording {
  /** Of the store. */
  readonly root: string;
  readonly journal: readonly Entry[];
  readonly sessions: readonly SessionRun[];
  /** The last entry before the sessions were ready, and before the daemon was told to stop. */
  readonly from: number;
  readonly to: number;
}

const SLACK_SECONDS = 30;
const DATABASES = ['WAL', 'DELETE', 'PERSIST'];

/** @param base Where plans and notes are kept, away from the disk. */
export async function recordWork(
  disk: RecordingMount,
  base: string,
  options: { readonly seconds: number; readonly seed: number },
): Promise<Recording> {
  const root = join(disk.mountPoint, 'store');
  const daemon = await startDaemon({ root, env: slowSync(1, 60) });
  try {
    const often = await daemon.createSession();
    const seldom = await daemon.createSession();
    const from = disk.journal().at(-1)?.seq ?? 0;
    const started = [
      start(often, { ...options, base, syncEvery: 12, clients: 2, databases: DATABASES }),
      start(seldom, { ...options, base, syncEvery: 0, clients: 2, databases: [] }),
    ];
    const sessions = await Promise.all(started.map((session) => session.done));
    const journal = disk.journal();
    return { root, journal, sessions, from, to: journal.at(-1)?.seq ?? 0 };
  } finally {
    await daemon.stop();
  }
}

interface StartOptions {
  readonly base: string;
  readonly seconds: number;
  readonly seed: number;
  readonly syncEvery: number;
  readonly clients: number;
  readonly databases: readonly string[];
}

function start(session: TestSession, options: StartOptions): { done: Promise<SessionRun> } {
  const { base, seconds, seed } = options;
  const notesOf = (name: string): string => join(base, `${session.id}-${name}.notes`);
  const clients = Array.from({ length: options.clients }, (_, index) => {
    const plan = makePlan({
      seed: seed * 100 + index + options.syncEvery * 10,
      steps: 400 * seconds,
      syncEvery: options.syncEvery,
      pauseMs: 40,
    });
    return { name: `client${index}`, plan };
  });
  const running = clients.map(async ({ name, plan }) => {
    const planFile = join(base, `${session.id}-${name}.plan`);
    fs.writeFileSync(planFile, JSON.stringify(plan.steps));
    const script = join(import.meta.dirname, 'worker.mjs');
    const dir = join(session.mount, name);
    const command = `mkdir "$1" && exec "$2" "$3" "$1" "$4" "$5" "$6"`;
    const args = [dir, process.execPath, script, planFile, notesOf(name), String(seconds)];
    await runClient('/bin/sh', ['-ec', command, 'sh', ...args], seconds);
  });
  for (const [index, mode] of options.databases.entries()) {
    const script = join(import.meta.dirname, 'transactions.py');
    const path = join(session.mount, `${mode}.db`);
    const args = [script, 'work', path, mode, notesOf(mode), String(seconds), String(seed + index)];
    running.push(runClient('python3', args, seconds));
  }
  const done = Promise.all(running).then((): SessionRun => {
    const files = clients.map(({ name, plan }) => ({
      name,
      plan,
      notes: readNotes(notesOf(name)),
    }));
    const databases = options.databases.map((name) => ({ name, notes: readNotes(notesOf(name)) }));
    const syncs = [
      ...files.flatMap(({ plan, notes }) =>
        notes.filter((_, index) => /^f(?:data)?sync$/.test(plan.steps[index]?.op ?? '')),
      ),
      ...databases.flatMap(({ notes }) => notes),
    ];
    return { id: session.id, volumeId: session.info.volumeId, files, databases, syncs };
  });
  return { done };
}

/** Fails if the client does; kills it if it takes much longer than it was told to. */
function runClient(command: string, args: readonly string[], seconds: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'inherit', 'pipe'] });
    let told = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (told += text));
    const late = setTimeout(
      () => {
        child.kill('SIGKILL');
        reject(new Error(`A client did not end: ${args.join(' ')}`));
      },
      (seconds + SLACK_SECONDS) * 1000,
    );
    child.once('exit', (code) => {
      clearTimeout(late);
      if (code === 0) resolve();
      else reject(new Error(`A client ended with ${code}: ${told}`));
    });
  });
}

function readNotes(file: string): Note[] {
  const lines = fs.readFileSync(file, 'utf8').split('\n').filter(Boolean);
  return lines.map((line) => JSON.parse(line) as Note);
}
