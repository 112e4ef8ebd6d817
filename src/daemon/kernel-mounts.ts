/**
 * MountPort on the real kernel.
 *
 * Rule: umount2(2) runs on a thread of the pool: it waits for the volume server to take what is dirty,
 * and the event loop must be free to start another one meanwhile.
 */

import {
  isAtOrBelow,
  listMountsBelow,
  parseSessionMount,
  readMountTable,
  sourceOf,
} from '../control/session-mounts.ts';
import type { SessionRecord } from '../control/protocol.ts';
import { abortConnection } from '../fuse/mount-table.ts';
import { mountFuse, unmount } from '../fuse/mount.ts';
import { SessfsError } from '../shared/errors.ts';
import { nameFromText, nameToText } from '../shared/names.ts';
import type { MountPort } from './mount-port.ts';

/** How long umount(2) may wait for the volume server, in milliseconds; a lazy one follows. */
const UNMOUNT_TIMEOUT_MS = 20_000;

export class KernelMounts implements MountPort {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  async mount(record: SessionRecord): Promise<number> {
    const { mountPoint, id, uid, gid, options } = record;
    // Before anything looks at it: a stat of a mount that hangs would never return.
    if (this.isMounted(mountPoint)) {
      throw new SessfsError(
        'MOUNT_POINT',
        `Cannot mount at "${mountPoint}": it is a mount already`,
        {
          hint: `Unmount that first: umount ${mountPoint}`,
        },
      );
    }
    return mountFuse({
      mountPoint,
      fsName: sourceOf(id, this.#root),
      owner: { uid, gid },
      allowOther: options.allowOther,
      dev: options.dev,
      suid: options.suid,
    });
  }

  async unmount(mountPoint: string, options: { lazy: boolean }): Promise<void> {
    await withDeadline(unmount(mountPoint, options), mountPoint);
  }

  listMounts(dir: string): string[] {
    return listMountsBelow(nameFromText(dir), readMountTable())
      .filter((entry) => parseSessionMount(entry) !== undefined)
      .map((entry) => nameToText(entry.mountPoint));
  }

  isMounted(mountPoint: string): boolean {
    return listMountsBelow(nameFromText(mountPoint), readMountTable()).some(
      (entry) => entry.mountPoint === nameFromText(mountPoint),
    );
  }

  isMountOf(record: SessionRecord): boolean {
    const source = sourceOf(record.id, this.#root);
    const mountPoint = nameFromText(record.mountPoint);
    return readMountTable().some(
      (entry) => entry.mountPoint === mountPoint && entry.source === source,
    );
  }

  findMountAbove(path: string): string | undefined {
    const bytes = nameFromText(path);
    const above = readMountTable().find(
      (entry) => parseSessionMount(entry) !== undefined && isAtOrBelow(bytes, entry.mountPoint),
    );
    return above && nameToText(above.mountPoint);
  }

  abort(mountPoint: string): void {
    abortConnection(mountPoint);
  }
}

async function withDeadline(work: Promise<void>, mountPoint: string): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(
        new SessfsError(
          'FAILED',
          `Cannot unmount "${mountPoint}": not done in ${UNMOUNT_TIMEOUT_MS} ms`,
        ),
      );
    }, UNMOUNT_TIMEOUT_MS);
  });
  try {
    await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
