/**
 * A volume in this process, and somebody who works in it: what open(2), write(2), close(2) and the like
 * become, by path, with a clock that goes only when it is told to.
 */

import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { onTestFinished } from 'vitest';

import type { Version } from '../../src/history/store.ts';
import { VolumeHistory } from '../../src/history/volume-history.ts';
import { ROOT_INO } from '../../src/shared/brands.ts';
import type { ActorId, Ino, Name } from '../../src/shared/brands.ts';
import { splitPath } from '../../src/shared/names.ts';
import { timeFromMs } from '../../src/shared/time.ts';
import { setAttributes } from '../../src/volume/attributes.ts';
import { truncateFile, writeFile } from '../../src/volume/files.ts';
import {
  findChild,
  linkNode,
  makeNode,
  makeUnnamed,
  removeDirectory,
  renameNode,
  unlinkNode,
} from '../../src/volume/names.ts';
import type { Caller } from '../../src/volume/store.ts';
import { Volume } from '../../src/volume/volume.ts';

const O_WRONLY = 1;
export const DESK_VOLUME_ID = '5e55f5000000000000000000000000bb';

export class Desk {
  readonly dir: string;
  readonly volume: Volume;
  readonly history: VolumeHistory;
  readonly clock: { ms: number };
  #actor: ActorId;
  #left: Promise<void> | undefined;

  private constructor(dir: string, volume: Volume, clock: { ms: number }) {
    this.dir = dir;
    this.volume = volume;
    this.clock = clock;
    this.history = new VolumeHistory(volume);
    this.#actor = volume.internActor({ uid: 0, gid: 0, pid: 1, command: 'one' });
  }

  /** @param options.dir Where a volume is, or is to be; a new directory by default. */
  static async open(
    options: {
      dir?: string;
      segmentBytes?: number;
      cutIntervalMs?: number;
      clock?: { ms: number };
    } = {},
  ): Promise<Desk> {
    const dir = options.dir ?? fs.mkdtempSync(join(tmpdir(), 'sessfs-desk-'));
    const clock = options.clock ?? { ms: Date.UTC(2026, 10, 22, 10, 15) };
    const volume = await Volume.open({
      dir,
      volumeId: DESK_VOLUME_ID,
      clock: { now: () => timeFromMs(clock.ms) },
      create: { uid: 0, gid: 0, mode: 0o755 },
      ...(options.segmentBytes === undefined ? {} : { segmentBytes: options.segmentBytes }),
      ...(options.cutIntervalMs === undefined ? {} : { cutIntervalMs: options.cutIntervalMs }),
    });
    const desk = new Desk(dir, volume, clock);
    onTestFinished(async () => {
      await desk.leave();
      fs.rmSync(dir, { recursive: true, force: true });
    });
    return desk;
  }

  /** Closes the volume; what is in its directory stays until the test ends. */
  leave(): Promise<void> {
    this.#left ??= this.volume.close();
    return this.#left;
  }

  get caller(): Caller {
    return { unique: 0, uid: 0, gid: 0, pid: 1, actor: this.#actor };
  }

  /** From now on somebody else works here. */
  become(command: string): void {
    this.#actor = this.volume.internActor({ uid: 0, gid: 0, pid: 2, command });
  }

  ino(path: string): Ino {
    let ino = ROOT_INO;
    for (const name of splitPath(path)) {
      const inode = findChild(this.volume, ino, name);
      if (inode === undefined) throw new Error(`${path} is not there`);
      ino = inode.ino;
    }
    return ino;
  }

  /** open(2) for writing, made if it is not there. */
  open(path: string, options: { readonly truncate?: boolean } = {}): Ino {
    const { parent, name } = this.#place(path);
    const present = findChild(this.volume, parent, name);
    if (present !== undefined && options.truncate === true) {
      const how = { size: 0, hasHandle: true, killSuidGid: false };
      truncateFile(this.volume, this.caller, present.ino, how);
    }
    const node = { mode: 0o100644 };
    const inode = present ?? makeNode(this.volume, this.caller, { parent, name }, node);
    this.volume.cuts.opened(inode.ino, O_WRONLY);
    return inode.ino;
  }

  openUnnamed(): Ino {
    const { ino } = makeUnnamed(this.volume, this.caller, ROOT_INO, 0o100600);
    this.volume.cuts.opened(ino, O_WRONLY);
    return ino;
  }

  write(ino: Ino, text: string | Buffer, offset = 0): void {
    const data = typeof text === 'string' ? Buffer.from(text) : text;
    writeFile(this.volume, this.caller, ino, { offset, data, killSuidGid: false });
  }

  close(ino: Ino): void {
    this.volume.cuts.released(ino, O_WRONLY);
  }

  /** As `printf text > path`. */
  save(path: string, text: string | Buffer): Ino {
    const ino = this.open(path, { truncate: true });
    this.write(ino, text);
    this.close(ino);
    return ino;
  }

  truncate(path: string, size: number): void {
    setAttributes(this.volume, this.caller, this.ino(path), { size });
  }

  mkdir(path: string): void {
    makeNode(this.volume, this.caller, this.#place(path), { mode: 0o040755 });
  }

  rmdir(path: string): void {
    const { parent, name } = this.#place(path);
    removeDirectory(this.volume, this.caller, parent, name);
  }

  mv(from: string, to: string, flags = 0): void {
    const target = this.#place(to);
    const rename = { ...this.#place(from), newParent: target.parent, newName: target.name, flags };
    renameNode(this.volume, this.caller, rename);
  }

  ln(from: string | Ino, to: string): void {
    const ino = typeof from === 'string' ? this.ino(from) : from;
    linkNode(this.volume, this.caller, ino, this.#place(to));
  }

  rm(path: string): void {
    const { parent, name } = this.#place(path);
    unlinkNode(this.volume, this.caller, parent, name);
  }

  /** The versions of a path, oldest first: what each holds and why it was cut. */
  async versions(path: string): Promise<string[]> {
    await this.volume.cuts.settled();
    const told: string[] = [];
    for (const { ino, revision, size, cause } of await this.#listVersions(path)) {
      const bytes = await this.history.read(ino, revision, 0, size);
      told.push(`${cause} ${size > 100 ? `${size} bytes` : JSON.stringify(bytes.toString())}`);
    }
    return told;
  }

  /** Only what they hold. */
  async contents(path: string): Promise<string[]> {
    return (await this.versions(path)).map(
      (told) => JSON.parse(told.replace(/^\w+ /, '')) as string,
    );
  }

  async #listVersions(path: string): Promise<readonly Version[]> {
    const names = splitPath(path);
    const name = names.pop() as Name;
    let lineage = await this.history.findLineage(ROOT_INO);
    for (const dir of names) {
      const below = await this.history.findChildLineage(lineage, dir);
      if (below === undefined) throw new Error(`${path} never was`);
      lineage = below;
    }
    const history = await this.history.findFileHistory(lineage, name);
    return history?.versions ?? [];
  }

  #place(path: string): { parent: Ino; name: Name } {
    const names = splitPath(path);
    const name = names.pop() as Name;
    return { parent: this.ino(names.join('/')), name };
  }
}
