/**
 * The index of a volume that is being served, for a checker in another process.
 *
 * Rule: one snapshot, at one revision, sent as fast as it is read and no faster: the thread that sends it
 * also serves the kernel.
 */

import { Readable } from 'node:stream';

import type { Route } from '../control/http-server.ts';
import { encodeEntries } from '../fsck/entry-stream.ts';
import type { VolumeControl } from '../volume/store.ts';

export function volumeIndexRoute(volume: VolumeControl): Route {
  return {
    on: 'GET /v1/index',
    handle: async () => ({
      stream: Readable.from(encodeEntries(await volume.dumpIndex()), { objectMode: false }),
    }),
  };
}
