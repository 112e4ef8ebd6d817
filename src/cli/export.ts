/**
 * sessfs export: a session or a path at one revision, as a tar archive.
 */

import type { Command } from 'commander';

import { writeArchive } from '../export/write-archive.ts';
import { SessfsError } from '../shared/errors.ts';
import { printJson, withCommon } from './context.ts';
import type { CommonOptions } from './context.ts';
import { findTarget } from './session-target.ts';
import { formatSize } from './text.ts';

/** How often the line with the progress is written, in milliseconds. */
const PROGRESS_MS = 200;

interface ExportOptions extends CommonOptions {
  readonly at?: string;
  readonly output: string;
}

export function addExport(program: Command): void {
  const command = program
    .command('export')
    .description(
      'Write a session, a directory or a file, as it was at one moment, to a tar archive',
    )
    .argument('<session|path>', 'a session, a path on a mount, or SESSION:path')
    .option('--at <version|time>', 'r42, 10m, 2026-11-22T10:15Z (default: now)')
    .requiredOption(
      '-o, --output <file>',
      'FILE.tar or FILE.tar.gz; - is a tar to standard output',
    );
  withCommon(
    command,
    'sessfs export notes -o notes.tar.gz\nsessfs export notes:src --at "yesterday 17:00" -o src.tar',
  ).action(run);
}

async function run(what: string, options: ExportOptions): Promise<void> {
  const { output, at } = options;
  const isGzip = /\.(tar\.gz|tgz)$/.test(output);
  if (!isGzip && output !== '-' && !output.endsWith('.tar')) {
    throw new SessfsError(
      'USAGE',
      `Cannot export to "${output}": want a name that ends in .tar or .tar.gz`,
    );
  }
  const target = await findTarget(what, options);
  const { info, stream } = await target.client.export(target.session, { path: target.path, at });
  const progress = startProgress(output);
  try {
    const written = await writeArchive({
      source: stream,
      output,
      isGzip,
      onBytes: progress.onBytes,
    });
    progress.end();
    if (options.json === true && output !== '-') printJson({ ...info, output, ...written });
    else {
      process.stderr.write(
        `Exported ${info.text} at r${info.revision} to ${output}: ${formatSize(written.fileBytes)}\n`,
      );
    }
  } finally {
    progress.end();
  }
}

function startProgress(output: string): { onBytes: (total: number) => void; end: () => void } {
  const isShown = process.stderr.isTTY && output !== '-';
  let shownAt = 0;
  return {
    onBytes: (total) => {
      if (!isShown || performance.now() - shownAt < PROGRESS_MS) return;
      shownAt = performance.now();
      process.stderr.write(`\r\u001B[KExporting: ${formatSize(total)}`);
    },
    end: () => {
      if (isShown && shownAt > 0) process.stderr.write('\r\u001B[K');
      shownAt = 0;
    },
  };
}
