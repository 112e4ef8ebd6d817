/**
 * The volume against the model: the live tree, the tree at a revision, the versions of a name.
 */

import { S_IFDIR } from '../../src/shared/mode.ts';
import type { Ino, Name, Revision } from '../../src/shared/brands.ts';
import type { Time } from '../../src/shared/time.ts';
import type { Node } from '../../src/history/store.ts';
import { seekFile } from '../../src/volume/files.ts';
import { FsError } from '../../src/shared/errors.ts';
import type { Content } from './content.ts';
import { isDir, isFile, ROOT, typeOf } from './model.ts';
import type { Model, ModelInode, ModelState } from './model.ts';
import { Difference } from './steps.ts';
import type { System } from './system.ts';

/** Where holes and data are looked for. */
const SEEKS = [0, 1, 4095, 4096, 100_000, 131_072, 1 << 20, (1 << 20) + 1, 3 << 20];

export function same(what: string, actual: unknown, expected: unknown): void {
  const a = JSON.stringify(actual);
  const b = JSON.stringify(expected);
  if (a === b) return;
  if (!Array.isArray(actual) || !Array.isArray(expected)) {
    throw new Difference(`${what}: the volume has ${a}, the model ${b}`);
  }
  const left = new Set(actual.map((item) => JSON.stringify(item)));
  const right = new Set(expected.map((item) => JSON.stringify(item)));
  const more = [...left].filter((item) => !right.has(item));
  const less = [...right].filter((item) => !left.has(item));
  throw new Difference(
    `${what}: ${actual.length} items, the model has ${expected.length}; ` +
      `only the volume has ${more.join(' ')}; only the model has ${less.join(' ')}`,
  );
}

const text = ({ sec, nsec }: Time): string => `${sec}.${nsec}`;

/** What is compared of an inode, live or as it was. */
function describe(inode: ModelInode): Record<string, unknown> {
  return {
    mode: inode.mode.toString(8),
    uid: inode.uid,
    gid: inode.gid,
    target: inode.target,
    xattrs: [...inode.xattrs].toSorted(([a], [b]) => (a < b ? -1 : 1)),
    atime: text(inode.atime),
    btime: text(inode.btime),
    ...(isDir(inode)
      ? {}
      : { nlink: inode.nlink, mtime: text(inode.mtime), ctime: text(inode.ctime) }),
    ...(isFile(inode)
      ? { size: inode.content.size, blocks: Math.ceil(inode.content.allocated / 512) }
      : {}),
  };
}

type Described = Pick<
  Node,
  | 'mode'
  | 'uid'
  | 'gid'
  | 'target'
  | 'atime'
  | 'btime'
  | 'nlink'
  | 'mtime'
  | 'ctime'
  | 'size'
  | 'blocks'
> & { readonly xattrs?: ReadonlyMap<string, Uint8Array> | undefined };

function describeNode(node: Described): Record<string, unknown> {
  const type = node.mode & 0o170000;
  const xattrs = [...(node.xattrs ?? [])].map(([name, value]) => [
    name,
    Buffer.from(value).toString(),
  ]);
  return {
    mode: node.mode.toString(8),
    uid: node.uid,
    gid: node.gid,
    target: node.target,
    xattrs: xattrs.toSorted(([a], [b]) => ((a ?? '') < (b ?? '') ? -1 : 1)),
    atime: text(node.atime),
    btime: text(node.btime),
    ...(type === S_IFDIR
      ? {}
      : { nlink: node.nlink, mtime: text(node.mtime), ctime: text(node.ctime) }),
    ...(type === 0o100000 ? { size: node.size, blocks: node.blocks } : {}),
  };
}

/** One live inode, whatever names it has. */
export function compareLiveInode(system: System, model: Model, ino: Ino): void {
  const inode = model.get(ino);
  const live = system.volume.state.findInode(ino);
  if (live === undefined) throw new Difference(`Inode ${ino} is not there`);
  same(`inode ${ino}`, describeNode(live), describe(inode));
  if (isDir(inode)) compareLiveDirectory(model, inode, live);
  if (!isFile(inode)) return;
  if (!system.readLive(ino, inode.content.size).equals(inode.content.bytes())) {
    throw new Difference(`inode ${ino}: other bytes than the model's`);
  }
  for (const offset of SEEKS) {
    for (const want of ['data', 'hole'] as const) {
      const actual = orUndefined(() => seekFile(system.volume, ino, offset, want));
      same(`inode ${ino}: ${want} from ${offset}`, actual, inode.content.seek(offset, want));
    }
  }
}

/** The live times and counts of a directory are exact; those of the past only to the second. */
function compareLiveDirectory(model: Model, inode: ModelInode, live: Described): void {
  let directories = 0;
  for (const child of inode.entries.values()) if (isDir(model.get(child))) directories += 1;
  const actual = [live.size, live.nlink, text(live.mtime), text(live.ctime)];
  const nlink = inode.nlink === 0 ? 0 : 2 + directories;
  const expected = [inode.entries.size, nlink, text(inode.mtime), text(inode.ctime)];
  same(`directory ${inode.ino}: size, nlink, mtime, ctime`, actual, expected);
}

function orUndefined<T>(find: () => T): T | undefined {
  try {
    return find();
  } catch (error) {
    if (error instanceof FsError) return undefined;
    throw error;
  }
}

/** The whole live tree, names and inodes, and the files that have no name any more but are open. */
export async function compareLive(
  system: System,
  model: Model,
  open: Iterable<Ino>,
): Promise<void> {
  const seen = new Set<Ino>();
  const walk = async (ino: Ino): Promise<void> => {
    const inode = model.get(ino);
    if (!seen.has(ino)) compareLiveInode(system, model, ino);
    seen.add(ino);
    if (!isDir(inode)) return;
    same(`names in ${ino}`, sorted(await system.listLive(ino)), sorted(inode.entries));
    for (const child of inode.entries.values()) await walk(child);
  };
  await walk(ROOT);
  for (const ino of open) if (!seen.has(ino)) compareLiveInode(system, model, ino);
  const inodes = [...seen].filter((ino) => model.get(ino).nlink > 0);
  const bytes = inodes.map((ino) => model.get(ino).content.allocated);
  const { inodes: count, liveBytes, versions } = system.volume.status();
  same(
    'inodes, bytes and versions in use',
    [count, liveBytes, versions],
    [inodes.length, bytes.reduce((sum, allocated) => sum + allocated, 0), model.versions.length],
  );
}

const sorted = (entries: ReadonlyMap<Name, Ino>): [Name, Ino][] =>
  [...entries].toSorted(([a], [b]) => (a < b ? -1 : 1));

/** The tree as it was, through what history offers. */
export async function compareMoment(
  system: System,
  model: Model,
  revision: Revision,
): Promise<void> {
  const state = model.getState(revision);
  const walk = async (ino: Ino): Promise<void> => {
    const inode = await compareNode(system, state, ino, revision);
    if (inode.entries.size === 0 && !isDir(inode)) return;
    const children = await system.history.listChildren(ino, revision);
    same(
      `r${revision}: names in ${ino}`,
      children.map((child) => [child.name, child.ino, child.type]),
      sorted(inode.entries).map(([name, child]) => [name, child, typeOf(getOf(state, child))]),
    );
    for (const { name, ino: child } of children) {
      const found = await system.history.findChild(ino, name, revision);
      same(`r${revision}: ${name} in ${ino}`, found?.ino, child);
      await walk(child);
    }
  };
  await walk(ROOT);
}

function getOf(state: ModelState, ino: Ino): ModelInode {
  const inode = state.inodes.get(ino);
  if (inode === undefined) throw new Difference(`The model had no inode ${ino} then`);
  return inode;
}

async function compareNode(
  system: System,
  state: ModelState,
  ino: Ino,
  revision: Revision,
): Promise<ModelInode> {
  const inode = getOf(state, ino);
  const what = `r${revision}: inode ${ino}`;
  const node = await system.history.findNode(ino, revision);
  if (node === undefined) throw new Difference(`${what}: is not there`);
  same(what, describeNode(node), describe(inode));
  if (isDir(inode)) same(`${what}: second of mtime`, node.mtime.sec, inode.mtime.sec);
  if (!isFile(inode)) return inode;
  same(`${what}: content since`, node.contentRevision, inode.contentRevision);
  await compareContent(system, { ino, revision, content: inode.content });
  return inode;
}

export async function compareContent(
  system: System,
  file: { readonly ino: Ino; readonly revision: Revision; readonly content: Content },
): Promise<void> {
  const { ino, revision, content } = file;
  const { history } = system;
  const what = `r${revision}: inode ${ino}`;
  const { size } = content;
  const bytes = await history.read(ino, revision, 0, size + 1);
  same(`${what}: length read`, bytes.length, size);
  if (!bytes.equals(content.bytes())) throw new Difference(`${what}: other bytes than the model's`);
  const start = Math.floor(size / 3);
  const part = await history.read(ino, revision, start, 5000);
  if (!part.equals(content.bytes(start, start + 5000))) {
    throw new Difference(`${what}: other bytes than the model's from ${start}`);
  }
  for (const offset of SEEKS) {
    if (offset > size) return;
    for (const want of ['data', 'hole'] as const) {
      const actual = await history.seek(ino, revision, offset, want);
      same(`${what}: ${want} from ${offset}`, actual, content.seek(offset, want));
    }
  }
}
