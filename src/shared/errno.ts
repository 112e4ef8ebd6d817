/**
 * Error numbers as on Linux, the ones that a file system returns.
 *
 * Fixed here and not read from the host: they are part of the kernel protocol that src/fuse speaks.
 */

export const Errno = {
  EPERM: 1,
  ENOENT: 2,
  EINTR: 4,
  EIO: 5,
  ENXIO: 6,
  E2BIG: 7,
  EBADF: 9,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EBUSY: 16,
  EEXIST: 17,
  EXDEV: 18,
  ENODEV: 19,
  ENOTDIR: 20,
  EISDIR: 21,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  ENOTTY: 25,
  EFBIG: 27,
  ENOSPC: 28,
  EROFS: 30,
  EMLINK: 31,
  ERANGE: 34,
  ENAMETOOLONG: 36,
  ENOSYS: 38,
  ENOTEMPTY: 39,
  ELOOP: 40,
  ENODATA: 61,
  EPROTO: 71,
  EOVERFLOW: 75,
  EOPNOTSUPP: 95,
  ENOTCONN: 107,
  ESTALE: 116,
  EDQUOT: 122,
} as const;

export type Errno = (typeof Errno)[keyof typeof Errno];

const NAME_BY_ERRNO = new Map<number, string>(
  Object.entries(Errno).map(([name, value]) => [value, name]),
);

/** The symbol of an error number: "ENOENT", or "errno 42" for one that is not in the table. */
export function errnoName(errno: number): string {
  return NAME_BY_ERRNO.get(errno) ?? `errno ${errno}`;
}
