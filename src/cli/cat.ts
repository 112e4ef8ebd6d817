/**
 * sessfs cat: the content of a file at a version or a time, to standard output.
 */

import { pipeline } from 'node:stream/promises';

import type { Command } from 'commander';

import { printJson, withCommon } from './context.ts';
import type { CommonOptions } from './context.ts';
import { parseTarget } from './target.ts';

export function addCat(program: Command): void {
  const command = program
    .command('cat')
    .description('Print a file as it was at a version or a time')
    .argument('<path@version>', 'PATH@r42, PATH@~1, PATH@10m, PATH@2026-11-22T10:15Z; PATH is now');
  withCommon(command, 'sessfs cat notes.md@~1\nsessfs cat "notes.md@yesterday 17:00"').action(run);
}

async function run(path: string, options: CommonOptions): Promise<void> {
  const { client, session, ...where } = parseTarget(path, { ...options, withVersion: true });
  const { node, stream } = await client.content(session, where);
  if (options.json !== true) {
    await pipeline(stream, process.stdout, { end: false });
    return;
  }
  const parts: Buffer[] = [];
  const source: AsyncIterable<Buffer> = stream;
  for await (const part of source) parts.push(part);
  printJson({ ...node, contentBase64: Buffer.concat(parts).toString('base64') });
}
