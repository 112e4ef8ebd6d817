/**
 * Runs a command in place of this one: with its standard streams, its directory, and the signals it gets.
 */

import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';

import { SessfsError } from '../shared/errors.ts';

/** What a shell exits with if a command is there but cannot be run, and if there is none. */
const CANNOT_RUN = 126;
const NOT_FOUND = 127;
/** A shell adds the signal that ended a command to this. */
const SIGNALLED = 128;

const FORWARDED = ['SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGINT', 'SIGQUIT'] as const;
/** What the keyboard sends goes to every process in the foreground, the command among them. */
const OF_KEYBOARD: ReadonlySet<NodeJS.Signals> = new Set(['SIGINT', 'SIGQUIT']);

export type GuardedEnd =
  | { readonly kind: 'ended'; readonly exitCode: number }
  | { readonly kind: 'not-started'; readonly exitCode: number; readonly error: SessfsError };

export function runGuarded([program = '', ...args]: readonly string[]): Promise<GuardedEnd> {
  return new Promise((resolve) => {
    const child = spawn(program, args, { stdio: 'inherit' });
    const forward = (signal: NodeJS.Signals): void => {
      // Twice the same would mean "at once" to many programs.
      if (OF_KEYBOARD.has(signal) && isInForeground()) return;
      child.kill(signal);
    };
    // They stay when it has ended: this process still has to say what the command did.
    for (const signal of FORWARDED) process.on(signal, forward);
    child.once('error', (error: NodeJS.ErrnoException) => {
      if (child.pid === undefined) resolve(notStarted(program, error));
    });
    child.once('exit', (code, signal) => {
      resolve({ kind: 'ended', exitCode: code ?? SIGNALLED + signalNumber(signal) });
    });
  });
}

const signalNumber = (signal: NodeJS.Signals | null): number =>
  signal === null ? 0 : constants.signals[signal];

function notStarted(program: string, cause: NodeJS.ErrnoException): GuardedEnd {
  const isMissing = cause.code === 'ENOENT';
  const reason = isMissing
    ? 'there is no such command'
    : cause.code === 'EACCES'
      ? 'it is not executable'
      : cause.message;
  const error = new SessfsError('FAILED', `Cannot run "${program}": ${reason}`, {
    hint: isMissing
      ? 'Give a program of PATH or a path to one; for what a shell knows: sessfs guard -- sh -c "…"'
      : 'Look at its permissions; nothing was changed',
    cause,
  });
  return { kind: 'not-started', exitCode: isMissing ? NOT_FOUND : CANNOT_RUN, error };
}

/** Whether the keyboard's signals reach this process's group. Source: proc(5), pgrp and tpgid of stat. */
function isInForeground(): boolean {
  const stat = readFileSync('/proc/self/stat', 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[2] === fields[5];
}
