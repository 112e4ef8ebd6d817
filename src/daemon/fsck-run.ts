/**
 * fsck for a volume that the daemon serves: a process of its own, while the volume's server is stopped.
 */

import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

import type { Route } from '../control/http-server.ts';
import { decodeTrusted } from '../control/json.ts';
import type { SessionRecord } from '../control/protocol.ts';
import { findWireError } from '../control/wire-error.ts';
import type { FsckReport } from '../fsck/report.ts';
import { SessfsError } from '../shared/errors.ts';
import type { SessionCommands } from './session-commands.ts';
import { volumeDir } from './store-layout.ts';
import type { StoreLayout } from './store-layout.ts';

export interface FsckRun {
  /** The process with which the check ends. */
  readonly parent: number;
  readonly volumeDir: string;
  readonly volumeId: string;
  readonly session: string;
  readonly repair: boolean;
  readonly rebuildIndex: boolean;
}

/** What a caller who goes away has asked for is done all the same. */
export function fsckRoute(commands: SessionCommands, layout: StoreLayout): Route {
  return {
    on: 'POST /v1/sessions/:id/fsck',
    handle: async ({ params, body }) => ({
      json: await commands.maintain(
        params['id'] ?? '',
        (record) =>
          runFsckProcess(record, layout, {
            repair: body['repair'] === true,
            rebuildIndex: body['rebuildIndex'] === true,
          }),
        ({ status }) => body['repair'] === true && status === 'repaired',
      ),
    }),
  };
}

async function runFsckProcess(
  record: SessionRecord,
  layout: StoreLayout,
  options: { repair: boolean; rebuildIndex: boolean },
): Promise<FsckReport> {
  const run: FsckRun = {
    parent: process.pid,
    volumeDir: volumeDir(layout, record.id),
    volumeId: record.volumeId,
    session: record.id,
    ...options,
  };
  const script = fileURLToPath(new URL('fsck-process.js', import.meta.url));
  const child = spawn(process.execPath, [script, JSON.stringify(run)], {
    stdio: ['ignore', 'pipe', 'inherit'],
    cwd: '/',
  });
  const parts: Buffer[] = [];
  child.stdout.on('data', (part: Buffer) => parts.push(part));
  const how = await new Promise<string | undefined>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (code, signal) => {
      resolve(code === 0 ? undefined : `it ended with ${signal ?? `code ${code}`}`);
    });
  });
  if (how !== undefined) {
    throw new SessfsError('FAILED', `Cannot check session ${record.id}: ${how}`, {
      hint: 'The log of the daemon may tell more; a repair that was stopped is done by the next one',
    });
  }
  const text = Buffer.concat(parts).toString('utf8');
  const failure = findWireError(decodeTrusted<unknown>(text));
  if (failure !== undefined) throw failure;
  return decodeTrusted<FsckReport>(text);
}
