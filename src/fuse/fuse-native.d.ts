/**
 * fuse-native 2.2.6 as far as the second driver uses it: the module comes without types.
 */

declare module 'fuse-native' {
  /** A negative errno, 0, or a number of bytes. */
  type Done = (result: number) => void;
  type DoneWith<T> = (errno: number, value?: T) => void;

  export interface NativeStat {
    mode: number;
    uid: number;
    gid: number;
    size: number;
    nlink: number;
    ino: number;
    rdev: number;
    blksize: number;
    blocks: number;
    /** Milliseconds, whole. */
    atime: number;
    mtime: number;
    ctime: number;
  }

  export interface NativeStatfs {
    bsize: number;
    frsize: number;
    blocks: number;
    bfree: number;
    bavail: number;
    files: number;
    ffree: number;
    favail: number;
    namemax: number;
  }

  export interface NativeOperations {
    getattr(path: string, done: DoneWith<NativeStat>): void;
    fgetattr(path: string, handle: number, done: DoneWith<NativeStat>): void;
    statfs(path: string, done: DoneWith<NativeStatfs>): void;
    readdir(
      path: string,
      done: (errno: number, names?: string[], stats?: Partial<NativeStat>[]) => void,
    ): void;
    readlink(path: string, done: DoneWith<string>): void;
    truncate(path: string, size: number, done: Done): void;
    ftruncate(path: string, handle: number, size: number, done: Done): void;
    utimens(path: string, atimeMs: number, mtimeMs: number, done: Done): void;
    chown(path: string, uid: number, gid: number, done: Done): void;
    chmod(path: string, mode: number, done: Done): void;
    mknod(path: string, mode: number, device: number, done: Done): void;
    mkdir(path: string, mode: number, done: Done): void;
    symlink(target: string, path: string, done: Done): void;
    link(path: string, newPath: string, done: Done): void;
    unlink(path: string, done: Done): void;
    rmdir(path: string, done: Done): void;
    rename(path: string, newPath: string, done: Done): void;
    open(path: string, flags: number, done: DoneWith<number>): void;
    create(path: string, mode: number, done: DoneWith<number>): void;
    read(
      path: string,
      handle: number,
      into: Buffer,
      length: number,
      offset: number,
      done: Done,
    ): void;
    write(
      path: string,
      handle: number,
      data: Buffer,
      length: number,
      offset: number,
      done: Done,
    ): void;
    release(path: string, handle: number, done: Done): void;
    fsync(path: string, dataOnly: number, handle: number, done: Done): void;
    setxattr(
      path: string,
      name: string,
      value: Buffer,
      position: number,
      flags: number,
      done: Done,
    ): void;
    getxattr(path: string, name: string, position: number, done: DoneWith<Buffer>): void;
    listxattr(path: string, done: DoneWith<string[]>): void;
    removexattr(path: string, name: string, done: Done): void;
  }

  interface NativeOptions {
    allowOther?: boolean;
    defaultPermissions?: boolean;
    fsname?: string;
    subtype?: string;
    timeout?: number | false;
  }

  export default class Fuse {
    constructor(mountPoint: string, operations: NativeOperations, options: NativeOptions);
    mount(done: (error: Error | null) => void): void;
    unmount(done: (error: Error | null) => void): void;
  }
}
