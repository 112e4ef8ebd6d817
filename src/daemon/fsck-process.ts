/**
 * The process that checks or repairs a volume for the daemon: its options are the JSON in its first
 * argument, its report, or what kept it from one, is the JSON on its standard output.
 *
 * Rule: it dies with the daemon. The next one serves the volume, and a repair can be stopped anywhere.
 */

import { decodeTrusted } from '../control/json.ts';
import { encodeWireError } from '../control/wire-error.ts';
import { runFsck } from '../fsck/fsck.ts';
import { libc } from '../fuse/libc.ts';
import { keepHeapSmall } from '../shared/heap.ts';
import type { FsckRun } from './fsck-run.ts';

const SIGKILL = 9;

async function main(): Promise<void> {
  const run = decodeTrusted<FsckRun>(process.argv[2] ?? '{}');
  keepHeapSmall();
  dieWith(run.parent);
  let reply: object;
  try {
    reply = await runFsck(run);
  } catch (error) {
    reply = { error: encodeWireError(error) };
  }
  process.stdout.write(JSON.stringify(reply));
}

function dieWith(parent: number): void {
  libc().setParentDeathSignal(SIGKILL);
  // It may have died before that.
  if (process.ppid !== parent) process.exit(1);
}

await main();
