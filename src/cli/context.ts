/**
 * What every command has: the store it talks to, and how it prints.
 */

import type { Command } from 'commander';

import { ControlClient } from '../control/client.ts';
import { findStoreRoot, storeLayout } from '../daemon/store-layout.ts';

export interface CommonOptions {
  readonly root?: string;
  readonly json?: boolean;
}

/** Adds the options that each command has, and an example to its help. */
export function withCommon(command: Command, example: string): Command {
  return command
    .option('--root <dir>', 'the store (default: SESSFS_ROOT, or the one of this user)')
    .option('--json', 'print JSON')
    .addHelpText('after', `\nExample:\n${example.replaceAll(/^/gm, '  ')}`);
}

export function openClient(options: CommonOptions): ControlClient {
  return new ControlClient(storeLayout(findStoreRoot(options.root)).controlSocket);
}

export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, undefined, 2)}\n`);
}

export function printLine(line: string): void {
  process.stdout.write(`${line}\n`);
}
