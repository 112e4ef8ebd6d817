/**
 * A disk in memory whose names are no more certain than POSIX promises: of what was made, renamed and
 * removed since the last sync of the directory, a power cut keeps any part, in any order.
 */

import { MemoryDisk } from '../log/memory-disk.ts';

type File = NonNullable<ReturnType<MemoryDisk['files']['get']>>;

interface Change {
  readonly path: string;
  /** Undefined: the name is gone. */
  readonly file: File | undefined;
}

export class NamesDisk extends MemoryDisk {
  #durable = new Map<string, File>();
  #pending: Change[] = [];

  /** With all that another disk has, on the medium. */
  static from(disk: MemoryDisk, dir: string): NamesDisk {
    const copy = new NamesDisk();
    copy.makeDirectory(dir);
    for (const [path, { bytes }] of disk.files) copy.setBytes(path, bytes);
    copy.#durable = new Map(copy.files);
    return copy;
  }

  override open(path: string, flags: 'r' | 'r+' | 'wx+'): number {
    const fd = super.open(path, flags);
    if (flags === 'wx+') this.#change(path, this.files.get(path));
    return fd;
  }

  override rename(from: string, to: string): void {
    super.rename(from, to);
    this.#change(to, this.files.get(to));
    this.#change(from, undefined);
  }

  override remove(path: string): void {
    super.remove(path);
    this.#change(path, undefined);
  }

  override async syncData(fd: number): Promise<void> {
    const before = this.directorySyncs;
    const count = this.#pending.length;
    await super.syncData(fd);
    if (this.directorySyncs === before) return;
    for (const change of this.#pending.splice(0, count)) apply(this.#durable, change);
  }

  /** Of content nothing is left that was not synced, of names what `survives` says. */
  losePowerAndNames(survives: (index: number) => boolean): void {
    this.losePower(() => false);
    const kept = this.#pending.filter((_, index) => survives(index));
    for (const change of kept) apply(this.#durable, change);
    this.#pending = [];
    this.files.clear();
    for (const [path, file] of this.#durable) this.setBytes(path, file.durable);
    this.#durable = new Map(this.files);
  }

  #change(path: string, file: File | undefined): void {
    this.#pending.push({ path, file });
  }
}

function apply(names: Map<string, File>, { path, file }: Change): void {
  if (file === undefined) names.delete(path);
  else names.set(path, file);
}
