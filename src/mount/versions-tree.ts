/**
 * The tree under `.versions`: the read side of a file system whose every node is virtual.
 *
 * Rules:
 * - Names may change what they mean, nodes never change: a name that can change is never cached
 *   (`latest`, `index.json`, `@10m`, a miss), attributes and pages of what was are cached for long.
 * - Where a name was both a file and a directory, both are shown together. The file's versions,
 *   `latest`, `previous` and `index.json` win over past names; the shorthands that no listing shows
 *   (`42`, `r42`, `~1`) give way to past names. `.status.json` and `@…` win over everything.
 * - Nothing here changes anything: writes are refused (EROFS) before they get here.
 */

import type { AttrReply, DirSink, Entry, OpenReply } from '../fuse/file-system.ts';
import { findMoment, isRemovedMoment, parseMomentSpec } from '../history/moment-spec.ts';
import type { Moment } from '../history/moment-spec.ts';
import type { Node, Version } from '../history/store.ts';
import { parseVersionSpec, resolveVersion } from '../history/version-spec.ts';
import type { Ino, Name, NodeId, Revision } from '../shared/brands.ts';
import { Errno } from '../shared/errno.ts';
import { FsError } from '../shared/errors.ts';
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG, isDirectory } from '../shared/mode.ts';
import { nameToText } from '../shared/names.ts';
import type { Clock } from '../shared/time.ts';
import {
  INCOMPLETE_NAME,
  INDEX_NAME,
  LATEST_NAME,
  PREVIOUS_NAME,
  STATUS_NAME,
  VERSIONS_NAME,
  escapeName,
  revisionInName,
  unescapeName,
  versionName,
} from './version-names.ts';
import { attrOfNode, attrOfOwn, attrOfVersion } from './versions-attributes.ts';
import { VersionsContent, placeOf } from './versions-content.ts';
import type { FileNode } from './versions-content.ts';
import { layOutIndex } from './versions-index.ts';
import { PastInodes } from './versions-inodes.ts';
import { PastFinder, lineageOf } from './versions-past.ts';
import type { ExplainKept, Past, VersionsHistory } from './versions-past.ts';
import { renderStatus } from './versions-status.ts';
import { findXattr, listXattrs } from './versions-xattrs.ts';
import { VirtualListings } from './virtual-listings.ts';
import type { ListedNode } from './virtual-listings.ts';
import { VIRTUAL_BASE, VirtualNodes, nodeIdOf } from './virtual-nodes.ts';
import type {
  IndexNode,
  LinkNode,
  MomentNode,
  NodeStore,
  PastNode,
  TextNode,
  VersionNode,
  VirtualNode,
} from './virtual-nodes.ts';

export interface VersionsTreeOptions {
  readonly history: VersionsHistory;
  readonly clock: Clock;
  readonly findCheckpoint?: (name: string) => Revision | undefined;
  /** What `.status.json` tells besides the history's earliest and latest moments. */
  readonly status: () => object;
  /**
   * Where a live directory is now, from the root of the volume: a moment then shows what had that
   * path. Without it, only what the directory's lineage tells.
   */
  readonly pathOf?: (dir: Ino) => readonly Name[] | undefined;
  /** What is promised of each version of a file; without it `index.json` does not tell. */
  readonly explain?: ExplainKept;
  /** The tier of a file as it is now. */
  readonly findTier?: (ino: Ino) => string | undefined;
  /** For open files and working directories in here to outlive this server. */
  readonly nodeStore?: NodeStore;
}

/** A node and how long its name means it. */
interface Found {
  readonly node: VirtualNode;
  readonly entryTtlMs: number;
}

/** What never changes; the kernel drops it anyway when it needs the memory. */
const LONG_TTL_MS = 24 * 3600 * 1000;
/**
 * Owner and mode of a directory of `.versions` follow the live directory's, its time the history; the
 * kernel asks for them at every component of every path, which was nine of ten messages of `ls -l`.
 * Listings are not cached, so they are right at once all the same; without OPENDIR messages this
 * would have to be 0, because the kernel then caches listings and compares the time.
 */
const DIRECTORY_ATTR_TTL_MS = 1000;
const O_ACCMODE = 3;
const O_TRUNC = 0o1000;
const SEEK_DATA = 3;
const SEEK_HOLE = 4;
const READ_ONLY_BITS = 0o444;

export class VersionsTree {
  readonly #options: VersionsTreeOptions;
  readonly #history: VersionsHistory;
  readonly #nodes: VirtualNodes;
  readonly #past: PastFinder;
  readonly #inodes: PastInodes;
  readonly #content: VersionsContent;
  readonly #listings: VirtualListings;

  constructor(options: VersionsTreeOptions) {
    this.#options = options;
    this.#nodes = new VirtualNodes(undefined, options.nodeStore);
    this.#history = options.history;
    this.#past = new PastFinder(options);
    this.#inodes = new PastInodes(options.history);
    this.#content = new VersionsContent(options.history, this.#past);
    this.#listings = new VirtualListings((nodeid) => this.#list(this.#nodes.get(nodeid)));
  }

  /** True for every nodeid that belongs to this tree. */
  static isVirtual(nodeid: NodeId): boolean {
    return nodeid >= VIRTUAL_BASE;
  }

  /** The `.versions` of a live directory. */
  rootEntry(dir: Ino): Promise<Entry> {
    return this.#entry({ kind: 'past', dir, path: [] }, LONG_TTL_MS);
  }

  /** @returns undefined if there is nothing of that name. */
  async lookup(parent: NodeId, name: Name): Promise<Entry | undefined> {
    const node = this.#nodes.get(parent);
    let found: Found | undefined;
    if (node.kind === 'moment') found = await this.#findInMoment(node, name);
    else if (node.kind === 'past') found = await this.#findInPast(await this.#past.get(node), name);
    if (found === undefined) return undefined;
    const entry = await this.#entry(found.node, found.entryTtlMs);
    this.#nodes.retain(entry.nodeid);
    return entry;
  }

  /** A name without history may get one at any time; what a moment lacks, it lacks for ever. */
  negativeTtlMs(parent: NodeId): number {
    const node = this.#nodes.get(parent);
    // The top may get an `.incomplete`.
    return node.kind === 'moment' && !node.isTop ? LONG_TTL_MS : 0;
  }

  forget(nodeid: NodeId, count: number): void {
    this.#nodes.forget(nodeid, count);
  }

  async getattr(nodeid: NodeId): Promise<AttrReply> {
    const { attr, attrTtlMs } = await this.#entry(this.#nodes.get(nodeid), 0);
    return { attr, attrTtlMs };
  }

  async readlink(nodeid: NodeId): Promise<string> {
    const node = this.#nodes.get(nodeid);
    if (node.kind === 'link') return node.target;
    const inode = await this.#findInode(node);
    if (inode?.target === undefined) throw new FsError(Errno.EINVAL, 'readlink of no symlink');
    return inode.target;
  }

  /**
   * @throws {FsError} EROFS If it is opened for writing; ENODATA if retention has removed the content;
   *   ESTALE if it is an `index.json` whose history went on since the lookup: look it up again.
   */
  async open(nodeid: NodeId, flags: number): Promise<OpenReply> {
    if ((flags & O_ACCMODE) !== 0 || (flags & O_TRUNC) !== 0) throw new FsError(Errno.EROFS);
    await this.#content.open(nodeid, this.#getFile(nodeid));
    // Every file here is immutable, and its size exact: no direct I/O, so that mmap works as well.
    return { fh: 0, keepCache: true };
  }

  async read(nodeid: NodeId, offset: number, length: number): Promise<Uint8Array> {
    return this.#content.read(nodeid, this.#getFile(nodeid), { offset, length });
  }

  release(nodeid: NodeId): void {
    this.#content.release(nodeid);
  }

  opendir(nodeid: NodeId): OpenReply {
    const node = this.#nodes.get(nodeid);
    const isFixed = node.kind === 'moment' && !node.isTop;
    const fh = this.#listings.open(nodeid);
    return isFixed ? { fh, cacheDir: true, keepCache: true } : { fh };
  }

  readdir(nodeid: NodeId, fh: number, cookie: number, sink: DirSink): Promise<void> {
    return this.#listings.read(
      { nodeid, handle: fh, cookie },
      sink,
      (node) => this.#entry(node, LONG_TTL_MS),
      (entry) => this.#nodes.retain(entry.nodeid),
    );
  }

  releasedir(fh: number): void {
    this.#listings.close(fh);
  }

  async getxattr(nodeid: NodeId, name: string): Promise<Uint8Array | undefined> {
    const node = this.#nodes.get(nodeid);
    if (node.kind !== 'version' && node.kind !== 'moment') return undefined;
    const inode = await this.#findInode(node);
    return findXattr(node, inode, { name, history: this.#history, tier: () => this.#tierOf(node) });
  }

  async listxattr(nodeid: NodeId): Promise<string[]> {
    const node = this.#nodes.get(nodeid);
    if (node.kind !== 'version' && node.kind !== 'moment') return [];
    return listXattrs(node, await this.#findInode(node));
  }

  /** @throws {FsError} ENXIO If offset is at or after the end, or only a hole follows (SEEK_DATA). */
  async lseek(nodeid: NodeId, offset: number, whence: number): Promise<number> {
    if (whence !== SEEK_DATA && whence !== SEEK_HOLE) throw new FsError(Errno.EINVAL);
    const node = this.#getFile(nodeid);
    const { size } = (await this.getattr(nodeid)).attr;
    if (offset >= size) throw new FsError(Errno.ENXIO);
    const isText = node.kind === 'text' || node.kind === 'index';
    if (isText) return whence === SEEK_DATA ? offset : size;
    const [ino, at] = placeOf(node);
    const want = whence === SEEK_DATA ? 'data' : 'hole';
    const found = await this.#history.seek(ino, at, offset, want);
    // The end of a file counts as a hole.
    if (found === undefined && want === 'data') throw new FsError(Errno.ENXIO);
    return found ?? size;
  }

  async #findInPast(past: Past, name: Name): Promise<Found | undefined> {
    if (name === VERSIONS_NAME) return undefined;
    if (name === STATUS_NAME && past.path.length === 0) {
      return { node: await this.#makeStatus(past), entryTtlMs: 0 };
    }
    const wanted = unescapeName(name);
    if (wanted.moment !== undefined) return this.#findAtMoment(past, wanted.moment);
    if (past.file !== undefined) {
      const found = await this.#findListedVersion(past, past.file.versions, name);
      if (found) return found;
    }
    if (past.lineage !== undefined) {
      const child = { kind: 'past', dir: past.dir, path: [...past.path, wanted.name] } as const;
      // What has history keeps it: the name means the same node for as long as anybody looks.
      if (await this.#past.find(child)) return { node: child, entryTtlMs: LONG_TTL_MS };
    }
    const spec = parseVersionSpec(nameToText(name), this.#options.clock.now());
    if (spec === undefined || spec.kind === 'moment' || past.file === undefined) return undefined;
    const version = resolveVersion(spec, past.file.versions);
    return version && { node: versionNode(past, version), entryTtlMs: 0 };
  }

  /** One of the names that a listing of a file's versions shows. */
  async #findListedVersion(
    past: Past,
    versions: readonly Version[],
    name: Name,
  ): Promise<Found | undefined> {
    const file = past.path.at(-1);
    if (file === undefined) return undefined;
    if (name === INDEX_NAME) return { node: await this.#makeIndex(past), entryTtlMs: 0 };
    if (name === LATEST_NAME || name === PREVIOUS_NAME) {
      const version = versions.at(name === LATEST_NAME ? -1 : -2);
      return version && { node: await this.#makeLink(past, name, version), entryTtlMs: 0 };
    }
    const revision = revisionInName(name);
    const version = versions.find((v) => v.revision === revision && versionName(file, v) === name);
    return version && { node: versionNode(past, version), entryTtlMs: LONG_TTL_MS };
  }

  /** `@SPEC`: the directory as it was, else the version of the file that was current. */
  async #findAtMoment(past: Past, text: string): Promise<Found | undefined> {
    const moment = await this.#findMoment(nameToText(text));
    if (moment === undefined) return undefined;
    const entryTtlMs = moment.isFixed ? LONG_TTL_MS : 0;
    const at = moment.revision;
    const dir = past.lineage && (await this.#past.findDirectoryAt(past, at));
    const version = past.file && (await this.#past.findVersionAt(past, at));
    // It was one or the other at that moment, unless it had other names: then the directory.
    if (dir !== undefined) {
      return { node: { kind: 'moment', ino: dir, at, isTop: true }, entryTtlMs };
    }
    return version && { node: versionNode(past, version), entryTtlMs };
  }

  async #findMoment(text: string): Promise<Moment | undefined> {
    const now = this.#options.clock.now();
    const spec = parseMomentSpec(text, now);
    if (spec !== undefined && isRemovedMoment(spec, this.#history.status())) {
      throw new FsError(Errno.ENODATA, `the moment ${text}`);
    }
    return spec && findMoment(spec, this.#options, now);
  }

  async #findInMoment(parent: MomentNode, name: Name): Promise<Found | undefined> {
    const child = await this.#history.findChild(parent.ino, name, parent.at);
    if (child) {
      const node = { kind: 'moment', ino: child.ino, at: parent.at, isTop: false } as const;
      return { node, entryTtlMs: LONG_TTL_MS };
    }
    if (!parent.isTop || name !== INCOMPLETE_NAME) return undefined;
    const node = await this.#findIncomplete(parent);
    return node && { node, entryTtlMs: 0 };
  }

  /** Every node's attributes, and how long they hold. */
  async #entry(node: VirtualNode, entryTtlMs: number): Promise<Entry> {
    const nodeid = this.#nodes.register(node);
    const inode = await this.#findInode(node);
    const fixed = { nodeid, entryTtlMs, attrTtlMs: LONG_TTL_MS };
    switch (node.kind) {
      case 'past': {
        const ownership = await this.#past.ownershipOf(await this.#past.get(node));
        const attr = attrOfOwn(nodeid, S_IFDIR, { ownership, sizeBytes: 0 });
        return { nodeid, attr, entryTtlMs, attrTtlMs: DIRECTORY_ATTR_TTL_MS };
      }
      case 'moment':
        if (inode === undefined) throw new FsError(Errno.ESTALE, `ino ${node.ino} at r${node.at}`);
        return { ...fixed, attr: attrOfNode(nodeid, inode) };
      case 'version':
        return { ...fixed, attr: attrOfVersion(nodeid, node.version, inode) };
      default: {
        const type = node.kind === 'link' ? S_IFLNK : S_IFREG;
        const sizeBytes = sizeOf(node);
        return {
          ...fixed,
          attr: attrOfOwn(nodeid, type, { ownership: node.ownership, sizeBytes }),
        };
      }
    }
  }

  /** What the version that a node shows was promised. */
  async #tierOf(node: MomentNode | VersionNode): Promise<string | undefined> {
    if (node.kind === 'moment') return this.#options.findTier?.(node.ino);
    const past = await this.#past.find(node);
    const { ino, revision } = node.version;
    const kept = await past?.listKept();
    return kept?.find((each) => each.ino === ino && each.revision === revision)?.tier;
  }

  /** The inode behind a node of the past, as it was. */
  async #findInode(node: VirtualNode): Promise<Node | undefined> {
    if (node.kind !== 'moment' && node.kind !== 'version') return undefined;
    return this.#inodes.find(...placeOf(node));
  }

  #getFile(nodeid: NodeId): FileNode {
    const node = this.#nodes.get(nodeid);
    if (node.kind === 'past') throw new FsError(Errno.EISDIR);
    if (node.kind === 'link') throw new FsError(Errno.ELOOP);
    return node;
  }

  #list(node: VirtualNode): Promise<readonly ListedNode[]> {
    if (node.kind === 'moment') return this.#listMoment(node);
    if (node.kind === 'past') return this.#listPast(node);
    throw new FsError(Errno.ENOTDIR);
  }

  async #listMoment(parent: MomentNode): Promise<readonly ListedNode[]> {
    const children = await this.#history.listChildren(parent.ino, parent.at);
    const listed = children.map(({ name, ino, type }) => {
      const node: VirtualNode = { kind: 'moment', ino, at: parent.at, isTop: false };
      return { name, ino: nodeIdOf(node), type: type & S_IFMT, node };
    });
    const isTaken = children.some(({ name }) => name === INCOMPLETE_NAME);
    const node = isTaken || !parent.isTop ? undefined : await this.#findIncomplete(parent);
    if (node === undefined) return listed;
    // Not told with its entry: its name may come to mean more.
    const ino = nodeIdOf(node);
    return byName([...listed, { name: INCOMPLETE_NAME, ino, type: S_IFREG, node: undefined }]);
  }

  async #listPast(where: PastNode): Promise<readonly ListedNode[]> {
    const past = await this.#past.get(where);
    const listed = new Map<Name, ListedNode>();
    const add = (name: Name, type: number, node: VirtualNode, isFixed: boolean): void => {
      listed.set(name, { name, ino: nodeIdOf(node), type, node: isFixed ? node : undefined });
    };
    const names = past.lineage ? await this.#history.listPastNames(past.lineage) : [];
    for (const { name } of names) {
      const shown = escapeName(name);
      const path = [...past.path, name];
      if (shown !== undefined) add(shown, S_IFDIR, { kind: 'past', dir: past.dir, path }, false);
    }
    if (past.path.length === 0) add(STATUS_NAME, S_IFREG, await this.#makeStatus(past), false);
    const file = past.path.at(-1);
    if (file === undefined || past.file === undefined) return byName([...listed.values()]);
    const { versions } = past.file;
    for (const version of versions) {
      add(versionName(file, version), version.mode & S_IFMT, versionNode(past, version), true);
    }
    for (const [name, version] of [
      [LATEST_NAME, versions.at(-1)],
      [PREVIOUS_NAME, versions.at(-2)],
    ] as const) {
      if (version) add(name, S_IFLNK, await this.#makeLink(past, name, version), false);
    }
    add(INDEX_NAME, S_IFREG, await this.#makeIndex(past), false);
    return byName([...listed.values()]);
  }

  async #makeLink(past: Past, name: Name, version: Version): Promise<LinkNode> {
    const ownership = { ...(await this.#past.ownershipOf(past)), permissions: 0o777 };
    const target = versionName(past.path.at(-1) ?? name, version);
    const link = { kind: 'link', dir: past.dir, path: past.path, name, target } as const;
    return { ...link, ownership: { ...ownership, time: version.time } };
  }

  async #makeIndex(past: Past): Promise<IndexNode> {
    const file = past.file ?? { versions: [], liveIno: undefined, removed: undefined };
    const { digest, sizeBytes } = layOutIndex(past.path, file, await past.listKept());
    const above = await this.#past.ownershipOf(past);
    const last = file.versions.at(-1);
    // It tells hashes and commands: only who could read the file may read it.
    const ownership =
      last === undefined
        ? { ...above, permissions: above.permissions & READ_ONLY_BITS }
        : { ...above, permissions: last.mode & READ_ONLY_BITS, uid: last.uid, gid: last.gid };
    return { kind: 'index', dir: past.dir, path: past.path, digest, sizeBytes, ownership };
  }

  async #makeStatus(past: Past): Promise<TextNode> {
    const above = await this.#past.ownershipOf(past);
    return {
      kind: 'text',
      parent: nodeIdOf({ kind: 'past', dir: past.dir, path: past.path }),
      name: STATUS_NAME,
      content: renderStatus(this.#history.status(), this.#options.status()),
      ownership: { ...above, permissions: above.permissions & READ_ONLY_BITS },
    };
  }

  /** The list of what retention has taken from a moment's tree; undefined if all is there. */
  async #findIncomplete(top: MomentNode): Promise<TextNode | undefined> {
    const missing = (await this.#history.listMissing?.(top.ino, top.at)) ?? [];
    const node = missing.length > 0 ? await this.#findInode(top) : undefined;
    if (node === undefined || !isDirectory(node.mode)) return undefined;
    const permissions = node.mode & READ_ONLY_BITS;
    return {
      kind: 'text',
      parent: nodeIdOf(top),
      name: INCOMPLETE_NAME,
      content: Buffer.from(missing.map(({ path }) => `${path}\n`).join(''), 'latin1'),
      ownership: { permissions, uid: node.uid, gid: node.gid, time: node.mtime },
    };
  }
}

function versionNode(past: Past, version: Version): VirtualNode {
  const lineage = past.file ? lineageOf(past.file) : '';
  return { kind: 'version', dir: past.dir, path: past.path, version, lineage };
}

function sizeOf(node: IndexNode | LinkNode | TextNode): number {
  if (node.kind === 'index') return node.sizeBytes;
  return node.kind === 'link' ? node.target.length : node.content.length;
}

/** In byte order: names have one char per byte. */
function byName(listed: ListedNode[]): ListedNode[] {
  return listed.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}
