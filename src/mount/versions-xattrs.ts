/**
 * Extended attributes of what was: those that the file had, and what sessfs tells about it.
 *
 * Rule: on a version, `user.sessfs.*` are listed; in a moment's tree they can be asked for by name and
 * are not listed, so that a copy with all attributes is exactly what there was.
 */

import type { History, Node } from '../history/store.ts';
import { Errno } from '../shared/errno.ts';
import { FsError } from '../shared/errors.ts';
import { isRegular } from '../shared/mode.ts';
import { describeActor } from './versions-index.ts';
import type { MomentNode, VersionNode } from './virtual-nodes.ts';

const PREFIX = 'user.sessfs.';
const VERSION_XATTRS = ['revision', 'lineage', 'tier', 'hash', 'cause', 'actor'];

/** @param inode The inode as it was; undefined if that revision removed it. */
export function listXattrs(node: MomentNode | VersionNode, inode: Node | undefined): string[] {
  const own = [...(inode?.xattrs.keys() ?? [])].filter((name) => !name.startsWith(PREFIX));
  if (node.kind === 'moment') return own;
  return [...own, ...VERSION_XATTRS.map((name) => PREFIX + name)];
}

export interface TellOptions {
  readonly name: string;
  readonly history: Pick<History, 'hash'>;
  readonly tier: () => Promise<string | undefined>;
}

const WITHOUT_HASH: ReadonlySet<number> = new Set([Errno.ENODATA, Errno.EFBIG]);

/** @returns undefined if it has none of this name, or its content, and with it the hash, is gone. */
export async function findXattr(
  node: MomentNode | VersionNode,
  inode: Node | undefined,
  options: TellOptions,
): Promise<Uint8Array | undefined> {
  const { name } = options;
  if (!name.startsWith(PREFIX)) return inode?.xattrs.get(name);
  const text =
    node.kind === 'version'
      ? await describeVersion(node, { ...options, name: name.slice(PREFIX.length) })
      : await describeMoment(node, inode, { ...options, name: name.slice(PREFIX.length) });
  return text === undefined ? undefined : Buffer.from(text);
}

/** The SHA-256 of content as it was; undefined if retention has removed it, or it is too much to hash. */
export async function findHash(
  history: Pick<History, 'hash'>,
  ...where: Parameters<History['hash']>
): Promise<string | undefined> {
  try {
    return await history.hash(...where);
  } catch (error) {
    if (error instanceof FsError && WITHOUT_HASH.has(error.errno)) return undefined;
    throw error;
  }
}

async function describeVersion(
  node: VersionNode,
  { name, history, tier }: TellOptions,
): Promise<string | undefined> {
  const { version } = node;
  switch (name) {
    case 'revision':
      return String(version.revision);
    case 'lineage':
      return node.lineage;
    case 'tier':
      return tier();
    case 'hash':
      return findHash(history, version.ino, version.revision);
    case 'cause':
      return version.cause;
    case 'actor':
      return JSON.stringify(describeActor(version.actor));
    default:
      return undefined;
  }
}

async function describeMoment(
  node: MomentNode,
  inode: Node | undefined,
  options: TellOptions,
): Promise<string | undefined> {
  if (inode === undefined || !isRegular(inode.mode)) return undefined;
  switch (options.name) {
    case 'revision':
      return String(inode.contentRevision);
    case 'tier':
      return options.tier();
    case 'hash':
      return findHash(options.history, node.ino, node.at);
    default:
      return undefined;
  }
}
