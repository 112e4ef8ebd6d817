/**
 * A file of the log's directory that is being made: under another name until it is whole and on disk.
 *
 * Rule: what has its own name is whole. What was left behind under the other is removed by the next
 * cleaning.
 */

import type { Disk } from '../log/disk.ts';

const TEMPORARY = '.tmp';

/** True if the name is that of a file that was never finished. */
export const isUnfinished = (name: string): boolean =>
  name.endsWith(`.map${TEMPORARY}`) || name.endsWith(`.pack${TEMPORARY}`);

export class NewFile {
  readonly path: string;
  readonly #disk: Disk;
  readonly #temporary: string;
  #fd: number | undefined;
  /** Where the next bytes go. */
  size = 0;

  /** @param head Its first bytes. */
  constructor(disk: Disk, path: { dir: string; name: string }, head: Uint8Array) {
    const { dir, name } = path;
    this.#disk = disk;
    this.path = `${dir}/${name}`;
    this.#temporary = `${this.path}${TEMPORARY}`;
    if (disk.list(dir).includes(`${name}${TEMPORARY}`)) disk.remove(this.#temporary);
    this.#fd = disk.open(this.#temporary, 'wx+');
    try {
      this.append(head);
    } catch (error) {
      this.discard();
      throw error;
    }
  }

  append(bytes: Uint8Array): void {
    this.writeAt(bytes, this.size);
    this.size += bytes.length;
  }

  writeAt(bytes: Uint8Array, position: number): void {
    if (this.#fd === undefined) throw new Error('the file is finished');
    for (let done = 0; done < bytes.length;) {
      const rest = bytes.length - done;
      done += this.#disk.write(this.#fd, bytes, done, rest, position + done);
    }
  }

  /** Puts all of it on disk and gives it its name; that it has it is on disk when the directory is. */
  async finish(): Promise<void> {
    await this.sync();
    this.close();
    this.rename();
  }

  async sync(): Promise<void> {
    if (this.#fd !== undefined) await this.#disk.syncData(this.#fd);
  }

  close(): void {
    if (this.#fd !== undefined) this.#disk.close(this.#fd);
    this.#fd = undefined;
  }

  rename(): void {
    this.#disk.rename(this.#temporary, this.path);
  }

  /** Gives it up. */
  discard(): void {
    this.close();
    try {
      this.#disk.remove(this.#temporary);
    } catch {
      // It has its name by now, or the next cleaning removes it.
    }
  }
}
