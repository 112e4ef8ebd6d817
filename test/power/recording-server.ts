/**
 * The process that mounts and serves a recording disk.
 *
 * Speaks JSON lines: prints {"mounted": true}; takes a Behaviour a line, which replaces the one before,
 * and answers {"behaves": true}. Ends when its input does.
 */

import { createInterface } from 'node:readline';

import { Connection } from '../../src/fuse/connection.ts';
import { mountFuse, unmount } from '../../src/fuse/mount.ts';
import { JournalWriter } from './journal.ts';
import { RecordingDisk } from './recording-disk.ts';
import type { Behaviour } from './recording-disk.ts';

const say = (value: unknown): void => void process.stdout.write(`${JSON.stringify(value)}\n`);

async function main(options: { mountPoint: string; journalDir: string }): Promise<void> {
  const { mountPoint } = options;
  const disk = new RecordingDisk(new JournalWriter(options.journalDir));
  const fd = await mountFuse({
    mountPoint,
    fsName: 'recording',
    subtype: 'disk',
    allowOther: true,
  });
  const logger = {
    warn: (fields: object, message: string): void => say({ warn: message, ...fields }),
    error: (fields: object, message: string): void => say({ error: message, ...fields }),
  };
  const connection = new Connection({ fd, fileSystem: disk, logger, spinMs: 0 });
  void connection.run().then(() => process.exit(0));
  say({ mounted: true });
  const lines = createInterface({ input: process.stdin });
  lines.on('line', (line) => {
    disk.behaviour = JSON.parse(line) as Behaviour;
    say({ behaves: true });
  });
  lines.on('close', () => void unmount(mountPoint, { lazy: true }).catch(say));
}

await main(JSON.parse(process.argv[2] ?? '{}') as { mountPoint: string; journalDir: string });
