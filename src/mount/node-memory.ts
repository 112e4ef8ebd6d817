/**
 * The virtual nodes that the kernel knows, for the next server of the same connection: a file beside the
 * log, appended to at each lookup.
 *
 * Without it an open file or a working directory below `.versions` would be stale after a change of
 * server. It is a memory and no truth: what cannot be written or read is forgotten, and then looked up
 * again by the kernel where there is a path to look up.
 *
 * Layout: for each node its nodeid as a double, the length of what follows as u32 (both little-endian),
 * and the node as v8 serializes it. The last of a nodeid counts.
 */

import fs from 'node:fs';
import { deserialize, serialize } from 'node:v8';

import type { NodeId } from '../shared/brands.ts';
import { nodeIdOf } from './virtual-nodes.ts';
import type { NodeStore, VirtualNode } from './virtual-nodes.ts';

const HEADER_BYTES = 12;
/** 100,000 nodes of some 300 bytes. A file this large begins anew, with what the kernel still knows. */
const MAX_BYTES = 32 << 20;

export class NodeMemory implements NodeStore {
  #maxBytes: number;
  #fd: number | undefined;
  #bytes = 0;
  /** What the kernel knows from a predecessor, as records of the file. */
  readonly #inherited = new Map<NodeId, Buffer>();

  /** @param options.isResumed The kernel knows what an earlier server told it. */
  constructor(path: string, options: { readonly isResumed: boolean; readonly maxBytes?: number }) {
    this.#maxBytes = options.maxBytes ?? MAX_BYTES;
    try {
      if (options.isResumed) this.#read(path);
      this.#fd = fs.openSync(path, 'a', 0o600);
      // What an earlier connection knew, or half a record: what is appended then must be found.
      fs.ftruncateSync(this.#fd, this.#bytes);
    } catch {
      this.#close();
    }
  }

  get isFull(): boolean {
    return this.#bytes > this.#maxBytes;
  }

  remember(nodeid: NodeId, node: VirtualNode): void {
    const body = serialize(node);
    const record = Buffer.alloc(HEADER_BYTES + body.length);
    record.writeDoubleLE(nodeid, 0);
    record.writeUInt32LE(body.length, 8);
    body.copy(record, HEADER_BYTES);
    this.#append(record);
  }

  find(nodeid: NodeId): VirtualNode | undefined {
    const record = this.#inherited.get(nodeid);
    if (record === undefined) return undefined;
    try {
      const node = deserialize(record.subarray(HEADER_BYTES)) as VirtualNode;
      // Another version of the program may have had other nodes.
      return nodeIdOf(node) === nodeid ? node : undefined;
    } catch {
      return undefined;
    }
  }

  forget(nodeid: NodeId): void {
    this.#inherited.delete(nodeid);
  }

  restart(held: Iterable<readonly [NodeId, VirtualNode]>): void {
    if (this.#fd === undefined) return;
    try {
      fs.ftruncateSync(this.#fd, 0);
      this.#bytes = 0;
    } catch {
      this.#close();
    }
    for (const record of this.#inherited.values()) this.#append(record);
    for (const [nodeid, node] of held) this.remember(nodeid, node);
    this.#maxBytes = Math.max(this.#maxBytes, 2 * this.#bytes);
  }

  #append(record: Buffer): void {
    if (this.#fd === undefined) return;
    try {
      const written = fs.writeSync(this.#fd, record);
      this.#bytes += written;
      // What comes after half a record could not be found.
      if (written < record.length) this.#close();
    } catch {
      this.#close();
    }
  }

  #read(path: string): void {
    const bytes = fs.existsSync(path) ? fs.readFileSync(path) : Buffer.alloc(0);
    while (this.#bytes + HEADER_BYTES <= bytes.length) {
      const start = this.#bytes;
      const end = start + HEADER_BYTES + bytes.readUInt32LE(start + 8);
      if (end > bytes.length) return;
      this.#inherited.set(bytes.readDoubleLE(start) as NodeId, bytes.subarray(start, end));
      this.#bytes = end;
    }
  }

  #close(): void {
    if (this.#fd !== undefined) fs.closeSync(this.#fd);
    this.#fd = undefined;
  }
}
