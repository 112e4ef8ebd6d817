/**
 * The packs of a volume, for reading: those that are open, and the frames that were unpacked last.
 */

import type { Disk } from './disk.ts';
import { OpenFiles } from './open-files.ts';
import { PackFile } from './pack-file.ts';

/** A reader goes from one to the next; a file of many versions is in a few of them. */
const PACKS_MAX = 16;

/** 64 frames: unpacking one takes a millisecond. */
const FRAMES_MAX_BYTES = 16 * 1024 * 1024;

/** Frames of a pack are fewer than this. */
const FRAME_SPAN = 2 ** 20;

export class Packs {
  readonly #open: OpenFiles<number, PackFile>;
  /** In order of use, the oldest first. */
  readonly #frames = new Map<number, Buffer>();
  #bytes = 0;

  constructor(disk: Disk, dir: string, volumeId: string) {
    this.#open = new OpenFiles((id) => new PackFile(disk, dir, { volumeId, id }), PACKS_MAX);
  }

  /** An unpacked frame, not to be changed. */
  frame(pack: number, frame: number): Buffer {
    return (
      this.findFrame(pack, frame) ?? this.#keep(pack, frame, this.#open.get(pack).readFrame(frame))
    );
  }

  /** The same if it need not be read. */
  findFrame(pack: number, frame: number): Buffer | undefined {
    const key = pack * FRAME_SPAN + frame;
    const found = this.#frames.get(key);
    if (found === undefined) return undefined;
    this.#frames.delete(key);
    this.#frames.set(key, found);
    return found;
  }

  async loadFrame(pack: number, frame: number): Promise<Buffer> {
    const bytes = await this.#open.withPinned(pack, (file) => file.readFrameAsync(frame));
    return this.findFrame(pack, frame) ?? this.#keep(pack, frame, bytes);
  }

  /** Lets go of a pack that no map refers to any more. */
  async drop(pack: number): Promise<void> {
    for (const [key, { length }] of this.#frames) {
      if (Math.floor(key / FRAME_SPAN) !== pack) continue;
      this.#frames.delete(key);
      this.#bytes -= length;
    }
    await this.#open.drop(pack);
  }

  closeAll(): void {
    this.#open.closeAll();
    this.#frames.clear();
    this.#bytes = 0;
  }

  #keep(pack: number, frame: number, bytes: Buffer): Buffer {
    this.#frames.set(pack * FRAME_SPAN + frame, bytes);
    this.#bytes += bytes.length;
    for (const [key, oldest] of this.#frames) {
      if (this.#bytes <= FRAMES_MAX_BYTES) break;
      this.#frames.delete(key);
      this.#bytes -= oldest.length;
    }
    return bytes;
  }
}
