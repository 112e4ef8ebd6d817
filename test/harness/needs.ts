/**
 * What a test needs of the host beside Node, git and /dev/fuse. Where CI is set it is there, or the test
 * fails; elsewhere a test that cannot run is skipped.
 */

import { accessSync, constants } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

export interface Needs {
  readonly root?: true;
  /** The optional module, with its libfuse. */
  readonly fuseNative?: true;
  /** Commands of the PATH. */
  readonly tools?: readonly string[];
}

export function canRun(needs: Needs): boolean {
  if ((process.env['CI'] ?? '') !== '') return true;
  if (needs.root === true && process.geteuid?.() !== 0) return false;
  if (needs.fuseNative === true && !hasFuseNative()) return false;
  return (needs.tools ?? []).every(isTool);
}

function hasFuseNative(): boolean {
  try {
    createRequire(import.meta.url)('fuse-native');
    return true;
  } catch {
    return false;
  }
}

function isTool(name: string): boolean {
  const dirs = (process.env['PATH'] ?? '').split(':');
  return dirs.some((dir) => {
    try {
      accessSync(join(dir, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
