/**
 * The history of an open volume: the contract of store.ts, put together from its parts.
 */

import { ROOT_INO } from '../shared/brands.ts';
import type { ActorId, Ino, Name, Revision } from '../shared/brands.ts';
import { Errno } from '../shared/errno.ts';
import { FsError } from '../shared/errors.ts';
import { isDirectory } from '../shared/mode.ts';
import { nameToText } from '../shared/names.ts';
import { timeToMs } from '../shared/time.ts';
import type { Time } from '../shared/time.ts';
import { hashKey } from '../index/keys.ts';
import { CUT_CAUSES } from '../volume/cut-cause.ts';
import { nameDamage } from '../volume/damaged-content.ts';
import type { Volume } from '../volume/volume.ts';
import { AsOf } from './as-of.ts';
import { hashContent, HASHED_MAX_BYTES } from './hasher.ts';
import { Lineages } from './lineage.ts';
import { Memo } from './memo.ts';
import { Moments } from './moments.ts';
import { Rollbacks } from './rollback.ts';
import type { RollbackOptions, UndeleteOptions } from './rollback.ts';
import type { TreeChange } from './restore-plan.ts';
import type {
  Actor,
  DirectoryLineage,
  FileHistory,
  History,
  HistoryStatus,
  Node,
  NodeEntry,
  PastName,
  RollbackResult,
  Version,
} from './store.ts';

/** Several readers may want the same hash at once; it is computed once. */
type Hashing = Map<string, Promise<string>>;

export class VolumeHistory implements History {
  readonly #volume: Volume;
  readonly #asOf: AsOf;
  readonly #lineages: Lineages;
  readonly #moments: Moments;
  readonly #rollbacks: Rollbacks;
  readonly #hashing: Hashing = new Map();
  /** What the last moment that was looked at lacks. */
  #missing: { key: string; paths: Promise<readonly { readonly path: string }[]> } | undefined;
  readonly #directories: Memo<DirectoryLineage>;
  readonly #files: Memo<FileHistory | undefined>;

  constructor(volume: Volume) {
    this.#volume = volume;
    this.#asOf = new AsOf(volume);
    this.#lineages = new Lineages(volume, this.#asOf);
    this.#moments = new Moments(volume);
    this.#directories = new Memo(() => volume.state.revision);
    this.#files = new Memo(() => volume.state.revision);
    this.#rollbacks = new Rollbacks(volume, this.#asOf, this.#lineages);
  }

  /** Called after a rollback, with what the kernel may have cached; it is done when that resolves. */
  set onChange(listener: (change: TreeChange) => Promise<void>) {
    this.#rollbacks.onChange = listener;
  }

  /** Tells `onChange` of what a predecessor may have told nobody of. */
  tellAgain(): Promise<void> {
    return this.#rollbacks.tellAgain();
  }

  status(): HistoryStatus {
    const { state } = this.#volume;
    const isWhole = state.horizon === 0;
    return {
      earliest: isWhole ? (1 as Revision) : state.horizon,
      earliestTime: isWhole ? state.getGenesisTime() : state.horizonTime,
      bornTime: state.getGenesisTime(),
      pinned: this.#volume.promiser.listWhole(timeToMs(this.#volume.clock.now())),
      latest: state.revision,
      latestTime: state.time,
    };
  }

  findRevision(time: Time): Promise<Revision | undefined> {
    return this.#moments.findRevision(time);
  }

  getRevisionTime(revision: Revision): Promise<Time> {
    return this.#moments.getTime(revision);
  }

  getActor(id: ActorId): Promise<Actor> {
    return Promise.resolve(this.#toActor(id));
  }

  findLineage(dir: Ino): Promise<DirectoryLineage> {
    return this.#directories.get(String(dir), () => this.#lineages.findDirectory(dir));
  }

  findChildLineage(dir: DirectoryLineage, name: Name): Promise<DirectoryLineage | undefined> {
    return this.#lineages.findChildDirectory(dir, name);
  }

  listPastNames(dir: DirectoryLineage): Promise<PastName[]> {
    return this.#lineages.listNames(dir);
  }

  findFileHistory(dir: DirectoryLineage, name: Name): Promise<FileHistory | undefined> {
    const key = `${dir.inos.join()}/${name}`;
    return this.#files.get(key, () => this.#findFileHistory(dir, name));
  }

  /**
   * One rollback may bring back two files of one history. A revision names one version of it: that of the
   * file that had the name then; the other is in the history of the name that it had.
   */
  async #withoutNamesakes(
    versions: readonly Version[],
    dir: DirectoryLineage,
    name: Name,
  ): Promise<Version[]> {
    const kept: Version[] = [];
    for (const version of versions) {
      const before = kept.at(-1);
      if (before?.revision !== version.revision) kept.push(version);
      else if (await this.#isNamed(version, dir, name)) kept[kept.length - 1] = version;
    }
    return kept;
  }

  async #isNamed({ ino, revision }: Version, dir: DirectoryLineage, name: Name): Promise<boolean> {
    for (const parent of dir.inos) {
      if ((await this.#asOf.findName(parent, name, revision))?.ino === ino) return true;
    }
    return false;
  }

  findNode(ino: Ino, at: Revision): Promise<Node | undefined> {
    return this.#asOf.findNode(ino, at);
  }

  async findChild(dir: Ino, name: Name, at: Revision): Promise<NodeEntry | undefined> {
    const dentry = await this.#asOf.findName(dir, name, at);
    return dentry === undefined ? undefined : { name, ino: dentry.ino, type: dentry.type };
  }

  listChildren(dir: Ino, at: Revision): Promise<NodeEntry[]> {
    return this.#asOf.listNames(dir, at);
  }

  async findPath(path: readonly Name[], at: Revision): Promise<Node | undefined> {
    let ino = ROOT_INO;
    for (const name of path) {
      const dentry = await this.#asOf.findName(ino, name, at);
      if (dentry === undefined) return undefined;
      ino = dentry.ino;
    }
    return this.#asOf.findNode(ino, at);
  }

  pin(at: Revision): () => void {
    return this.#volume.pins.add(at);
  }

  read(ino: Ino, at: Revision, offset: number, length: number): Promise<Buffer> {
    return this.#volume.pins.with(at, () => this.#read(ino, at, { offset, length }));
  }

  async #read(
    ino: Ino,
    at: Revision,
    { offset, length }: { readonly offset: number; readonly length: number },
  ): Promise<Buffer> {
    const node = await this.#getContentNode(ino, at);
    const wanted = Math.min(length, node.size - offset);
    if (wanted <= 0) return Buffer.alloc(0);
    const extents = await this.#asOf.listExtents(node, offset, offset + wanted);
    try {
      return await this.#volume.content.read(extents, offset, wanted);
    } catch (error) {
      throw nameDamage(this.#volume, ino, error);
    }
  }

  seek(ino: Ino, at: Revision, offset: number, want: 'data' | 'hole'): Promise<number | undefined> {
    return this.#volume.pins.with(at, () => this.#seek(ino, at, { offset, want }));
  }

  async #seek(
    ino: Ino,
    at: Revision,
    { offset, want }: { readonly offset: number; readonly want: 'data' | 'hole' },
  ): Promise<number | undefined> {
    const node = await this.#getContentNode(ino, at);
    if (offset >= node.size) return undefined;
    let position = offset;
    for (const extent of await this.#asOf.listExtents(node, offset, node.size)) {
      if (want === 'data') return Math.max(position, extent.offset);
      if (extent.offset > position) return position;
      position = extent.offset + extent.length;
    }
    return want === 'hole' ? position : undefined;
  }

  /** Every file below a directory at a revision whose content retention has removed. */
  async listMissing(dir: Ino, at: Revision): Promise<readonly { readonly path: string }[]> {
    const { purgeDigest, revision } = this.#volume.state;
    // Nothing was ever removed, or nothing can have been yet.
    if (purgeDigest === '' || at === revision) return [];
    const key = `${dir} ${at} ${purgeDigest}`;
    if (this.#missing?.key !== key) {
      this.#missing = { key, paths: this.#findMissing(dir, at) };
      this.#missing.paths.catch(() => (this.#missing = undefined));
    }
    return this.#missing.paths;
  }

  async #findMissing(dir: Ino, at: Revision): Promise<{ readonly path: string }[]> {
    const missing: { path: string }[] = [];
    const waiting = [{ ino: dir, path: '' }];
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      for (const { ino, name } of await this.#asOf.listNames(next.ino, at)) {
        const node = await this.#asOf.findNode(ino, at);
        const path = next.path === '' ? name : `${next.path}/${name}`;
        if (node?.isGone === true) missing.push({ path });
        else if (node !== undefined && isDirectory(node.mode)) waiting.push({ ino, path });
      }
    }
    return missing.toSorted((a, b) => (a.path < b.path ? -1 : 1));
  }

  async hash(ino: Ino, at: Revision): Promise<string> {
    const node = await this.#getContentNode(ino, at);
    // The same content has the same hash at every revision at which it stood.
    const key = Buffer.from(hashKey(ino, node.contentRevision));
    const name = key.toString('latin1');
    const known = this.#volume.index.get(key);
    if (known !== undefined) return known.toString('hex');
    if (node.size > HASHED_MAX_BYTES) throw new FsError(Errno.EFBIG, `hash of ${node.size} bytes`);
    let hashing = this.#hashing.get(name);
    if (hashing === undefined) {
      hashing = this.#hash(node, key).finally(() => this.#hashing.delete(name));
      this.#hashing.set(name, hashing);
    }
    return hashing;
  }

  rollback(options: RollbackOptions): Promise<RollbackResult> {
    return this.#rollbacks.rollback(options);
  }

  undelete(options: UndeleteOptions): Promise<RollbackResult> {
    return this.#rollbacks.undelete(options);
  }

  async #findFileHistory(dir: DirectoryLineage, name: Name): Promise<FileHistory | undefined> {
    const found = await this.#lineages.findName(dir, name);
    if (found === undefined) return undefined;
    await this.#volume.actors.settled();
    const versions: Version[] = [];
    for (const ino of found.inos) {
      for (const entry of await this.#lineages.listVersions(ino)) {
        const { actor, cause, promise: _, ...rest } = entry;
        const known = CUT_CAUSES[cause] ?? 'close';
        versions.push({ ...rest, actor: this.#toActor(actor), cause: known });
      }
    }
    versions.sort((a, b) => a.revision - b.revision || a.ino - b.ino);
    const { removed } = found;
    return {
      versions: await this.#withoutNamesakes(versions, dir, name),
      liveIno: found.liveIno,
      removed:
        removed === undefined
          ? undefined
          : {
              revision: removed.revision,
              time: await this.#moments.getTime(removed.revision),
              actor: this.#toActor(removed.actor as ActorId),
            },
    };
  }

  async #hash(node: Node, key: Buffer): Promise<string> {
    const digest = await hashContent(node.size, (offset, length) =>
      this.read(node.ino, node.revision, offset, length),
    );
    // Not before the content is on disk: a power cut would take that, and its revision comes again.
    await this.#volume.sync();
    await this.#volume.index.remember(key, Buffer.from(digest, 'hex'));
    return digest;
  }

  async #getNode(ino: Ino, at: Revision): Promise<Node> {
    const node = await this.#asOf.findNode(ino, at);
    if (node === undefined) throw new FsError(Errno.ENOENT, `inode ${ino} at r${at}`);
    return node;
  }

  /** @throws {FsError} ENODATA If retention has removed what it held. */
  async #getContentNode(ino: Ino, at: Revision): Promise<Node> {
    const node = await this.#getNode(ino, at);
    if (node.isGone) throw new FsError(Errno.ENODATA, `the content of inode ${ino} at r${at}`);
    return node;
  }

  #toActor(id: ActorId): Actor {
    const actor = this.#volume.state.findActor(id);
    if (actor === undefined) {
      const command = id === 0 ? 'sessfs' : '';
      return { id, uid: 0, gid: 0, pid: 0, command, label: undefined };
    }
    return {
      id,
      uid: actor.uid,
      gid: actor.gid,
      pid: actor.pid,
      command: nameToText(actor.command),
      label: actor.label === undefined ? undefined : nameToText(actor.label),
    };
  }
}
