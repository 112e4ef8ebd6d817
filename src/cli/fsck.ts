/**
 * sessfs fsck: checks a session's volume, and puts it right if asked.
 *
 * A check reads the log beside the server that may be writing to it, and gets the index from there. A
 * repair needs the volume alone: the daemon sees to that. Without a daemon this process takes the store.
 */

import type { Command } from 'commander';

import type { ControlClient } from '../control/client.ts';
import { Registry } from '../daemon/registry.ts';
import { findStoreRoot, storeLayout, volumeDir } from '../daemon/store-layout.ts';
import type { StoreLayout } from '../daemon/store-layout.ts';
import { StoreLock } from '../daemon/store-lock.ts';
import { decodeEntries } from '../fsck/entry-stream.ts';
import { runFsck } from '../fsck/fsck.ts';
import { keepHeapSmall } from '../shared/heap.ts';
import type { FsckReport, Progress } from '../fsck/report.ts';
import { EXIT_CODES, SessfsError } from '../shared/errors.ts';
import { openClient, printJson, printLine, withCommon } from './context.ts';
import type { CommonOptions } from './context.ts';
import { formatReport } from './fsck-text.ts';

/** How often the line with the progress is written, in milliseconds. */
const PROGRESS_MS = 200;
/** A daemon that is well answers at once, in milliseconds. */
const ASK_TIMEOUT_MS = 10_000;
const TERMINATED = 143;

interface FsckCommandOptions extends CommonOptions {
  readonly repair?: boolean;
  readonly rebuildIndex?: boolean;
}

export function addFsck(program: Command): void {
  const command = program
    .command('fsck')
    .description('Check the volume of a session: its log, its index, every byte of content')
    .argument('<session>', 'id or name')
    .option('--rebuild-index', 'make the index anew from the log')
    .option('--repair', 'put damaged segments aside and keep everything that can be read');
  withCommon(command, 'sessfs fsck notes\nsessfs fsck notes --repair').action(run);
}

async function run(name: string, options: FsckCommandOptions): Promise<void> {
  keepHeapSmall();
  // What a check has written aside goes when this process does.
  process.once('SIGTERM', () => process.exit(TERMINATED));
  const progress = startProgress();
  let report: FsckReport;
  try {
    report = await check(name, options, progress.show);
  } finally {
    progress.end();
  }
  if (options.json === true) printJson(report);
  else printLine(formatReport(report, name));
  if (report.status === 'damaged') process.exitCode = EXIT_CODES.DAMAGE_FOUND;
  if (report.status === 'repaired') process.exitCode = EXIT_CODES.DAMAGE_REPAIRED;
}

async function check(
  name: string,
  options: FsckCommandOptions,
  onProgress: Progress,
): Promise<FsckReport> {
  const layout = storeLayout(findStoreRoot(options.root));
  const client = openClient(options);
  const { repair = false, rebuildIndex = false } = options;
  const wanted = { repair, rebuildIndex };
  const session = await client.status(ASK_TIMEOUT_MS).then(
    () => client.getSession(name),
    (error: unknown) => {
      if (error instanceof SessfsError && error.code === 'DAEMON_UNREACHABLE') return undefined;
      throw error;
    },
  );
  if (session === undefined) return checkAlone(name, layout, wanted, onProgress);
  if (repair || rebuildIndex) return client.fsck(session.id, wanted);
  return checkServed(client, layout, session, onProgress);
}

/** Beside the server; one that cannot open the volume leaves it to a check alone. */
async function checkServed(
  client: ControlClient,
  layout: StoreLayout,
  { id, volumeId }: { readonly id: string; readonly volumeId: string },
  onProgress: Progress,
): Promise<FsckReport> {
  let stream: AsyncIterable<Buffer>;
  try {
    stream = await client.index(id);
  } catch (error) {
    if (!(error instanceof SessfsError) || !canBeChecked(error)) throw error;
    return client.fsck(id, { repair: false, rebuildIndex: false });
  }
  const entries = decodeEntries(stream);
  return runFsck({ volumeDir: volumeDir(layout, id), volumeId, session: id, entries, onProgress });
}

/** What keeps a server from serving is what is to be checked. */
const canBeChecked = ({ code }: SessfsError): boolean =>
  ['LOG_CORRUPT', 'INDEX_CORRUPT', 'STORE_FOREIGN', 'SESSION_STATE', 'FAILED'].includes(code);

async function checkAlone(
  name: string,
  layout: StoreLayout,
  wanted: { repair: boolean; rebuildIndex: boolean },
  onProgress: Progress,
): Promise<FsckReport> {
  const lock = StoreLock.acquire(layout);
  try {
    const record = Registry.open(layout.sessionsDir).find(name);
    if (record === undefined) {
      throw new SessfsError(
        'SESSION_UNKNOWN',
        `Cannot find session "${name}": the store "${layout.root}" has no such id or name`,
      );
    }
    const { id, volumeId } = record;
    return await runFsck({
      volumeDir: volumeDir(layout, id),
      volumeId,
      session: id,
      onProgress,
      ...wanted,
    });
  } finally {
    lock.release();
  }
}

function startProgress(): { show: Progress; end: () => void } {
  let shownAt = 0;
  return {
    show: (step, done, total) => {
      if (!process.stderr.isTTY || performance.now() - shownAt < PROGRESS_MS) return;
      shownAt = performance.now();
      const how = total > 0 ? ` ${Math.floor((100 * done) / total)} %` : done > 0 ? ` ${done}` : '';
      process.stderr.write(`\r\u001B[KChecking: ${step}${how}`);
    },
    end: () => {
      if (shownAt > 0) process.stderr.write('\r\u001B[K');
    },
  };
}
