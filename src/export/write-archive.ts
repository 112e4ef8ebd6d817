/**
 * An archive on its way to a file: complete, or not there at all.
 *
 * It is written beside its place and renamed at the end; on failure or an interrupt the part is removed.
 */

import { createWriteStream, rmSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';

const INTERRUPTED = 130;

export interface WriteArchiveOptions {
  readonly source: Readable;
  /** "-" is standard output. */
  readonly output: string;
  readonly isGzip: boolean;
  /** Called with the bytes of the archive so far, before compression. */
  readonly onBytes: (total: number) => void;
}

export interface WrittenArchive {
  readonly archiveBytes: number;
  readonly fileBytes: number;
}

export async function writeArchive(options: WriteArchiveOptions): Promise<WrittenArchive> {
  const { source, output, isGzip } = options;
  let archiveBytes = 0;
  const count = new Transform({
    transform: (part: Buffer, _encoding, done) => {
      archiveBytes += part.length;
      options.onBytes(archiveBytes);
      done(undefined, part);
    },
  });
  if (output === '-') {
    await pipeline(source, count, process.stdout, { end: false });
    return { archiveBytes, fileBytes: archiveBytes };
  }
  const partial = `${output}.partial`;
  const onInterrupt = (): void => {
    rmSync(partial, { force: true });
    process.exit(INTERRUPTED);
  };
  process.once('SIGINT', onInterrupt).once('SIGTERM', onInterrupt);
  try {
    const file = createWriteStream(partial, { mode: 0o600 });
    // zlib writes no time into the header by itself: the same archive gives the same bytes.
    await (isGzip ? pipeline(source, count, createGzip(), file) : pipeline(source, count, file));
    await syncFile(partial);
    await rename(partial, output);
    return { archiveBytes, fileBytes: file.bytesWritten };
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  } finally {
    process.off('SIGINT', onInterrupt).off('SIGTERM', onInterrupt);
  }
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
