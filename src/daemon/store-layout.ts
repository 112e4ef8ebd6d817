/**
 * Where everything lies below the store root.
 *
 * Rule: only the root and mnt can be entered by others (0711, nobody lists them), and that only in a
 * store of the system's root, whose sessions may belong to any uid; all the rest is 0700.
 */

import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  realpathSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';

import { SessfsError } from '../shared/errors.ts';

const SYSTEM_ROOT = '/var/lib/sessfs';

export interface StoreLayout {
  readonly root: string;
  readonly lockFile: string;
  readonly configFile: string;
  /** When the wall clock was last looked at. */
  readonly clockFile: string;
  readonly sessionsDir: string;
  readonly volumesDir: string;
  readonly runDir: string;
  readonly mountsDir: string;
  readonly controlSocket: string;
}

/** The store of a host or a user: --root, SESSFS_ROOT, or the default of who asks. */
export function findStoreRoot(
  option: string | undefined,
  env: NodeJS.ProcessEnv = process.env,
  uid: number = process.getuid?.() ?? 0,
): string {
  const chosen = option ?? env['SESSFS_ROOT'];
  if (chosen !== undefined && chosen !== '') return realPath(resolve(chosen));
  if (uid === 0) return SYSTEM_ROOT;
  const data = env['XDG_DATA_HOME'];
  return realPath(
    data !== undefined && data.startsWith('/')
      ? join(data, 'sessfs')
      : join(homedir(), '.local', 'share', 'sessfs'),
  );
}

/** As the table of mounts will name it: symlinks followed, as far as the path exists. */
function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    const parent = dirname(path);
    return parent === path ? path : join(realPath(parent), basename(path));
  }
}

export function storeLayout(root: string): StoreLayout {
  const runDir = join(root, 'run');
  return {
    root,
    lockFile: join(root, 'lock'),
    configFile: join(root, 'config.json'),
    clockFile: join(root, 'clock.json'),
    sessionsDir: join(root, 'sessions'),
    volumesDir: join(root, 'volumes'),
    runDir,
    mountsDir: join(root, 'mnt'),
    controlSocket: join(runDir, 'control.sock'),
  };
}

export function volumeSocket(layout: StoreLayout, id: string): string {
  return join(layout.runDir, `${id}.sock`);
}

export function volumeDir(layout: StoreLayout, id: string): string {
  return join(layout.volumesDir, id);
}

/** Makes what is missing and sets the modes again. */
export function prepareStore(layout: StoreLayout, uid: number = process.getuid?.() ?? 0): void {
  const enterable = uid === 0 ? 0o711 : 0o700;
  assertOwnDirectory(layout);
  try {
    for (const [dir, mode] of [
      [layout.root, enterable],
      [layout.mountsDir, enterable],
      [layout.sessionsDir, 0o700],
      [layout.volumesDir, 0o700],
      [layout.runDir, 0o700],
    ] as const) {
      const first = mkdirSync(dir, { recursive: true, mode });
      chmodSync(dir, mode);
      if (first !== undefined) syncParents(dir, first);
    }
  } catch (error) {
    throw new SessfsError(
      'FAILED',
      `Cannot prepare the store "${layout.root}": ${error instanceof Error ? error.message : String(error)}`,
      { hint: 'Choose another directory with --root or SESSFS_ROOT', cause: error },
    );
  }
}

/** Directories that were just made: what is synced in them must be found after a power cut. */
function syncParents(path: string, first: string): void {
  for (let dir = dirname(path); ; dir = dirname(dir)) {
    const fd = openSync(dir, 'r');
    try {
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    if (dir === dirname(first)) return;
  }
}

/** Before modes are changed and directories made: somebody's /tmp or home is not to become a store. */
function assertOwnDirectory({ root, sessionsDir, configFile }: StoreLayout): void {
  const entries = existsSync(root) ? readdirSync(root) : [];
  const foreign = entries.filter((name) => name !== basename(configFile));
  if (foreign.length === 0 || entries.includes(basename(sessionsDir))) return;
  throw new SessfsError(
    'STORE_FOREIGN',
    `Cannot make a store in "${root}": it has "${foreign[0] ?? ''}", and no sessions`,
    { hint: 'Choose an empty directory, or one that does not exist, with --root or SESSFS_ROOT' },
  );
}
