/**
 * The kernel's FUSE protocol as numbers: opcodes, flags, sizes and offsets of <linux/fuse.h> 7.45.
 *
 * Reference, no logic. Every number is little-endian on the wire. Offsets are from the start of the
 * message for what is read, and from the start of the structure for what is written.
 *
 * Source: Linux 6.18 include/uapi/linux/fuse.h
 */

export const PROTOCOL_MAJOR = 7;
/** The newest minor that this driver knows; the kernel's own may be lower or higher. */
export const PROTOCOL_MINOR = 45;
/** Before 7.31 there is no FUSE_NO_OPENDIR_SUPPORT, and structures differ before 7.23. */
export const PROTOCOL_MINOR_MIN = 31;

export const Opcode = {
  LOOKUP: 1,
  FORGET: 2,
  GETATTR: 3,
  SETATTR: 4,
  READLINK: 5,
  SYMLINK: 6,
  MKNOD: 8,
  MKDIR: 9,
  UNLINK: 10,
  RMDIR: 11,
  RENAME: 12,
  LINK: 13,
  OPEN: 14,
  READ: 15,
  WRITE: 16,
  STATFS: 17,
  RELEASE: 18,
  FSYNC: 20,
  SETXATTR: 21,
  GETXATTR: 22,
  LISTXATTR: 23,
  REMOVEXATTR: 24,
  FLUSH: 25,
  INIT: 26,
  OPENDIR: 27,
  READDIR: 28,
  RELEASEDIR: 29,
  FSYNCDIR: 30,
  GETLK: 31,
  SETLK: 32,
  SETLKW: 33,
  ACCESS: 34,
  CREATE: 35,
  INTERRUPT: 36,
  BMAP: 37,
  DESTROY: 38,
  IOCTL: 39,
  POLL: 40,
  NOTIFY_REPLY: 41,
  BATCH_FORGET: 42,
  FALLOCATE: 43,
  READDIRPLUS: 44,
  RENAME2: 45,
  LSEEK: 46,
  COPY_FILE_RANGE: 47,
  SYNCFS: 50,
  TMPFILE: 51,
  STATX: 52,
  COPY_FILE_RANGE_64: 53,
} as const;

/** Above every opcode that has a row in the dispatch table. */
export const OPCODE_LIMIT = 64;

const OPCODE_NAMES = new Map<number, string>(
  Object.entries(Opcode).map(([name, opcode]) => [opcode, name]),
);

export function opcodeName(opcode: number): string {
  return OPCODE_NAMES.get(opcode) ?? `opcode ${opcode}`;
}

/** fuse_init_out.flags, bits 0 to 31. */
export const InitFlag = {
  ASYNC_READ: 1 << 0,
  ATOMIC_O_TRUNC: 1 << 3,
  BIG_WRITES: 1 << 5,
  DO_READDIRPLUS: 1 << 13,
  READDIRPLUS_AUTO: 1 << 14,
  ASYNC_DIO: 1 << 15,
  NO_OPEN_SUPPORT: 1 << 17,
  PARALLEL_DIROPS: 1 << 18,
  MAX_PAGES: 1 << 22,
  CACHE_SYMLINKS: 1 << 23,
  NO_OPENDIR_SUPPORT: 1 << 24,
  EXPLICIT_INVAL_DATA: 1 << 25,
  HANDLE_KILLPRIV_V2: 1 << 28,
  INIT_EXT: 1 << 30,
} as const;

/** fuse_init_out.flags2: bits 32 to 63 of the same set, shifted down. */
export const InitFlag2 = {
  NO_EXPORT_SUPPORT: 1 << 6,
  HAS_RESEND: 1 << 7,
} as const;

export const FOPEN_DIRECT_IO = 1 << 0;
export const FOPEN_KEEP_CACHE = 1 << 1;
export const FOPEN_NONSEEKABLE = 1 << 2;
export const FOPEN_CACHE_DIR = 1 << 3;

export const FATTR_MODE = 1 << 0;
export const FATTR_UID = 1 << 1;
export const FATTR_GID = 1 << 2;
export const FATTR_SIZE = 1 << 3;
export const FATTR_ATIME = 1 << 4;
export const FATTR_MTIME = 1 << 5;
export const FATTR_FH = 1 << 6;
export const FATTR_ATIME_NOW = 1 << 7;
export const FATTR_MTIME_NOW = 1 << 8;
export const FATTR_CTIME = 1 << 10;
export const FATTR_KILL_SUIDGID = 1 << 11;

export const FUSE_GETATTR_FH = 1 << 0;
export const FUSE_OPEN_KILL_SUIDGID = 1 << 0;
export const FUSE_WRITE_CACHE = 1 << 0;
export const FUSE_WRITE_KILL_SUIDGID = 1 << 2;
export const FUSE_FSYNC_FDATASYNC = 1 << 0;

export const O_TRUNC = 0o1000;
export const O_CREAT = 0o100;

/** Notifications: fuse_out_header with unique 0 and one of these in place of the error. */
export const NOTIFY_INVAL_INODE = 2;
export const NOTIFY_INVAL_ENTRY = 3;
export const NOTIFY_RESEND = 7;

/** STATX_BASIC_STATS and STATX_BTIME: the whole of what Attr knows. */
export const STATX_MASK = 0x7ff | 0x800;

/** The smallest buffer that read(2) on the device accepts. */
export const MIN_READ_BUFFER_BYTES = 8192;

/** Offsets in fuse_in_header, and its size: where each operation's own structure begins. */
export const IN_OPCODE = 4;
export const IN_UNIQUE = 8;
export const IN_NODEID = 16;
export const IN_UID = 24;
export const IN_GID = 28;
export const IN_PID = 32;
export const IN_EXTLEN = 36;
export const IN_HEADER_BYTES = 40;

/** Bit 63 of `unique`, seen in its upper word: the request is sent for the second time. */
export const UNIQUE_RESEND_HIGH = 0x80000000;

export const OUT_HEADER_BYTES = 16;

/** Sizes of what is answered. */
export const ATTR_BYTES = 88;
export const ENTRY_OUT_BYTES = 40 + ATTR_BYTES;
export const ATTR_OUT_BYTES = 16 + ATTR_BYTES;
export const OPEN_OUT_BYTES = 16;
export const WRITE_OUT_BYTES = 8;
export const STATFS_OUT_BYTES = 80;
export const XATTR_SIZE_OUT_BYTES = 8;
export const LSEEK_OUT_BYTES = 8;
export const COPY_64_OUT_BYTES = 8;
export const STATX_OUT_BYTES = 32 + 256;
export const INIT_OUT_BYTES = 64;
export const DIRENT_BYTES = 24;

/** Where WRITE's data begins: behind fuse_in_header and fuse_write_in. */
export const WRITE_DATA_OFFSET = IN_HEADER_BYTES + 40;
