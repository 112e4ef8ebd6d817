/**
 * Extended attributes of live files: those that users set, and the virtual ones of sessfs.
 *
 * `user.sessfs.*` is answered but not listed: what copies attributes would try to set it elsewhere.
 */

import type { VolumeHistory } from '../history/volume-history.ts';
import type { Ino } from '../shared/brands.ts';
import { Errno } from '../shared/errno.ts';
import { FsError } from '../shared/errors.ts';
import { isRegular } from '../shared/mode.ts';
import type { InodeRecord } from '../index/records.ts';
import { getInode } from '../volume/names.ts';
import type { Volume } from '../volume/volume.ts';
import { lineageOf } from './versions-past.ts';
import { findHash } from './versions-xattrs.ts';

const OWN_PREFIX = 'user.sessfs.';
/** Mode bits say all that there is: no access control lists. */
const ACL_PREFIX = 'system.';

export class LiveXattrs {
  readonly #volume: Volume;
  readonly #history: VolumeHistory;

  constructor(volume: Volume, history: VolumeHistory) {
    this.#volume = volume;
    this.#history = history;
  }

  /** @throws {FsError} EOPNOTSUPP For a name that cannot be set. */
  checkWritable(name: string): void {
    if (name.startsWith(ACL_PREFIX) || name.startsWith(OWN_PREFIX)) {
      throw new FsError(Errno.EOPNOTSUPP);
    }
  }

  /** @throws {FsError} EOPNOTSUPP For access control lists. */
  find(ino: Ino, name: string): Uint8Array | undefined | Promise<Uint8Array | undefined> {
    const inode = getInode(this.#volume, ino);
    if (name.startsWith(ACL_PREFIX)) throw new FsError(Errno.EOPNOTSUPP);
    if (!name.startsWith(OWN_PREFIX)) return inode.xattrs?.get(name);
    return this.#findOwn(inode, name.slice(OWN_PREFIX.length));
  }

  async #findOwn(inode: InodeRecord, name: string): Promise<Uint8Array | undefined> {
    switch (name) {
      case 'revision':
        return this.#findRevision(inode);
      case 'tier':
        return Buffer.from('standard');
      case 'hash': {
        if (!isRegular(inode.mode)) return undefined;
        const hash = await findHash(this.#history, inode.ino, this.#volume.state.revision);
        return hash === undefined ? undefined : Buffer.from(hash);
      }
      case 'lineage': {
        const parent = await this.#history.findLineage(inode.parent);
        const found = await this.#history.findFileHistory(parent, inode.name);
        return found === undefined ? undefined : Buffer.from(lineageOf(found));
      }
      default:
        return undefined;
    }
  }

  /** Of the newest version of what the file is now. */
  async #findRevision({ ino, parent, name }: InodeRecord): Promise<Uint8Array | undefined> {
    const lineage = await this.#history.findLineage(parent);
    const found = await this.#history.findFileHistory(lineage, name);
    const newest = found?.versions.findLast((version) => version.ino === ino);
    return newest === undefined ? undefined : Buffer.from(String(newest.revision));
  }
}
