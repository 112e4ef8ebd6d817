/**
 * What the behaviour suite runs on: a plain directory, which proves the suite itself, and mounts.
 *
 * SESSFS_TARGETS=plain,kernel,fuse-native chooses; SESSFS_PLAIN_DIR says where plain directories are
 * made (a disk with a file system of its own kind, not tmpfs).
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { startDaemon } from '../harness/daemon.ts';

/** What a target can lack; a case that needs it names it. */
export type Capability =
  | 'callers uid'
  | 'rename flags'
  | 'fallocate'
  | 'seek hole'
  | 'tmpfile'
  | 'nanoseconds'
  | 'shared mmap'
  | 'append by many'
  | 'devices';

export interface Target {
  readonly name: string;
  readonly isSessfs: boolean;
  can(capability: Capability): boolean;
  open(): Promise<{ readonly dir: string; close(): Promise<void> }>;
}

const PLAIN_PARENT = process.env['SESSFS_PLAIN_DIR'] ?? '/var/tmp';

const plain: Target = {
  name: 'plain',
  isSessfs: false,
  can: () => true,
  open: async () => {
    const dir = await mkdtemp(join(PLAIN_PARENT, 'sessfs-behaviour-'));
    return { dir, close: () => rm(dir, { recursive: true, force: true }) };
  },
};

/** What libfuse 2.9 cannot do, or does without the caller's identity. */
const FUSE_NATIVE_GAPS: ReadonlySet<Capability> = new Set([
  'callers uid',
  'rename flags',
  'fallocate',
  'seek hole',
  'tmpfile',
  'devices',
] as const);

function mounted(driver: 'kernel' | 'fuse-native', gaps: ReadonlySet<Capability>): Target {
  return {
    name: driver,
    isSessfs: true,
    can: (capability) => !gaps.has(capability),
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
  mounted('kernel', new Set()),
  mounted('fuse-native', FUSE_NATIVE_GAPS),
];

/** The targets that the environment asks for; all of them by default. */
export const TARGETS: readonly Target[] = ALL.filter((target) => {
  const wanted = process.env['SESSFS_TARGETS'];
  return wanted === undefined || wanted.split(',').includes(target.name);
});
