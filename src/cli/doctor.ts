/**
 * sessfs doctor: what this host has and lacks, and how to get what is missing.
 */

import type { Command } from 'commander';

import { EXIT_CODES } from '../shared/errors.ts';
import { printJson, printLine, withCommon } from './context.ts';
import type { CommonOptions } from './context.ts';
import { examineHost, listCapabilities } from './host-checks.ts';
import type { HostCheck } from './host-checks.ts';
import { formatTable } from './text.ts';

export function addDoctor(program: Command): void {
  const command = program
    .command('doctor')
    .description('Tell what is missing on this host, and how to get it');
  withCommon(command, 'sessfs doctor').action(run);
}

async function run(options: CommonOptions): Promise<void> {
  const checks = await examineHost();
  const capabilities = listCapabilities();
  const isFit = checks.every((check) => check.state !== 'missing');
  if (options.json === true) {
    printJson({ isFit, checks, capabilities });
  } else {
    printLine(formatTable(checks.map(formatCheck)));
    printLine(
      `\nWhat the drivers can do:\n${formatTable([['CAPABILITY', 'KERNEL', 'FUSE-NATIVE', 'NOTE'], ...capabilities])}`,
    );
    printLine(
      isFit ? '\nNothing that is needed is missing' : '\nSomething that is needed is missing',
    );
  }
  if (!isFit) process.exitCode = EXIT_CODES.FAILED;
}

const WORDS = { ok: 'ok', missing: 'MISSING', optional: 'optional' };

function formatCheck(check: HostCheck): string[] {
  const remedy = check.remedy === undefined ? '' : `: ${check.remedy}`;
  return [WORDS[check.state], check.name, `${check.detail}${remedy}`];
}
