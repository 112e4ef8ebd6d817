/**
 * The nodes that are not inodes of the live tree, and their nodeids: 2^52 and above, below 2^53.
 *
 * INVARIANT: a nodeid is a function of what the node is: the same node has the same nodeid in every
 * server, and whatever can change about a node's content is part of what it is. The kernel may
 * therefore cache pages, symlinks and attributes of a virtual node; only names change what they mean.
 *
 * A nodeid, from the highest bit: 1, tag (2 bits), then
 *   tag 1, 2  a node of a moment's tree, its top: ino (24 bits), revision (26 bits)
 *   tag 3     the `.versions` of a live directory: ino (50 bits)
 *   tag 0     anything else, and what does not fit: 50 bits of the SHA-1 of its description
 * The first three need no memory, however large a tree is walked, and survive a restart even under an
 * open file. Those of tag 0 are remembered until the kernel forgets them, and kept for the next server in
 * a NodeStore; an unknown one is ESTALE, on which the kernel looks the path up again.
 */

import { createHash } from 'node:crypto';
import type { Version } from '../history/store.ts';
import { INO_MAX } from '../shared/brands.ts';
import type { Ino, Name, NodeId, Revision } from '../shared/brands.ts';
import { unreachable } from '../shared/assert.ts';
import { Errno } from '../shared/errno.ts';
import { FsError } from '../shared/errors.ts';
import type { Time } from '../shared/time.ts';

/** Names below the `.versions` of a live directory; an empty path is that `.versions` itself. */
export interface PastPath {
  readonly dir: Ino;
  readonly path: readonly Name[];
}

/** Whose a virtual node is, and from when. */
export interface Ownership {
  /** Permission bits, without the type. */
  readonly permissions: number;
  readonly uid: number;
  readonly gid: number;
  readonly time: Time;
}

/** What a name holds now or held once: versions of a file, past names of a directory, or both. */
export interface PastNode extends PastPath {
  readonly kind: 'past';
}

/** An inode as it was. */
export interface MomentNode {
  readonly kind: 'moment';
  readonly ino: Ino;
  readonly at: Revision;
  /** The directory `@…` itself, which may have an `.incomplete`. */
  readonly isTop: boolean;
}

export interface VersionNode extends PastPath {
  readonly kind: 'version';
  readonly version: Version;
  /** The name of the file's history, see lineageOf. */
  readonly lineage: string;
}

/** `index.json` as it is at one state of a history; written out when it is read. */
export interface IndexNode extends PastPath {
  readonly kind: 'index';
  /** Of all of it but the hashes: a history that went on has another node. */
  readonly digest: string;
  readonly sizeBytes: number;
  readonly ownership: Ownership;
}

/** `latest`, `previous`: one node for each target they ever had. */
export interface LinkNode extends PastPath {
  readonly kind: 'link';
  readonly name: Name;
  readonly target: string;
  readonly ownership: Ownership;
}

/** A small text, written out at lookup. */
export interface TextNode {
  readonly kind: 'text';
  /** The directory that it is in. */
  readonly parent: NodeId;
  readonly name: Name;
  readonly content: Buffer;
  readonly ownership: Ownership;
}

export type VirtualNode = PastNode | MomentNode | VersionNode | IndexNode | LinkNode | TextNode;

export const VIRTUAL_BASE = 2 ** 52;
const TAG_SPAN = 2 ** 50;
const REVISION_SPAN = 2 ** 26;
const INO_SPAN = 2 ** 24;
const TAG_HASHED = 0;
const TAG_MOMENT = 1;
const TAG_MOMENT_TOP = 2;
const TAG_PAST_ROOT = 3;

/**
 * How many hashed nodes are remembered. The kernel holds as many as somebody lists at a time, and
 * forgets them under pressure; one dropped too early only costs a lookup.
 */
const DEFAULT_MAX_NODES = 100_000;

/** Where the next server of the same connection finds the nodes that the kernel was told. */
export interface NodeStore {
  /** It should be restarted with what the kernel still knows. */
  readonly isFull: boolean;
  remember(nodeid: NodeId, node: VirtualNode): void;
  /** One that an earlier server has remembered. */
  find(nodeid: NodeId): VirtualNode | undefined;
  forget(nodeid: NodeId): void;
  restart(held: Iterable<readonly [NodeId, VirtualNode]>): void;
}

interface Held {
  readonly key: string;
  readonly node: VirtualNode;
  /** How many lookups the kernel has not yet forgotten. */
  lookups: number;
}

export class VirtualNodes {
  readonly #maxNodes: number;
  readonly #store: NodeStore | undefined;
  /** In order of use: the first goes first. */
  readonly #held = new Map<NodeId, Held>();

  constructor(maxNodes = DEFAULT_MAX_NODES, store?: NodeStore) {
    this.#maxNodes = maxNodes;
    this.#store = store;
  }

  /** How many are remembered. */
  get size(): number {
    return this.#held.size;
  }

  /** The nodeid of a node, which from now on can be found by it. */
  register(node: VirtualNode): NodeId {
    const packed = packNodeId(node);
    if (packed !== undefined) return packed;
    const key = describe(node);
    const nodeid = hashNodeId(key);
    const held = this.#held.get(nodeid);
    if (held !== undefined && held.key !== key) {
      throw new FsError(Errno.EIO, `nodeid ${nodeid} of two nodes: ${held.key}, ${key}`);
    }
    this.#held.delete(nodeid);
    this.#held.set(nodeid, { key, node, lookups: held?.lookups ?? 0 });
    if (this.#held.size > this.#maxNodes) this.#dropOldest();
    return nodeid;
  }

  /** The kernel was told this nodeid in a reply that counts as a lookup. */
  retain(nodeid: NodeId): void {
    const held = this.#held.get(nodeid);
    if (held === undefined) return;
    held.lookups += 1;
    if (held.lookups > 1 || this.#store === undefined) return;
    if (this.#store.isFull) this.#store.restart(this.#known());
    else this.#store.remember(nodeid, held.node);
  }

  /** What the kernel has been told and has not forgotten. */
  *#known(): Generator<readonly [NodeId, VirtualNode]> {
    for (const [nodeid, { node, lookups }] of this.#held) if (lookups > 0) yield [nodeid, node];
  }

  forget(nodeid: NodeId, count: number): void {
    this.#store?.forget(nodeid);
    const held = this.#held.get(nodeid);
    if (held === undefined) return;
    held.lookups -= count;
    if (held.lookups <= 0) this.#held.delete(nodeid);
  }

  /** @throws {FsError} ESTALE If it is not known (any more). */
  get(nodeid: NodeId): VirtualNode {
    const packed = unpackNodeId(nodeid);
    if (packed) return packed;
    const held = this.#held.get(nodeid) ?? this.#recall(nodeid);
    if (held === undefined) throw new FsError(Errno.ESTALE, `nodeid ${nodeid}`);
    this.#held.delete(nodeid);
    this.#held.set(nodeid, held);
    return held.node;
  }

  #recall(nodeid: NodeId): Held | undefined {
    const node = this.#store?.find(nodeid);
    return node && { key: describe(node), node, lookups: 1 };
  }

  #dropOldest(): void {
    for (const nodeid of this.#held.keys()) {
      this.#held.delete(nodeid);
      return;
    }
  }
}

/** The nodeid of a node, without remembering it: what a listing tells as d_ino. */
export function nodeIdOf(node: VirtualNode): NodeId {
  return packNodeId(node) ?? hashNodeId(describe(node));
}

function packNodeId(node: VirtualNode): NodeId | undefined {
  if (node.kind === 'past' && node.path.length === 0) {
    return (VIRTUAL_BASE + TAG_PAST_ROOT * TAG_SPAN + node.dir) as NodeId;
  }
  if (node.kind !== 'moment' || node.ino >= INO_SPAN || node.at >= REVISION_SPAN) return undefined;
  const tag = node.isTop ? TAG_MOMENT_TOP : TAG_MOMENT;
  return (VIRTUAL_BASE + tag * TAG_SPAN + node.ino * REVISION_SPAN + node.at) as NodeId;
}

function unpackNodeId(nodeid: NodeId): VirtualNode | undefined {
  const tag = Math.floor((nodeid - VIRTUAL_BASE) / TAG_SPAN);
  const rest = nodeid % TAG_SPAN;
  if (tag === TAG_HASHED || tag > TAG_PAST_ROOT) return undefined;
  if (tag === TAG_PAST_ROOT && rest > INO_MAX) return undefined;
  if (tag === TAG_PAST_ROOT) return { kind: 'past', dir: rest as Ino, path: [] };
  return {
    kind: 'moment',
    ino: Math.floor(rest / REVISION_SPAN) as Ino,
    at: (rest % REVISION_SPAN) as Revision,
    isTop: tag === TAG_MOMENT_TOP,
  };
}

function hashNodeId(description: string): NodeId {
  const digest = createHash('sha1').update(description, 'latin1').digest();
  // 48 bits and the two highest of the next byte; as a number all of it is exact.
  return (VIRTUAL_BASE + digest.readUIntBE(0, 6) * 4 + (digest.readUInt8(6) >>> 6)) as NodeId;
}

/** All that tells a node from every other; "/" and NUL are in no name. */
function describe(node: VirtualNode): string {
  switch (node.kind) {
    case 'past':
      return `past\0${pathKey(node)}`;
    case 'moment':
      return `moment\0${node.ino}\0${node.at}\0${node.isTop}`;
    case 'version':
      return `version\0${pathKey(node)}\0${node.version.ino}\0${node.version.revision}`;
    case 'index':
      return `index\0${pathKey(node)}\0${node.digest}`;
    case 'link':
      return `link\0${pathKey(node)}\0${node.name}\0${node.target}`;
    case 'text':
      return `text\0${node.parent}\0${node.name}\0${node.content.toString('latin1')}`;
    default:
      return unreachable(node);
  }
}

export function pathKey(node: PastPath): string {
  return `${node.dir}/${node.path.join('/')}`;
}
