/**
 * What each driver can do: one table, which `doctor` prints and the behaviour suite is gated on.
 *
 * Rule: a row is a fact about the driver, not about the volume behind it; each "no" and "partly" says
 * what a user sees.
 */

export type Driver = 'kernel' | 'fuse-native';
export type Support = 'yes' | 'partly' | 'no';

export interface Capability {
  readonly id: string;
  readonly title: string;
  readonly support: Readonly<Record<Driver, Support>>;
  /** What is different where it is not "yes". */
  readonly note?: string;
}

/** libfuse 2.9 through fuse-native 2.2.6 lacks it, the kernel protocol has it. */
const kernelOnly = (id: string, title: string, note: string): Capability => ({
  id,
  title,
  support: { kernel: 'yes', 'fuse-native': 'no' },
  note,
});

const kernelBetter = (id: string, title: string, note: string): Capability => ({
  id,
  title,
  support: { kernel: 'yes', 'fuse-native': 'partly' },
  note,
});

const both = (id: string, title: string, note?: string): Capability => ({
  id,
  title,
  support: { kernel: 'yes', 'fuse-native': 'yes' },
  ...(note === undefined ? {} : { note }),
});

export const CAPABILITIES: readonly Capability[] = [
  both('files', 'Files, directories, links, devices, fifos, sockets'),
  both('xattrs', 'Extended attributes'),
  both('locks', 'flock and fcntl locks', 'Kept by the kernel, in both drivers'),
  both('mmap', 'Shared and private mappings'),
  both('big-writes', 'Writes larger than a page', '1 MiB a message; 128 KiB with fuse-native'),
  kernelOnly('caller', "The caller's uid, gid and pid", 'New files belong to the session’s owner'),
  kernelOnly('rename-flags', 'renameat2: NOREPLACE, EXCHANGE', 'EINVAL'),
  kernelOnly('fallocate', 'fallocate: allocate, punch, zero', 'EOPNOTSUPP'),
  kernelOnly('seek-hole', 'SEEK_DATA and SEEK_HOLE', 'The whole file counts as data'),
  kernelOnly('copy-file-range', 'copy_file_range without copying', 'Bytes are read and written'),
  kernelOnly('tmpfile', 'O_TMPFILE', 'EOPNOTSUPP'),
  kernelOnly('birth-time', 'Birth time in statx', 'Not told'),
  kernelOnly('readdirplus', 'Attributes together with names', 'One message more for each entry'),
  kernelOnly('cache-control', 'Names and attributes cached for long', 'Cached for 1 s'),
  kernelOnly(
    'notifications',
    'Telling the kernel of changes',
    'After a rollback old content may show for 1 s',
  ),
  kernelOnly('resume', 'A server replaced without unmounting', 'Its end ends the mount'),
  kernelOnly('messageless-opens', 'Opens without a message', 'Each open is a message'),
  kernelOnly('suid-kill', 'suid cleared by the server', 'The kernel clears it with a chmod first'),
  kernelOnly('non-utf8-names', 'Names that are not UTF-8', 'They cannot be reached'),
  kernelOnly('fsyncdir', 'fsync of a directory', 'Answered without syncing'),
  kernelBetter(
    'nanoseconds',
    'Times to the nanosecond',
    'To the millisecond, none before 1970; mtime becomes what atime is set to',
  ),
  kernelBetter('utimens-one', 'Setting one of the two times', 'Ignored: both or none'),
  kernelBetter(
    'unlinked-open',
    'Files that are removed while open',
    'They stay as .fuse_hidden… until closed',
  ),
  kernelBetter('open-flags', 'O_SYNC and O_APPEND seen by the server', 'Not of files just created'),
  kernelBetter('large-inodes', 'Inode numbers above 32 bits', 'Shown modulo 2^32'),
  kernelBetter('xattr-range', 'ERANGE for a buffer too small', 'EINVAL or EIO'),
];

/** True if the driver does it fully: what a test asks before it runs. */
export function supports(driver: Driver, id: string): boolean {
  const row = CAPABILITIES.find((capability) => capability.id === id);
  return row !== undefined && row.support[driver] === 'yes';
}
