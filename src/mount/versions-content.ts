/**
 * What a virtual file holds: content as it was, read from history, or a text of ours.
 *
 * Rule: a text that was opened stays as it was opened, whatever happens to the history meanwhile.
 */

import type { NodeId } from '../shared/brands.ts';
import { Errno } from '../shared/errno.ts';
import { FsError } from '../shared/errors.ts';
import { fillInIndex, layOutIndex } from './versions-index.ts';
import type { PastFinder, VersionsHistory } from './versions-past.ts';
import { findHash } from './versions-xattrs.ts';
import type { IndexNode, MomentNode, TextNode, VersionNode } from './virtual-nodes.ts';

export type FileNode = VersionNode | MomentNode | IndexNode | TextNode;

/** Rendered indexes that are kept though nobody has them open. */
const MAX_IDLE_INDEXES = 4;

interface Rendering {
  readonly content: Promise<Buffer>;
  opens: number;
}

export class VersionsContent {
  readonly #history: VersionsHistory;
  readonly #past: PastFinder;
  readonly #indexes = new Map<NodeId, Rendering>();

  constructor(history: VersionsHistory, past: PastFinder) {
    this.#history = history;
    this.#past = past;
  }

  /**
   * Makes sure that a file can be read.
   *
   * @throws {FsError} ENODATA If retention has removed the content; ESTALE if the history of an
   *   `index.json` went on since it was looked up.
   */
  async open(nodeid: NodeId, node: FileNode): Promise<void> {
    if (node.kind === 'text') return;
    if (node.kind === 'index') {
      const rendering = this.#renderIndex(nodeid, node);
      rendering.opens += 1;
      await rendering.content.catch((error: unknown) => {
        rendering.opens -= 1;
        throw error;
      });
      return;
    }
    const [ino, at] = placeOf(node);
    await this.#history.read(ino, at, 0, 1);
  }

  release(nodeid: NodeId): void {
    const rendering = this.#indexes.get(nodeid);
    if (rendering) rendering.opens = Math.max(0, rendering.opens - 1);
    this.#dropIdleIndexes();
  }

  /** @returns Fewer bytes than asked for only at the end. */
  async read(
    nodeid: NodeId,
    node: FileNode,
    range: { offset: number; length: number },
  ): Promise<Uint8Array> {
    if (node.kind === 'text')
      return node.content.subarray(range.offset, range.offset + range.length);
    if (node.kind === 'index') {
      const content = await this.#renderIndex(nodeid, node).content;
      return content.subarray(range.offset, range.offset + range.length);
    }
    const [ino, at] = placeOf(node);
    return this.#history.read(ino, at, range.offset, range.length);
  }

  #renderIndex(nodeid: NodeId, node: IndexNode): Rendering {
    const known = this.#indexes.get(nodeid);
    if (known) return known;
    const rendering: Rendering = { content: this.#makeIndex(node), opens: 0 };
    this.#indexes.set(nodeid, rendering);
    rendering.content.then(
      () => this.#dropIdleIndexes(),
      () => this.#indexes.delete(nodeid),
    );
    return rendering;
  }

  async #makeIndex(node: IndexNode): Promise<Buffer> {
    const past = await this.#past.find(node);
    const layout = past?.file && layOutIndex(node.path, past.file, await past.listKept());
    if (past?.file === undefined || layout?.digest !== node.digest) {
      throw new FsError(Errno.ESTALE, 'index.json of a history that went on');
    }
    const hashes: (string | undefined)[] = [];
    // One after the other: they may be large, and share one disk with the session.
    for (const version of past.file.versions) {
      hashes.push(await findHash(this.#history, version.ino, version.revision));
    }
    return fillInIndex(layout, hashes);
  }

  #dropIdleIndexes(): void {
    const idle = [...this.#indexes].filter(([, rendering]) => rendering.opens === 0);
    for (const [nodeid] of idle.slice(0, Math.max(0, idle.length - MAX_IDLE_INDEXES))) {
      this.#indexes.delete(nodeid);
    }
  }
}

/** Where history keeps the content of a node. */
export function placeOf(node: VersionNode | MomentNode): Parameters<VersionsHistory['hash']> {
  return node.kind === 'moment' ? [node.ino, node.at] : [node.version.ino, node.version.revision];
}
