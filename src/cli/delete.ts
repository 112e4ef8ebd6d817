/**
 * sessfs delete: removes a session and all its history. Nothing brings it back, so it asks.
 */

import { createInterface } from 'node:readline/promises';

import type { Command } from 'commander';

import { EXIT_CODES, SessfsError } from '../shared/errors.ts';
import { openClient, printJson, printLine, withCommon } from './context.ts';
import type { CommonOptions } from './context.ts';

/** As a shell says it of a command that Ctrl-C ended. */
const INTERRUPTED = 130;

export function addDelete(program: Command): void {
  const command = program
    .command('delete')
    .description('Delete a session with all its history, for good')
    .argument('<session>', 'id or name')
    .option('--yes', 'do not ask');
  withCommon(command, 'sessfs delete notes --yes').action(run);
}

async function run(name: string, options: CommonOptions & { yes?: boolean }): Promise<void> {
  const client = openClient(options);
  const session = await client.getSession(name);
  const title = `${session.id}${session.name === undefined ? '' : ` (${session.name})`}`;
  if (options.yes !== true) await ask(`Delete session ${title} and all its history? [y/N] `);
  const deleted = await client.deleteSession(session.id);
  if (options.json === true) printJson(deleted);
  else printLine(`Deleted session ${title}`);
}

async function ask(question: string): Promise<void> {
  if (!process.stdin.isTTY) {
    throw new SessfsError('USAGE', 'Cannot ask for a confirmation: standard input is no terminal', {
      hint: 'Say --yes to delete without being asked',
    });
  }
  const prompt = createInterface({ input: process.stdin, output: process.stderr });
  prompt.on('SIGINT', () => process.exit(INTERRUPTED));
  // Ctrl-D answers nothing, and would leave the question open for ever.
  prompt.on('close', () => (process.exitCode ??= EXIT_CODES.FAILED));
  const answer = await prompt.question(question);
  prompt.close();
  if (/^y(es)?$/i.test(answer.trim())) return;
  throw new SessfsError('FAILED', 'Not deleted: the answer was no');
}
