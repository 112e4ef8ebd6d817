/**
 * Writes packs: chunks come in, are gathered into frames, and frames into as many packs as it takes.
 *
 * Rule: memory is one frame and the tables of one pack. A pack has its name as soon as it is full or
 * finished; nothing refers to it before that is on disk.
 */

import { crc32 } from 'node:zlib';

import type { Disk } from '../log/disk.ts';
import {
  FRAME_BYTES,
  HASH_BYTES,
  encodePackHeader,
  encodePackTables,
  packName,
} from '../log/pack-format.ts';
import { compress } from '../log/zstd.ts';
import { NewFile } from './new-file.ts';

/** What a pack takes at most, but for its last frame: as large as a segment, and as easily copied. */
const DEFAULT_PACK_BYTES = 64 * 1024 * 1024;

/** Where a chunk is. */
export interface ChunkPlace {
  readonly pack: number;
  readonly frame: number;
  /** In the unpacked frame. */
  readonly offset: number;
}

export interface PackWriterOptions {
  readonly disk: Disk;
  readonly dir: string;
  readonly volumeId: string;
  /** A number that no pack has had. */
  readonly nextId: () => number;
  readonly packBytes?: number | undefined;
}

/** A frame of another pack that is taken over as it is. */
export interface StoredFrame {
  readonly bytes: Buffer;
  readonly raw: number;
  readonly crc: number;
  readonly lengths: readonly number[];
  readonly hashes: readonly Buffer[];
}

export class PackWriter {
  /** Of the packs that are finished. */
  readonly ids: number[] = [];
  /** What they take on disk. */
  storedBytes = 0;
  readonly #options: PackWriterOptions;
  readonly #frame = Buffer.allocUnsafeSlow(FRAME_BYTES);
  #frameLength = 0;
  #frameChunks = 0;
  #pack: OpenPack | undefined;

  constructor(options: PackWriterOptions) {
    this.#options = options;
  }

  /** @param bytes At most FRAME_BYTES. */
  async add(hash: Buffer, bytes: Uint8Array): Promise<ChunkPlace> {
    if (this.#frameLength + bytes.length > FRAME_BYTES) await this.#endFrame();
    const pack = (this.#pack ??= new OpenPack(this.#options));
    const offset = this.#frameLength;
    this.#frame.set(bytes, offset);
    this.#frameLength += bytes.length;
    this.#frameChunks += 1;
    pack.addChunk(hash, bytes.length);
    return { pack: pack.id, frame: pack.frames, offset };
  }

  /** Takes over a whole frame. @returns Where its first chunk is; the others follow. */
  async addFrame({ bytes, raw, crc, lengths, hashes }: StoredFrame): Promise<ChunkPlace> {
    await this.#endFrame();
    const pack = (this.#pack ??= new OpenPack(this.#options));
    for (const [i, length] of lengths.entries())
      pack.addChunk(hashes[i] ?? Buffer.alloc(0), length);
    const place = { pack: pack.id, frame: pack.frames, offset: 0 };
    pack.addFrame(bytes, { raw, crc, chunks: lengths.length });
    await this.#endFullPack();
    return place;
  }

  owns(pack: number): boolean {
    return pack === this.#pack?.id || this.ids.includes(pack);
  }

  /** Puts all of it on disk, but for the names: the directory has to be synced. */
  async finish(): Promise<void> {
    await this.#endFrame();
    await this.#endPack();
  }

  /** Makes a pack without anything in it, if there is none yet. */
  async finishEvenIfEmpty(): Promise<void> {
    if (this.ids.length === 0) this.#pack ??= new OpenPack(this.#options);
    await this.finish();
  }

  discard(): void {
    this.#pack?.file.discard();
    this.#pack = undefined;
  }

  async #endFrame(): Promise<void> {
    if (this.#frameChunks === 0) return;
    const raw = this.#frame.subarray(0, this.#frameLength);
    const bytes = compress(raw);
    const chunks = this.#frameChunks;
    this.#pack?.addFrame(bytes, { raw: raw.length, crc: crc32(bytes), chunks });
    this.#frameLength = 0;
    this.#frameChunks = 0;
    await this.#endFullPack();
  }

  async #endFullPack(): Promise<void> {
    const { packBytes = DEFAULT_PACK_BYTES } = this.#options;
    if ((this.#pack?.file.size ?? 0) >= packBytes) await this.#endPack();
  }

  async #endPack(): Promise<void> {
    const pack = this.#pack;
    if (pack === undefined) return;
    await pack.finish();
    this.ids.push(pack.id);
    this.storedBytes += pack.file.size;
    this.#pack = undefined;
  }
}

class OpenPack {
  readonly id: number;
  readonly file: NewFile;
  readonly #stored: number[] = [];
  readonly #raw: number[] = [];
  readonly #crcs: number[] = [];
  readonly #counts: number[] = [];
  readonly #lengths: number[] = [];
  readonly #hashes: Buffer[] = [];

  constructor({ disk, dir, volumeId, nextId }: PackWriterOptions) {
    this.id = nextId();
    const head = encodePackHeader({ volumeId, id: this.id });
    this.file = new NewFile(disk, { dir, name: packName(this.id) }, head);
  }

  get frames(): number {
    return this.#stored.length;
  }

  addChunk(hash: Buffer, length: number): void {
    this.#lengths.push(length);
    this.#hashes.push(Buffer.from(hash.subarray(0, HASH_BYTES)));
  }

  /** The chunks that were added since the last one. */
  addFrame(
    bytes: Uint8Array,
    { raw, crc, chunks }: { raw: number; crc: number; chunks: number },
  ): void {
    this.file.append(bytes);
    this.#stored.push(bytes.length);
    this.#raw.push(raw);
    this.#crcs.push(crc);
    this.#counts.push(chunks);
  }

  async finish(): Promise<void> {
    const frames = { stored: this.#stored, raw: this.#raw, crcs: this.#crcs };
    const hashes = Buffer.concat(this.#hashes);
    const chunks = { counts: this.#counts, lengths: this.#lengths, hashes };
    this.file.append(encodePackTables(frames, chunks));
    await this.file.finish();
  }
}
