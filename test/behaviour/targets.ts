/**
 * What the behaviour suite runs on: a plain directory, which proves the suite itself, and mounts.
 *
 * SESSFS_TARGETS=plain,kernel,fuse-native chooses; SESSFS_PLAIN_DIR says where plain directories are
 * made (a disk with a file system of its own kind, not tmpfs).
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { CAPABILITIES, supports } from '../../src/fuse/capabilities.ts';
import type { Driver } from '../../src/fuse/capabilities.ts';
import { startDaemon } from '../harness/daemon.ts';
import { canRun } from '../harness/needs.ts';

export interface Target {
  readonly name: string;
  readonly isSessfs: boolean;
  /** @param capability An id of the table in src/fuse/capabilities.ts. */
  can(capability: string): boolean;
  open(): Promise<{ readonly dir: string; close(): Promise<void> }>;
}

const PLAIN_PARENT = process.env['SESSFS_PLAIN_DIR'] ?? '/var/tmp';

const plain: Target = {
  name: 'plain',
  isSessfs: false,
  can: (capability) => assertKnown(capability),
  open: async () => {
    const dir = await mkdtemp(join(PLAIN_PARENT, 'sessfs-behaviour-'));
    return { dir, close: () => rm(dir, { recursive: true, force: true }) };
  },
};

function mounted(driver: Driver): Target {
  return {
    name: driver,
    isSessfs: true,
    can: (capability) => assertKnown(capability) && supports(driver, capability),
    open: async () => {
      const daemon = await startDaemon();
      try {
        // The suite has cases of several users, of devices and of suid programs.
        const privileges =
          process.getuid?.() === 0 ? { allowOther: true, dev: true, suid: true } : {};
        const { mount } = await daemon.createSession({ driver, ...privileges });
        return { dir: mount, close: () => daemon.stop() };
      } catch (error) {
        const log = daemon.log();
        await daemon.stop();
        throw new Error(`Cannot mount with ${driver}:\n${log}`, { cause: error });
      }
    },
  };
}

const ALL: readonly Target[] = [
  plain,
  mounted('kernel'),
  ...(canRun({ fuseNative: true }) ? [mounted('fuse-native')] : []),
];

/** A case that is gated on a word which is in no table would be skipped for ever. */
function assertKnown(id: string): true {
  if (CAPABILITIES.some((capability) => capability.id === id)) return true;
  throw new Error(`No such capability: ${id}`);
}

/** The targets that the environment asks for; all of them by default. */
export const TARGETS: readonly Target[] = ALL.filter((target) => {
  const wanted = process.env['SESSFS_TARGETS'];
  return wanted === undefined || wanted.split(',').includes(target.name);
});
