/**
 * Extended attributes of live files: those that users set, and the virtual ones of sessfs.
 *
 * `user.sessfs.*` is answered but not listed: what copies attributes would try to set it elsewhere.
 */

import type { VolumeHistory } from '../history/volume-history.ts';
import { ROOT_INO } from '../shared/brands.ts';
import type { Ino } from '../shared/brands.ts';
import { TIERS } from '../policy/tier.ts';
import { Errno } from '../shared/errno.ts';
import { FsError } from '../shared/errors.ts';
import { isRegular } from '../shared/mode.ts';
import type { InodeRecord } from '../index/records.ts';
import { removeXattr, setXattr } from '../volume/attributes.ts';
import { getInode } from '../volume/names.ts';
import { tierNumber } from '../volume/promiser.ts';
import type { Caller } from '../volume/store.ts';
import type { Volume } from '../volume/volume.ts';
import { lineageOf } from './versions-past.ts';
import { findHash } from './versions-xattrs.ts';

const OWN_PREFIX = 'user.sessfs.';
/** The one of ours that can be set. */
const TIER = 'user.sessfs.tier';
/** Mode bits say all that there is: no access control lists. */
const ACL_PREFIX = 'system.';

const isReserved = (name: string): boolean =>
  name.startsWith(ACL_PREFIX) || name.startsWith(OWN_PREFIX);

export class LiveXattrs {
  readonly #volume: Volume;
  readonly #history: VolumeHistory;

  constructor(volume: Volume, history: VolumeHistory) {
    this.#volume = volume;
    this.#history = history;
  }

  /**
   * Sets what a user may set; the tier is an event of its own.
   *
   * @throws {FsError} EOPNOTSUPP For a name that cannot be set; EINVAL For no tier; ENODATA, EEXIST
   */
  set(
    caller: Caller,
    ino: Ino,
    xattr: { readonly name: string; readonly value: Uint8Array; readonly flags: number },
  ): void {
    if (xattr.name === TIER) this.#setTier(caller, ino, Buffer.from(xattr.value).toString());
    else if (isReserved(xattr.name)) throw new FsError(Errno.EOPNOTSUPP);
    else setXattr(this.#volume, caller, ino, xattr);
  }

  /** @throws {FsError} EOPNOTSUPP, ENODATA */
  remove(caller: Caller, ino: Ino, name: string): void {
    if (name === TIER) this.#setTier(caller, ino, undefined);
    else if (isReserved(name)) throw new FsError(Errno.EOPNOTSUPP);
    else removeXattr(this.#volume, caller, ino, name);
  }

  #setTier(caller: Caller, ino: Ino, text: string | undefined): void {
    const inode = getInode(this.#volume, ino);
    const tier = text === undefined ? undefined : TIERS.find((known) => known === text.trim());
    if (text !== undefined && tier === undefined) throw new FsError(Errno.EINVAL, 'no such tier');
    if (ino === ROOT_INO) {
      if (tier === undefined) throw new FsError(Errno.EOPNOTSUPP, 'a session has a tier');
      const policy = this.#volume.promiser.currentText;
      const sessionTier = tierNumber(tier);
      // What held is kept for ever: a script that says it each time must not add to that.
      if (this.#volume.state.promises.policy?.sessionTier === sessionTier) return;
      this.#volume.commit({ kind: 'policy', sessionTier, text: policy }, caller);
      return;
    }
    if (tier === undefined && inode.tier === 0) throw new FsError(Errno.ENODATA);
    if (inode.tier === tierNumber(tier)) return;
    this.#volume.commit({ kind: 'tier', ino, tier: tierNumber(tier) }, caller);
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
        return Buffer.from(this.#volume.promiser.resolveInode(inode).tier);
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
