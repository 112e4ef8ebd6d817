/**
 * All commands together.
 */

import { Command } from 'commander';

import { readVersion } from '../daemon/daemon.ts';
import { addDaemon } from './daemon.ts';

export function makeProgram(): Command {
  const program = new Command('sessfs')
    .description('A file system that keeps every version of every file of a session')
    .version(readVersion())
    .showHelpAfterError('(see --help)');
  // Set before the commands are added: they inherit it.
  program.exitOverride();
  addDaemon(program);
  return program;
}
