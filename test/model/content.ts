/**
 * The content of a file in the model: bytes, and which of them were ever written.
 *
 * Immutable: every change makes a new one that shares the pages it did not touch, so that the tree can be
 * remembered at every revision.
 */

const PAGE_BYTES = 1 << 16;

/** Written bytes from start to end; sorted, apart from one another. */
interface Range {
  readonly start: number;
  readonly end: number;
}

export class Content {
  static readonly EMPTY = new Content(0, [], []);

  readonly size: number;
  readonly #pages: readonly (Buffer | undefined)[];
  readonly #written: readonly Range[];

  private constructor(
    size: number,
    pages: readonly (Buffer | undefined)[],
    written: readonly Range[],
  ) {
    this.size = size;
    this.#pages = pages;
    this.#written = written;
  }

  static from(bytes: Buffer): Content {
    return Content.EMPTY.write(0, bytes);
  }

  get allocated(): number {
    return this.#written.reduce((sum, { start, end }) => sum + end - start, 0);
  }

  write(offset: number, bytes: Uint8Array): Content {
    if (bytes.length === 0) return this;
    const end = offset + bytes.length;
    const pages = this.#put(offset, end, (at, length) =>
      bytes.subarray(at - offset, at - offset + length),
    );
    const written = join([...without(this.#written, offset, end), { start: offset, end }]);
    return new Content(Math.max(this.size, end), pages, written);
  }

  /** Makes a hole; the size stays. */
  clear(start: number, end: number): Content {
    const last = Math.min(end, this.#pages.length * PAGE_BYTES);
    const pages = start >= last ? this.#pages : this.#put(start, last, () => undefined);
    return new Content(this.size, pages, without(this.#written, start, end));
  }

  resize(size: number): Content {
    const kept = size < this.size ? this.clear(size, this.size) : this;
    return new Content(size, kept.#pages.slice(0, Math.ceil(size / PAGE_BYTES)), kept.#written);
  }

  /** Takes a range of another file, holes included. */
  take(source: Content, from: number, at: number, length: number): Content {
    const shift = at - from;
    let taken: Content = this.clear(at, at + length);
    for (const range of source.#written) {
      const start = Math.max(range.start, from);
      const end = Math.min(range.end, from + length);
      if (start < end) taken = taken.write(start + shift, source.bytes(start, end));
    }
    return new Content(Math.max(this.size, at + length), taken.#pages, taken.#written);
  }

  bytes(start = 0, end = this.size): Buffer {
    const last = Math.min(end, this.size);
    const result = Buffer.alloc(Math.max(0, last - start));
    for (let at = start; at < last;) {
      const page = Math.floor(at / PAGE_BYTES);
      const pageEnd = Math.min(last, (page + 1) * PAGE_BYTES);
      this.#pages[page]?.copy(
        result,
        at - start,
        at - page * PAGE_BYTES,
        pageEnd - page * PAGE_BYTES,
      );
      at = pageEnd;
    }
    return result;
  }

  equals(other: Content): boolean {
    if (this === other) return true;
    if (this.size !== other.size) return false;
    const count = Math.max(this.#pages.length, other.#pages.length);
    for (let page = 0; page < count; page++) {
      const a = this.#pages[page];
      const b = other.#pages[page];
      if (a !== b && !(a ?? ZEROS).equals(b ?? ZEROS)) return false;
    }
    return true;
  }

  /** As SEEK_DATA and SEEK_HOLE; undefined where lseek(2) says ENXIO. */
  seek(offset: number, want: 'data' | 'hole'): number | undefined {
    if (offset >= this.size) return undefined;
    const range = this.#written.find(({ end }) => end > offset);
    const isInside = range !== undefined && range.start <= offset;
    if (want === 'hole') return isInside ? Math.min(range.end, this.size) : offset;
    return range === undefined ? undefined : Math.max(range.start, offset);
  }

  #put(
    start: number,
    end: number,
    bytesAt: (at: number, length: number) => Uint8Array | undefined,
  ): (Buffer | undefined)[] {
    const pages = [...this.#pages];
    while (pages.length * PAGE_BYTES < end) pages.push(undefined);
    for (let at = start; at < end;) {
      const index = Math.floor(at / PAGE_BYTES);
      const pageStart = index * PAGE_BYTES;
      const until = Math.min(end, pageStart + PAGE_BYTES);
      const bytes = bytesAt(at, until - at);
      const before = pages[index];
      if (bytes !== undefined || before !== undefined) {
        const page = before === undefined ? Buffer.alloc(PAGE_BYTES) : Buffer.from(before);
        if (bytes === undefined) page.fill(0, at - pageStart, until - pageStart);
        else page.set(bytes, at - pageStart);
        pages[index] = page;
      }
      at = until;
    }
    return pages;
  }
}

const ZEROS = Buffer.alloc(PAGE_BYTES);

function without(ranges: readonly Range[], start: number, end: number): Range[] {
  return ranges.flatMap((range) =>
    [
      { start: range.start, end: Math.min(range.end, start) },
      { start: Math.max(range.start, end), end: range.end },
    ].filter((piece) => piece.start < piece.end),
  );
}

function join(ranges: Range[]): Range[] {
  const joined: Range[] = [];
  for (const range of ranges.toSorted((a, b) => a.start - b.start)) {
    const last = joined.at(-1);
    if (last !== undefined && last.end === range.start) {
      joined[joined.length - 1] = { start: last.start, end: range.end };
    } else {
      joined.push(range);
    }
  }
  return joined;
}
