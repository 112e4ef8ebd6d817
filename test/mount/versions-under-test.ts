/**
 * A `.versions` tree over a history in memory, and the ways in which a kernel would ask it.
 */

import type { DirSink, Entry } from '../../src/fuse/file-system.ts';
import { VersionsTree } from '../../src/mount/versions-tree.ts';
import type { Ino, Name, NodeId, Revision } from '../../src/shared/brands.ts';
import { FsError } from '../../src/shared/errors.ts';
import { nameFromText } from '../../src/shared/names.ts';
import { FakeHistory } from './versions-fake-history.ts';

export const ROOT = 1 as Ino;

export interface Told {
  readonly name: string;
  readonly ino: number;
  readonly type: number;
  readonly cookie: number;
  readonly entry: Entry | undefined;
}

export class TreeUnderTest {
  readonly history = new FakeHistory();
  readonly checkpoints = new Map<string, number>();
  tree: VersionsTree;

  constructor() {
    this.tree = this.#makeTree();
  }

  /** Another server over the same history. */
  restart(): void {
    this.tree = this.#makeTree();
  }

  /** Walks from the `.versions` of a live directory. */
  async walk(path: string, dir = ROOT): Promise<Entry | undefined> {
    return this.walkNames(path.split('/').filter(Boolean).map(nameFromText), dir);
  }

  async walkNames(names: readonly Name[], dir = ROOT): Promise<Entry | undefined> {
    let entry: Entry | undefined = await this.tree.rootEntry(dir);
    for (const name of names) entry = entry && (await this.tree.lookup(entry.nodeid, name));
    return entry;
  }

  async at(path: string, dir = ROOT): Promise<Entry> {
    const entry = await this.walk(path, dir);
    if (entry === undefined) throw new Error(`No ${path}`);
    return entry;
  }

  async cat(path: string, dir = ROOT): Promise<string> {
    return this.readWhole(await this.at(path, dir));
  }

  /** @throws {Error} If it is not exactly as long as its attributes tell. */
  async readWhole({ nodeid, attr }: Entry): Promise<string> {
    await this.tree.open(nodeid, 0);
    const content = Buffer.from(await this.tree.read(nodeid, 0, attr.size + 4096));
    this.tree.release(nodeid);
    if (content.length !== attr.size) throw new Error(`Read ${content.length} of ${attr.size}`);
    return content.toString();
  }

  /** Reads a directory in replies of so many entries each. */
  async list(
    nodeid: NodeId,
    options: { plus?: boolean; perReply?: number; fh?: number } = {},
  ): Promise<Told[]> {
    const fh = options.fh ?? this.tree.opendir(nodeid).fh;
    const told: Told[] = [];
    let before = -1;
    while (told.length > before) {
      const start = told.length;
      const sink: DirSink = {
        plus: options.plus ?? false,
        add: (name, ino, type, cookie, entry) => {
          if (told.length - start >= (options.perReply ?? 3)) return false;
          told.push({ name, ino, type, cookie, entry });
          return true;
        },
      };
      before = start;
      await this.tree.readdir(nodeid, fh, told.at(-1)?.cookie ?? 0, sink);
    }
    if (options.fh === undefined) this.tree.releasedir(fh);
    return told;
  }

  /** The names without "." and "..". */
  async ls(path: string, dir = ROOT): Promise<string[]> {
    const told = await this.list((await this.at(path, dir)).nodeid);
    return told.slice(2).map(({ name }) => name);
  }

  #makeTree(): VersionsTree {
    return new VersionsTree({
      history: this.history,
      clock: this.history.clock,
      findCheckpoint: (name) => this.checkpoints.get(name) as Revision | undefined,
      status: () => ({ durable: { revision: 1 }, promises: { tier: 'persistent' } }),
      findTier: () => 'standard',
      explain: (file) =>
        Promise.resolve(
          file.versions.map(({ ino, revision }) => ({
            ino,
            revision,
            keptUntilMs: revision === 2 ? Date.UTC(2027, 0, 2) : Infinity,
            why: 'daily version of tier persistent',
            tier: 'persistent',
          })),
        ),
      pathOf: (dir) => this.history.pathOf(dir),
    });
  }
}

/** The errno with which something fails; undefined if it does not. */
export async function errnoOf(action: Promise<unknown>): Promise<number | undefined> {
  try {
    await action;
  } catch (error) {
    if (error instanceof FsError) return error.errno;
    throw error;
  }
  return undefined;
}
