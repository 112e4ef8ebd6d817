/**
 * From the paths that libfuse 2.9 speaks to the nodeids that a FileSystem speaks.
 *
 * Rule: an answer is remembered only for as long as the file system allows the kernel to; whatever may
 * move a name forgets everything below it. Names are UTF-8 here: this module hands over nothing else.
 */

import { Errno } from '../shared/errno.ts';
import { FsError } from '../shared/errors.ts';
import { nameFromText, NAME_MAX_BYTES, splitPath } from '../shared/names.ts';
import type { Name, NodeId } from '../shared/brands.ts';
import type { FileSystem, Request } from './file-system.ts';

const ROOT = 1 as NodeId;
const MAX_REMEMBERED = 10_000;

interface Remembered {
  readonly nodeid: NodeId;
  readonly untilMs: number;
}

export class NativePaths {
  readonly #fileSystem: FileSystem;
  readonly #request: Request;
  readonly #known = new Map<string, Remembered>();

  constructor(fileSystem: FileSystem, request: Request) {
    this.#fileSystem = fileSystem;
    this.#request = request;
  }

  /** @throws {FsError} ENOENT If a component is missing. */
  async resolve(path: string): Promise<NodeId> {
    let nodeid = ROOT;
    let walked = '';
    for (const name of splitPath(nameFromText(path))) {
      walked += `/${name}`;
      nodeid = this.#find(walked) ?? (await this.#lookup(nodeid, name, walked));
    }
    return nodeid;
  }

  /** The directory that holds the last component, and that component. */
  async resolveParent(path: string): Promise<{ parent: NodeId; name: Name }> {
    const at = path.lastIndexOf('/');
    const name = nameFromText(path.slice(at + 1));
    if (name.length > NAME_MAX_BYTES) throw new FsError(Errno.ENAMETOOLONG);
    return { parent: await this.resolve(path.slice(0, at)), name };
  }

  /** Names changed, or may have: everything is looked up again. */
  forgetAll(): void {
    this.#known.clear();
  }

  #find(walked: string): NodeId | undefined {
    const known = this.#known.get(walked);
    if (known === undefined) return undefined;
    if (known.untilMs > performance.now()) return known.nodeid;
    this.#known.delete(walked);
    return undefined;
  }

  async #lookup(parent: NodeId, name: Name, walked: string): Promise<NodeId> {
    if (name.length > NAME_MAX_BYTES) throw new FsError(Errno.ENAMETOOLONG);
    const entry = await this.#fileSystem.lookup(this.#request, parent, name);
    if (entry === undefined) throw new FsError(Errno.ENOENT);
    if (entry.entryTtlMs > 0) {
      if (this.#known.size >= MAX_REMEMBERED) this.#known.clear();
      const untilMs = performance.now() + entry.entryTtlMs;
      this.#known.set(walked, { nodeid: entry.nodeid, untilMs });
    }
    return entry.nodeid;
  }
}
