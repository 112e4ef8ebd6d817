/**
 * One thing of a volume as an entry of a tar archive: the plain header, and the pax records that make
 * it exact (nanoseconds, long and strange names, large ids, extended attributes).
 */

import type { Header } from 'tar-stream';

import type { Node } from '../history/store.ts';
import { fileKind } from '../shared/mode.ts';
import { isUtf8Name } from '../shared/names.ts';
import type { Time } from '../shared/time.ts';
import type { PaxRecord } from './pax.ts';

/** What fits into the fields of a ustar header. */
const NAME_FIELD_BYTES = 100;
const ID_FIELD_MAX = 0o777777;
const SIZE_FIELD_MAX = 0o77777777777;
const TIME_FIELD_MAX = 0x7fffffff;

const TYPES = {
  file: 'file',
  directory: 'directory',
  symlink: 'symlink',
  fifo: 'fifo',
  block: 'block-device',
  char: 'character-device',
  socket: undefined,
} as const;

/** What tar-stream does not get it makes up itself, the same each time but for the time. */
export type EntryHeader = Partial<Header> & Pick<Header, 'name' | 'mtime'>;

export interface TarEntry {
  readonly header: EntryHeader;
  readonly pax: readonly PaxRecord[];
}

/**
 * Describes an entry.
 *
 * @param options.path Below the root of the archive, one char per byte; a directory ends in "/".
 * @param options.linkTo For a further name of a file that is in the archive already: the first one.
 * @returns undefined for a socket: tar has no word for it.
 */
export function describeEntry(
  node: Node,
  options: { path: string; linkTo: string | undefined },
): TarEntry | undefined {
  const { path, linkTo } = options;
  const kind = TYPES[fileKind(node.mode)];
  if (kind === undefined) return undefined;
  const type = linkTo === undefined ? kind : 'link';
  const linkName = linkTo ?? node.target;
  const size = type === 'file' ? node.size : 0;
  const header: EntryHeader = {
    name: plainName(path),
    type,
    // With the type bits it is never 0, which tar-stream would take for "not given".
    mode: node.mode,
    uid: node.uid > ID_FIELD_MAX ? 0 : node.uid,
    gid: node.gid > ID_FIELD_MAX ? 0 : node.gid,
    size,
    mtime: new Date(Math.min(Math.max(node.mtime.sec, 0), TIME_FIELD_MAX) * 1000),
    ...(linkName === undefined ? {} : { linkname: plainName(linkName) }),
    ...(type === 'block-device' || type === 'character-device' ? deviceOf(node.rdev) : {}),
  };
  return { header, pax: paxRecords(node, { path, linkName, size }) };
}

function paxRecords(
  node: Node,
  options: { path: string; linkName: string | undefined; size: number },
): PaxRecord[] {
  const { path, linkName, size } = options;
  const records: PaxRecord[] = [];
  if (!isUtf8Name(path) || !isUtf8Name(linkName ?? '')) records.push(['hdrcharset', 'BINARY']);
  if (plainName(path) !== path) records.push(['path', path]);
  if (linkName !== undefined && plainName(linkName) !== linkName)
    records.push(['linkpath', linkName]);
  records.push(['mtime', paxTime(node.mtime)]);
  if (node.uid > ID_FIELD_MAX) records.push(['uid', String(node.uid)]);
  if (node.gid > ID_FIELD_MAX) records.push(['gid', String(node.gid)]);
  if (size > SIZE_FIELD_MAX) records.push(['size', String(size)]);
  const names = [...node.xattrs.keys()].toSorted();
  for (const name of names) {
    records.push([`SCHILY.xattr.${name}`, node.xattrs.get(name) ?? new Uint8Array()]);
  }
  return records;
}

/** The name where it fits; otherwise a stand-in for readers that know no pax. */
function plainName(path: string): string {
  // tar-stream would encode what is not ASCII once more.
  const ascii = path.replaceAll(/[^\u0020-\u007E]/g, '_');
  return ascii.length <= NAME_FIELD_BYTES
    ? ascii
    : ascii.slice(ascii.length - NAME_FIELD_BYTES).replace(/^\/+/, '_');
}

/** Seconds with a fraction; before the epoch the fraction still counts forward from the second. */
export function paxTime({ sec, nsec }: Time): string {
  if (nsec === 0) return String(sec);
  const total = BigInt(sec) * 1_000_000_000n + BigInt(nsec);
  const sign = total < 0n ? '-' : '';
  const digits = (total < 0n ? -total : total).toString().padStart(10, '0');
  return `${sign}${digits.slice(0, -9)}.${digits.slice(-9)}`.replace(/0+$/, '');
}

/** As the kernel packs a device number into 32 bits (new_decode_dev). */
function deviceOf(rdev: number): { devmajor: number; devminor: number } {
  return { devmajor: (rdev >>> 8) & 0xfff, devminor: (rdev & 0xff) | ((rdev >>> 12) & 0xfff00) };
}
