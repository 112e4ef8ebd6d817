/**
 * What is different between two moments of a tree: a walk of both at once, that skips what is the same.
 *
 * An inode whose content revision is the same in both has the same bytes; otherwise sizes, then hashes
 * decide, so that a rewrite with the same bytes is no difference.
 */

import type { TreeChange, TreeDifference } from '../control/protocol.ts';
import { HASHED_MAX_BYTES } from '../history/hasher.ts';
import type { History, Node, NodeEntry } from '../history/store.ts';
import type { Name, Revision } from '../shared/brands.ts';
import { fileKind, isDirectory, isRegular, S_IFMT } from '../shared/mode.ts';
import { nameToText } from '../shared/names.ts';
import { compareTime } from '../shared/time.ts';
import type { Located } from './volume-paths.ts';

/** A comparison with more differences is cut off: nobody reads it, and it is held in memory. */
const MAX_DIFFERENCES = 100_000;

interface Side {
  readonly node: Node;
  readonly revision: Revision;
}

interface Walk {
  readonly history: History;
  readonly signal: AbortSignal;
  readonly found: TreeDifference[];
}

export async function compareTrees(
  history: History,
  options: { from: Located; to: Located; signal: AbortSignal },
): Promise<{ differences: TreeDifference[]; truncated: boolean }> {
  const { from, to, signal } = options;
  const walk: Walk = { history, signal, found: [] };
  await compareNodes(walk, [], from, to);
  return {
    differences: walk.found.slice(0, MAX_DIFFERENCES),
    truncated: walk.found.length > MAX_DIFFERENCES,
  };
}

async function compareNodes(
  walk: Walk,
  path: readonly Name[],
  before: Side,
  after: Side,
): Promise<void> {
  if (walk.signal.aborted || walk.found.length > MAX_DIFFERENCES) return;
  const change = await findChange(walk.history, before, after);
  if (change !== undefined) report(walk, change, path, before.node, after.node);
  if (isDirectory(before.node.mode) && isDirectory(after.node.mode)) {
    await compareChildren(walk, path, before, after);
  }
}

async function compareChildren(
  walk: Walk,
  path: readonly Name[],
  before: Side,
  after: Side,
): Promise<void> {
  const { history } = walk;
  const old = await history.listChildren(before.node.ino, before.revision);
  const now = await history.listChildren(after.node.ino, after.revision);
  for (const [left, right] of pairByName(old, now)) {
    const name = left?.name ?? right?.name;
    if (name === undefined) continue;
    const below = [...path, name];
    const was = left && (await history.findNode(left.ino, before.revision));
    const is = right && (await history.findNode(right.ino, after.revision));
    if (was !== undefined && is !== undefined) {
      await compareNodes(
        walk,
        below,
        { node: was, revision: before.revision },
        { node: is, revision: after.revision },
      );
    } else if (was !== undefined) {
      await reportTree(walk, 'removed', below, { node: was, revision: before.revision });
    } else if (is !== undefined) {
      await reportTree(walk, 'added', below, { node: is, revision: after.revision });
    }
  }
}

/** Both lists are in byte order. */
function* pairByName(
  left: readonly NodeEntry[],
  right: readonly NodeEntry[],
): Generator<[NodeEntry | undefined, NodeEntry | undefined]> {
  let l = 0;
  let r = 0;
  while (l < left.length || r < right.length) {
    const a = left[l];
    const b = right[r];
    if (a !== undefined && (b === undefined || a.name < b.name)) {
      yield [a, undefined];
      l += 1;
    } else if (b !== undefined && (a === undefined || b.name < a.name)) {
      yield [undefined, b];
      r += 1;
    } else {
      yield [a, b];
      l += 1;
      r += 1;
    }
  }
}

/** A whole subtree that only one side has: each thing in it is one difference. */
async function reportTree(
  walk: Walk,
  change: 'added' | 'removed',
  path: readonly Name[],
  side: Side,
): Promise<void> {
  if (walk.signal.aborted || walk.found.length > MAX_DIFFERENCES) return;
  if (change === 'removed') report(walk, change, path, side.node, undefined);
  else report(walk, change, path, undefined, side.node);
  if (!isDirectory(side.node.mode)) return;
  for (const entry of await walk.history.listChildren(side.node.ino, side.revision)) {
    const node = await walk.history.findNode(entry.ino, side.revision);
    if (node === undefined) continue;
    await reportTree(walk, change, [...path, entry.name], { node, revision: side.revision });
  }
}

async function findChange(
  history: History,
  before: Side,
  after: Side,
): Promise<TreeChange | undefined> {
  const a = before.node;
  const b = after.node;
  if ((a.mode & S_IFMT) !== (b.mode & S_IFMT)) return 'type';
  if (isRegular(a.mode) && !(await isSameContent(history, before, after))) return 'content';
  if (a.target !== b.target || a.rdev !== b.rdev) return 'content';
  return hasSameAttributes(a, b) ? undefined : 'attributes';
}

async function isSameContent(history: History, before: Side, after: Side): Promise<boolean> {
  const a = before.node;
  const b = after.node;
  if (a.ino === b.ino && a.contentRevision === b.contentRevision) return true;
  if (a.size !== b.size) return false;
  if (a.size === 0) return true;
  // It was written to: that is all that can be told soon.
  if (a.size > HASHED_MAX_BYTES) return false;
  const hashes = [
    await history.hash(a.ino, before.revision),
    await history.hash(b.ino, after.revision),
  ];
  return hashes[0] === hashes[1];
}

/** Times of directories change with every entry: they say nothing that the entries do not. */
function hasSameAttributes(a: Node, b: Node): boolean {
  if (a.mode !== b.mode || a.uid !== b.uid || a.gid !== b.gid) return false;
  if (!isDirectory(a.mode) && compareTime(a.mtime, b.mtime) !== 0 && a.ino === b.ino) return false;
  if (a.xattrs.size !== b.xattrs.size) return false;
  for (const [name, value] of a.xattrs) {
    const other = b.xattrs.get(name);
    if (other === undefined || !Buffer.from(value).equals(other)) return false;
  }
  return true;
}

function report(
  walk: Walk,
  change: TreeChange,
  path: readonly Name[],
  before: Node | undefined,
  after: Node | undefined,
): void {
  const joined = path.join('/');
  walk.found.push({
    change,
    path: joined,
    text: joined === '' ? '.' : nameToText(joined),
    kind: fileKind((after ?? before)?.mode ?? 0),
    sizeBefore: before?.size,
    sizeAfter: after?.size,
  });
}
