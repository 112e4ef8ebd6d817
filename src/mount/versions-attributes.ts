/**
 * What stat(2) tells of virtual nodes.
 *
 * Rule: st_ino is the nodeid and not the number that the inode had: programs that compare (diff, cp,
 * tar) take two files of one number on one device for one file, and would not look at the content.
 */

import type { Attr } from '../fuse/file-system.ts';
import type { Node, Version } from '../history/store.ts';
import type { NodeId } from '../shared/brands.ts';
import type { Ownership } from './virtual-nodes.ts';

const BLOCK_BYTES = 512;

/** Of what sessfs makes itself: directories of versions, links, rendered texts. */
export function attrOfOwn(
  nodeid: NodeId,
  type: number,
  options: { ownership: Ownership; sizeBytes: number },
): Attr {
  const { permissions, uid, gid, time } = options.ownership;
  return {
    ino: nodeid,
    size: options.sizeBytes,
    blocks: Math.ceil(options.sizeBytes / BLOCK_BYTES),
    atime: time,
    mtime: time,
    ctime: time,
    btime: time,
    mode: type | permissions,
    // For a directory: "unknown number of subdirectories", as btrfs has it.
    nlink: 1,
    uid,
    gid,
    rdev: 0,
  };
}

/** Of an inode in a moment's tree: all as it was. */
export function attrOfNode(nodeid: NodeId, node: Node): Attr {
  return {
    ino: nodeid,
    size: node.size,
    blocks: node.blocks,
    atime: node.atime,
    mtime: node.mtime,
    ctime: node.ctime,
    btime: node.btime,
    mode: node.mode,
    nlink: node.nlink,
    uid: node.uid,
    gid: node.gid,
    rdev: node.rdev,
  };
}

/**
 * Of a version.
 *
 * @param node The inode at the version's revision; undefined if that revision removed it.
 */
export function attrOfVersion(nodeid: NodeId, version: Version, node: Node | undefined): Attr {
  return {
    ino: nodeid,
    size: version.size,
    blocks: node?.blocks ?? Math.ceil(version.size / BLOCK_BYTES),
    atime: node?.atime ?? version.mtime,
    mtime: version.mtime,
    ctime: node?.ctime ?? version.time,
    btime: node?.btime ?? version.time,
    mode: version.mode,
    // Its other names were those of the live file; here it has one.
    nlink: 1,
    uid: version.uid,
    gid: version.gid,
    rdev: node?.rdev ?? 0,
  };
}
