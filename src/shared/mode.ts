/**
 * File types and permission bits of st_mode, as in <linux/stat.h>.
 */

export const S_IFMT = 0o170000;
export const S_IFSOCK = 0o140000;
export const S_IFLNK = 0o120000;
export const S_IFREG = 0o100000;
export const S_IFBLK = 0o060000;
export const S_IFDIR = 0o040000;
export const S_IFCHR = 0o020000;
export const S_IFIFO = 0o010000;
export const S_ISUID = 0o4000;
export const S_ISGID = 0o2000;
export const S_ISVTX = 0o1000;
export const S_IXGRP = 0o010;
/** All permission bits, without the type. */
export const S_IALLUGO = 0o7777;

export const isDirectory = (mode: number): boolean => (mode & S_IFMT) === S_IFDIR;
export const isRegular = (mode: number): boolean => (mode & S_IFMT) === S_IFREG;
export const isSymlink = (mode: number): boolean => (mode & S_IFMT) === S_IFLNK;

/** True of what mknod(2) makes: directories and symlinks are made in ways of their own. */
export const isMknodType = (mode: number): boolean =>
  [S_IFREG, S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK].includes(mode & S_IFMT);

export type FileKind = 'file' | 'directory' | 'symlink' | 'fifo' | 'socket' | 'block' | 'char';

/** The word for the type in a mode, for people and JSON. */
export function fileKind(mode: number): FileKind {
  switch (mode & S_IFMT) {
    case S_IFDIR:
      return 'directory';
    case S_IFLNK:
      return 'symlink';
    case S_IFIFO:
      return 'fifo';
    case S_IFSOCK:
      return 'socket';
    case S_IFBLK:
      return 'block';
    case S_IFCHR:
      return 'char';
    default:
      return 'file';
  }
}
