/**
 * A plan to bring things back: the events of one batch, what they do in words, and what must still hold
 * when it is carried out.
 *
 * Planning waits for the disk, and the volume goes on meanwhile. So every live thing that a plan was based
 * on is noted with its revision; if one has changed, the plan is made anew.
 */

import { NO_PROMISE } from '../shared/brands.ts';
import type { Ino, Name } from '../shared/brands.ts';
import type { PromiseDefinition } from '../policy/promise.ts';
import { fileKind, isDirectory, isRegular, S_IFMT } from '../shared/mode.ts';
import { nameToText } from '../shared/names.ts';
import { compareTime } from '../shared/time.ts';
import type { Extent } from '../index/extents.ts';
import type { Dentry, InodeRecord } from '../index/records.ts';
import { areSameExtents, listExtents } from '../volume/content.ts';
import type { Event } from '../volume/events.ts';
import { tierOf } from '../volume/promiser.ts';
import type { Volume } from '../volume/volume.ts';
import type { AsOf } from './as-of.ts';
import type { Node, RollbackStep } from './store.ts';

/**
 * What changed behind the kernel's back, and nothing else: a directory whose name the kernel is told to
 * forget is lost to whoever works in it.
 */
export interface TreeChange {
  readonly inodes: readonly Ino[];
  readonly names: readonly { readonly parent: Ino; readonly name: Name }[];
}

export interface Place {
  readonly parent: Ino;
  readonly name: Name;
  /** For people: from the volume's root. */
  readonly path: string;
}

export class RestorePlan {
  readonly #steps: RollbackStep[] = [];
  readonly #volume: Volume;
  readonly #asOf: AsOf;
  readonly #removals: Event[] = [];
  readonly #events: Event[] = [];
  readonly #removalSteps: RollbackStep[] = [];
  readonly #inodes = new Map<Ino, string>();
  readonly #names: { parent: Ino; name: Name; ino: Ino | undefined }[] = [];
  /** Inodes of the past that this plan has brought back, and as what. */
  readonly #restored = new Map<Ino, Ino>();
  /** INVARIANT: a live inode becomes one inode of the past: names that are links now may not have been. */
  readonly #becoming = new Map<Ino, Ino>();
  readonly #cuts = new Set<Ino>();
  readonly #isPartial: boolean;
  readonly #gone: string[] = [];
  /** What the cuts among the events are promised. */
  readonly #promised = new Map<Event, PromiseDefinition>();
  readonly #changedInodes = new Set<Ino>();
  readonly #changedNames: { parent: Ino; name: Name }[] = [];
  /** Something changed while the plan was made. */
  #isStale = false;
  readonly #firstIno: number;
  #nextIno: number;

  /** @param options.isPartial What retention has removed is left out, instead of stopping all of it. */
  constructor(volume: Volume, asOf: AsOf, options: { readonly isPartial: boolean }) {
    this.#isPartial = options.isPartial;
    this.#volume = volume;
    this.#asOf = asOf;
    this.#firstIno = volume.state.nextIno;
    this.#nextIno = this.#firstIno;
  }

  /** How much there is to do so far. */
  get size(): number {
    return this.#removals.length + this.#events.length;
  }

  get isEmpty(): boolean {
    return this.size === 0;
  }

  /** Removals first, as they are shown and done. */
  get steps(): RollbackStep[] {
    return [...this.#removalSteps, ...this.#steps];
  }

  get change(): TreeChange {
    return { inodes: [...this.#changedInodes], names: this.#changedNames };
  }

  /** Files whose uncut content this replaces. */
  get cuts(): ReadonlySet<Ino> {
    return this.#cuts;
  }

  /** Paths whose content was to come back, and which retention has removed. */
  get gone(): readonly string[] {
    return this.#gone;
  }

  /** To be asked only when it is carried out: promises that are new get their numbers. */
  get batch(): Event {
    const events = this.#events.map((event) => {
      const promised = this.#promised.get(event);
      if (event.kind !== 'cut' || promised === undefined) return event;
      return { ...event, promise: this.#volume.promiser.idOf(promised) };
    });
    return { kind: 'batch', events: [...this.#removals, ...events] };
  }

  /** True if nothing that the plan was based on has changed. */
  isCurrent(): boolean {
    const { state } = this.#volume;
    if (this.#isStale) return false;
    if (this.#nextIno > this.#firstIno && state.nextIno !== this.#firstIno) return false;
    for (const { parent, name, ino } of this.#names) {
      if (state.findDentry(parent, name)?.ino !== ino) return false;
    }
    for (const [ino, revision] of this.#inodes) {
      if (stampOf(state.findInode(ino)) !== revision) return false;
    }
    return true;
  }

  /** Brings one thing of the past back under a name. Returns the inode that it is now. */
  async restore(node: Node, place: Place): Promise<Ino> {
    if (this.#isPartial && node.isGone) {
      this.#gone.push(place.path);
      return node.ino;
    }
    const live = this.noteName(place.parent, place.name);
    const present = live === undefined ? undefined : this.noteInode(live.ino);
    const known = this.#restored.get(node.ino);
    if (known !== undefined && !isDirectory(node.mode)) return this.#relink(known, place, present);
    if (present !== undefined && canBecome(present, node) && this.#isFree(present.ino, node.ino)) {
      this.#restored.set(node.ino, present.ino);
      this.#becoming.set(present.ino, node.ino);
      if (!isDirectory(node.mode)) await this.#restoreInto(node, present, place);
      return present.ino;
    }
    if (present !== undefined) await this.remove(present, place);
    return this.#bringBack(node, place);
  }

  #isFree(live: Ino, past: Ino): boolean {
    return (this.#becoming.get(live) ?? past) === past;
  }

  /** A directory's own attributes, after everything in it. */
  restoreDirectory(node: Node, ino: Ino, path: string, hasChanged: boolean): void {
    const live = this.#volume.state.findInode(ino);
    const isDifferent = live === undefined || !haveSameAttributes(live, node);
    if (!hasChanged && !isDifferent) return;
    if (!hasChanged) this.#note(this.#steps, 'attributes', path, node);
    this.#pushRestore(node, ino, { extents: undefined });
  }

  /** Takes a live thing away, with all that is in it. */
  async remove(inode: InodeRecord, place: Place): Promise<void> {
    // Before anything waits: what comes to a directory, or takes its name, while it is listed must show.
    if (this.noteName(place.parent, place.name)?.ino !== inode.ino) this.#isStale = true;
    this.noteInode(inode.ino);
    if (isDirectory(inode.mode)) {
      for (const child of await this.#volume.listings.listAll(inode.ino)) {
        const below = { parent: inode.ino, name: child.name, path: join(place.path, child.name) };
        this.noteName(inode.ino, child.name);
        const record = this.noteInode(child.ino);
        if (record !== undefined) await this.remove(record, below);
      }
    }
    this.#cuts.add(inode.ino);
    this.#changedInodes.add(inode.ino);
    this.#note(this.#removalSteps, 'remove', place.path, inode);
    this.#unlink(place);
  }

  #unlink({ parent, name }: Place): void {
    this.#removals.push({ kind: 'unlink', parent, name });
    this.#changedNames.push({ parent, name });
  }

  #relink(ino: Ino, place: Place, present: InodeRecord | undefined): Ino {
    if (present?.ino === ino) return ino;
    if (present !== undefined) {
      this.#cuts.add(present.ino);
      this.#note(this.#removalSteps, 'remove', place.path, present);
      this.#unlink(place);
    }
    this.#changedNames.push(place);
    this.#steps.push({ action: 'create', path: toText(place.path), kind: 'file', bytes: 0 });
    this.#events.push({ kind: 'link', ino, parent: place.parent, name: place.name });
    this.#changedInodes.add(ino);
    return ino;
  }

  async #restoreInto(node: Node, present: InodeRecord, place: Place): Promise<void> {
    const extents = await this.#findOtherContent(node, present, place);
    if (extents === undefined && haveSameAttributes(present, node)) return;
    this.#note(this.#steps, extents === undefined ? 'attributes' : 'restore', place.path, node);
    if (extents !== undefined) this.#cuts.add(present.ino);
    this.#pushRestore(node, present.ino, { extents, place });
  }

  /** What was removed comes back as itself; what lives elsewhere now, as another. */
  async #bringBack(node: Node, place: Place): Promise<Ino> {
    const old = this.noteInode(node.ino);
    let ino = node.ino;
    let extents: readonly Extent[] | undefined;
    if (old !== undefined && old.nlink === 0) {
      this.#events.push({ kind: 'link', ino, parent: place.parent, name: place.name });
      extents = await this.#findOtherContent(node, old, place);
    } else {
      ino = this.#nextIno++ as Ino;
      this.#events.push({
        kind: 'make',
        parent: place.parent,
        name: place.name,
        ino,
        mode: node.mode,
        uid: node.uid,
        gid: node.gid,
        rdev: node.rdev,
        target: node.target,
      });
      if (isRegular(node.mode)) extents = await this.#listContent(node, place);
    }
    this.#restored.set(node.ino, ino);
    this.#changedNames.push(place);
    this.#note(this.#steps, 'create', place.path, node);
    if (!isDirectory(node.mode)) this.#pushRestore(node, ino, { extents, place });
    return ino;
  }

  #pushRestore(
    node: Node,
    ino: Ino,
    content: { readonly extents: readonly Extent[] | undefined; readonly place?: Place },
  ): void {
    const { extents, place } = content;
    this.#changedInodes.add(ino);
    this.#events.push({
      kind: 'restore',
      ino,
      mode: node.mode,
      uid: node.uid,
      gid: node.gid,
      size: node.size,
      atime: node.atime,
      mtime: node.mtime,
      xattrs: node.xattrs.size === 0 ? undefined : (node.xattrs as ReadonlyMap<string, Buffer>),
      extents,
    });
    if (extents !== undefined && place !== undefined && node.size > 0) {
      this.#pushCut(ino, place);
    }
  }

  #pushCut(ino: Ino, place: Place): void {
    const { state, promiser } = this.#volume;
    const known = state.findInode(ino) ?? state.findInode(place.parent);
    // By its path: the directories above it may only come to be with this plan.
    const { rules, sessionTier } = promiser.current;
    const directory = place.path.slice(0, Math.max(0, place.path.lastIndexOf('/')));
    const promised = rules.resolve(
      { directory, name: place.name },
      tierOf(known?.tier ?? 0),
      sessionTier,
    );
    if (!promised.makesVersions) return;
    const cut = { kind: 'cut', ino, cause: 'rollback', promise: NO_PROMISE } as const;
    this.#promised.set(cut, promised);
    this.#events.push(cut);
  }

  /** @returns The content that the node had, if the live inode has another. */
  async #findOtherContent(
    node: Node,
    live: InodeRecord,
    place: Place,
  ): Promise<readonly Extent[] | undefined> {
    if (!isRegular(node.mode)) return undefined;
    if (node.isGone) return this.#listContent(node, place);
    if (live.ino === node.ino && live.contentRevision <= node.revision) return undefined;
    const extents = await this.#listContent(node, place);
    const present = listExtents(this.#volume.state, live, 0, Infinity);
    return live.size === node.size && areSameExtents(extents, present) ? undefined : extents;
  }

  async #listContent(node: Node, place: Place): Promise<readonly Extent[]> {
    if (node.isGone) this.#gone.push(place.path);
    return this.#asOf.listExtents(node, 0, node.size);
  }

  /** The plan holds only while this name stands for what it stands for now. */
  noteName(parent: Ino, name: Name): Dentry | undefined {
    const live = this.#volume.state.findDentry(parent, name);
    this.#names.push({ parent, name, ino: live?.ino });
    return live;
  }

  /** The plan holds only while this inode, or what is in this directory, does not change. */
  noteInode(ino: Ino): InodeRecord | undefined {
    const inode = this.#volume.state.findInode(ino);
    if (!this.#inodes.has(ino)) this.#inodes.set(ino, stampOf(inode));
    return inode;
  }

  #note(
    steps: RollbackStep[],
    action: RollbackStep['action'],
    path: string,
    node: { readonly mode: number; readonly size: number },
  ): void {
    const kind = fileKind(node.mode);
    const known = kind === 'file' || kind === 'directory' || kind === 'symlink';
    steps.push({
      action,
      path: toText(path),
      kind: known ? kind : 'other',
      bytes: kind === 'file' ? node.size : 0,
    });
  }
}

/** A path below another; the root is "". */
export const join = (path: string, name: string): string =>
  path === '' ? name : `${path}/${name}`;

const toText = (path: string): string => (path === '' ? '.' : nameToText(path));

/** Changes with everything that a plan depends on: attributes, content, the names in a directory. */
function stampOf(inode: InodeRecord | undefined): string {
  if (inode === undefined) return '';
  const { since, contentRevision, ctime, size } = inode;
  return `${since} ${contentRevision} ${ctime.sec}.${ctime.nsec} ${size}`;
}

function canBecome(present: InodeRecord, node: Node): boolean {
  if ((present.mode & S_IFMT) !== (node.mode & S_IFMT)) return false;
  if (isDirectory(node.mode) || isRegular(node.mode)) return true;
  return present.target === node.target && present.rdev === node.rdev;
}

function haveSameAttributes(live: InodeRecord, node: Node): boolean {
  return (
    live.mode === node.mode &&
    live.uid === node.uid &&
    live.gid === node.gid &&
    compareTime(live.mtime, node.mtime) === 0 &&
    haveSameXattrs(live.xattrs, node.xattrs)
  );
}

function haveSameXattrs(
  a: ReadonlyMap<string, Uint8Array> | undefined,
  b: ReadonlyMap<string, Uint8Array>,
): boolean {
  if ((a?.size ?? 0) !== b.size) return false;
  for (const [name, value] of b) {
    const other = a?.get(name);
    if (other === undefined || Buffer.compare(other, value) !== 0) return false;
  }
  return true;
}
