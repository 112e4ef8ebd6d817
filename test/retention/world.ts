/**
 * A volume with real content, what it ever was, and what is promised of it: swept on a clock of its own, and
 * compared.
 */

import fs from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';

import { AsOf } from '../../src/history/as-of.ts';
import { Space } from '../../src/index/keys.ts';
import { decodeInode, decodeMeta, decodeRegion } from '../../src/index/records.ts';
import type { Cleaner } from '../../src/retention/cleaner.ts';
import { Pledges } from '../../src/retention/pledges.ts';
import { Sweeper } from '../../src/retention/sweeper.ts';
import type { SweepReport, SweepRequest } from '../../src/retention/sweeper.ts';
import type { Ino, Name, Revision } from '../../src/shared/brands.ts';
import { NO_REVISION, ROOT_INO } from '../../src/shared/brands.ts';
import { Errno } from '../../src/shared/errno.ts';
import { FsError } from '../../src/shared/errors.ts';
import { timeFromMs } from '../../src/shared/time.ts';
import { Volume } from '../../src/volume/volume.ts';
import { Desk, DESK_VOLUME_ID } from '../volume/desk.ts';
import { Chronicle, describeAttributes } from './chronicle.ts';
import type { Thing } from './chronicle.ts';
import { DESIGN_POLICY, GENEROUS_POLICY, STRICT_POLICY } from './ladders.ts';
import type { OraclePolicy } from './ladders.ts';
import { Oracle } from './oracle.ts';
import type { Span } from './oracle.ts';

const POLICIES = [DESIGN_POLICY, GENEROUS_POLICY, STRICT_POLICY];

/** The volume and the oracle do not agree. */
class Disagreement extends Error {
  override readonly name = 'Disagreement';
}

function agree(what: string | (() => string), actual: unknown, expected: unknown): void {
  if (isDeepStrictEqual(actual, expected)) return;
  const [seen, wanted] = [JSON.stringify(actual), JSON.stringify(expected)];
  const told = typeof what === 'string' ? what : what();
  throw new Disagreement(`${told}: the volume has ${seen}, the oracle ${wanted}`);
}

export interface WorldOptions {
  readonly policy?: OraclePolicy;
  readonly segmentBytes?: number;
}

export class World {
  desk: Desk;
  readonly chronicle: Chronicle;
  readonly oracle: Oracle;
  /** Called for each volume object: the same volume, opened again, is another. */
  makeCleaner: ((volume: Volume) => Cleaner) | undefined;
  sessionEndedMs: number | undefined;
  readonly open = new Map<Ino, number>();
  #cleaner: Cleaner | undefined;
  readonly #options: WorldOptions;
  #horizon = 0;

  private constructor(desk: Desk, options: WorldOptions) {
    this.desk = desk;
    this.#options = options;
    this.chronicle = new Chronicle(desk.volume, POLICIES);
    this.oracle = new Oracle(this.chronicle);
    this.chronicle.watch(desk.volume);
  }

  static async make(options: WorldOptions = {}): Promise<World> {
    const { segmentBytes, policy = DESIGN_POLICY } = options;
    const desk = await Desk.open(segmentBytes === undefined ? {} : { segmentBytes });
    const world = new World(desk, options);
    world.pledges.setPolicy(policy.text);
    return world;
  }

  get volume(): Volume {
    return this.desk.volume;
  }

  get pledges(): Pledges {
    return new Pledges(this.volume);
  }

  get nowMs(): number {
    return this.desk.clock.ms;
  }

  pass(ms: number): void {
    this.desk.clock.ms += ms;
  }

  openFile(path: string): Ino {
    const ino = this.desk.open(path);
    this.open.set(ino, (this.open.get(ino) ?? 0) + 1);
    return ino;
  }

  closeFile(ino: Ino): void {
    this.desk.close(ino);
    const left = (this.open.get(ino) ?? 1) - 1;
    if (left > 0) this.open.set(ino, left);
    else this.open.delete(ino);
  }

  readonly isOpen = (ino: Ino): boolean => this.open.has(ino);

  /** Sweeps, compares what went with what the oracle says, and the report with what went. */
  async sweep(request: Partial<SweepRequest> = {}): Promise<SweepReport> {
    const { volume, desk, oracle } = this;
    await volume.cuts.settled();
    if (this.makeCleaner !== undefined) this.#cleaner ??= this.makeCleaner(volume);
    const day = { nowMs: this.nowMs, sessionEndedMs: this.sessionEndedMs, isOpen: this.isOpen };
    const expired = oracle.listExpired(day);
    const liveBefore = new Set(this.chronicle.live.keys());
    const report = await new Sweeper(volume, desk.history, this.#cleaner).run({
      nowMs: this.nowMs,
      sessionEndedMs: this.sessionEndedMs,
      isApplied: true,
      isConfirmed: true,
      isForced: true,
      clockProblem: undefined,
      ...request,
    });
    if (!report.isApplied) return report;
    const went = [...liveBefore].filter((key) => !this.chronicle.live.has(key));
    agree('live names that expired', went.toSorted(), [...expired].toSorted());
    oracle.sweep(day);
    const horizon = oracle.horizonOn(this.nowMs);
    const { state } = volume;
    if (state.horizon > Math.max(horizon, this.#horizon)) {
      throw new Disagreement(`the horizon is r${state.horizon}, promised is r${horizon}`);
    }
    this.#horizon = state.horizon;
    return report;
  }

  /** Closes the volume and opens it again. */
  async reopen(): Promise<void> {
    for (const ino of this.open.keys()) while (this.isOpen(ino)) this.closeFile(ino);
    const { dir, clock } = this.desk;
    await this.desk.leave();
    const { segmentBytes } = this.#options;
    this.desk = await Desk.open({
      dir,
      clock,
      ...(segmentBytes === undefined ? {} : { segmentBytes }),
    });
    this.#cleaner = undefined;
    const { times } = this.chronicle;
    // The actor of the new desk.
    while (times.length <= this.volume.state.revision) times.push(this.nowMs);
    this.chronicle.watch(this.volume);
  }

  /** A copy of the volume, opened with its index or with one made anew, says the same. */
  async compareCopy(options: { readonly withIndex: boolean }): Promise<void> {
    const before = await dumpIndex(this.volume);
    await this.volume.sync();
    const copy = fs.mkdtempSync(`${this.desk.dir}-copy-`);
    try {
      for (const part of options.withIndex ? ['log', 'index'] : ['log']) {
        fs.cpSync(join(this.desk.dir, part), join(copy, part), { recursive: true });
      }
      const volume = await openCopy(copy, this.desk.clock);
      const after = await dumpIndex(volume);
      await volume.close();
      const differences = [...new Set([...before.keys(), ...after.keys()])]
        .filter((key) => before.get(key) !== after.get(key))
        .map((key) => `${key}: ${before.get(key)} became ${after.get(key)}`);
      agree('the copy', differences, []);
    } finally {
      fs.rmSync(copy, { recursive: true });
    }
  }

  /** A log that was cut at any byte opens, and says the same with and without an index. */
  async cutLog(random: () => number): Promise<void> {
    await this.volume.sync();
    const copy = fs.mkdtempSync(`${this.desk.dir}-cut-`);
    try {
      fs.cpSync(join(this.desk.dir, 'log'), join(copy, 'log'), { recursive: true });
      // What it says was on disk for certain would make damage of this.
      fs.rmSync(join(copy, 'log', 'synced'), { force: true });
      const segments = fs.readdirSync(join(copy, 'log')).filter((name) => name.endsWith('.seg'));
      const last = join(copy, 'log', segments.toSorted().at(-1) ?? '');
      const { size } = fs.statSync(last);
      fs.truncateSync(last, size - Math.floor(random() * Math.min(size - 200, 20_000)));
      const cut = await openCopy(copy, this.desk.clock);
      const before = await dumpIndex(cut);
      await cut.close();
      fs.rmSync(join(copy, 'index'), { recursive: true });
      const anew = await openCopy(copy, this.desk.clock);
      const after = await dumpIndex(anew);
      await anew.close();
      agree('a log that was cut', [...after], [...before]);
    } finally {
      fs.rmSync(copy, { recursive: true });
    }
  }

  // --- what is compared ---------------------------------------------------------------------------

  /** Every version and content that ever was, of all things or some. */
  async compareContents(isWanted: (thing: Thing) => boolean = () => true): Promise<void> {
    await this.volume.cuts.settled();
    const versions = await this.#listVersionKeys();
    for (const thing of this.chronicle.things.values()) {
      if (!thing.isFile || !isWanted(thing)) continue;
      const left = thing.cuts.filter((cut) => !cut.isGone).map(({ revision }) => revision);
      agree(() => `versions of ${this.#tell(thing)}`, versions.get(thing.ino) ?? [], left);
      const last = thing.held.at(-1);
      if (thing.nlink > 0 && last?.isGone === true && last.bytes.length > 0) {
        throw new Disagreement(`${this.#tell(thing)} is live, and what it holds was removed`);
      }
      for (const span of this.oracle.spansOf(thing)) await this.#compareSpan(thing, span);
    }
  }

  async #compareSpan(thing: Thing, span: Span): Promise<void> {
    const { bytes, isGone } = span.held;
    const { horizon } = this.volume.state;
    const pins = new Set(this.oracle.pinsOf(thing));
    const end = Math.min(span.end, this.volume.state.revision + 1);
    const isPromised = (revision: number): boolean =>
      !isGone &&
      (revision >= horizon ||
        pins.has(revision) ||
        span.cuts.some((cut) => cut.revision === revision));
    const inside = [...pins].filter((revision) => revision >= span.start && revision < end);
    const revisions = new Set([
      span.start,
      end - 1,
      ...span.cuts.map((cut) => cut.revision),
      ...inside,
    ]);
    if (horizon >= span.start && horizon < end) revisions.add(horizon);
    for (const revision of revisions) {
      const read = await this.#read(thing.ino, revision, bytes.length);
      const what = (): string => `r${revision} of ${this.#tell(thing)}, content of r${span.start}`;
      if (typeof read === 'number') {
        const isNone = read === Errno.ENODATA || read === Errno.ENOENT;
        if (!isNone || isPromised(revision)) throw new Disagreement(`${what()}: errno ${read}`);
      } else if (bytes.length > 0 && isGone) {
        throw new Disagreement(`${what()}: is there and was not promised (${read.length} bytes)`);
      } else if (!read.equals(bytes)) {
        throw new Disagreement(
          `${what()}: other bytes, ${tellBytes(read)} for ${tellBytes(bytes)}`,
        );
      }
    }
  }

  async #read(ino: Ino, revision: number, size: number): Promise<Buffer | number> {
    try {
      return await this.desk.history.read(ino, revision as Revision, 0, size + 1);
    } catch (error) {
      if (error instanceof FsError) return error.errno;
      throw error;
    }
  }

  /** The whole tree at a revision that somebody reads, with all its content. */
  async compareMomentAsItWas(revision: number): Promise<void> {
    for (const thing of this.chronicle.things.values()) {
      for (const held of thing.held) held.isGone = false;
    }
    await this.compareMoments([revision]);
  }

  /** The whole tree at some revisions, all of which are promised. */
  async compareMoments(revisions: Iterable<number>): Promise<void> {
    for (const revision of new Set(revisions)) {
      const tree = this.chronicle.treeAt(revision);
      await this.#compareDirectory(ROOT_INO, tree, revision as Revision);
    }
  }

  async #compareDirectory(
    dir: Ino,
    tree: ReadonlyMap<Ino, ReadonlyMap<Name, Ino>>,
    at: Revision,
  ): Promise<void> {
    const { history } = this.desk;
    const names = await history.listChildren(dir, at);
    const expected = [...(tree.get(dir) ?? [])].toSorted(([a], [b]) => (a < b ? -1 : 1));
    agree(
      `names of ${dir} at r${at}, horizon ${this.volume.state.horizon}`,
      names.map(({ name, ino }) => [name, ino]),
      expected,
    );
    for (const { name, ino } of names) {
      const thing = this.chronicle.get(ino);
      const node = await history.findNode(ino, at);
      const told = thing.attributes.findLast(({ revision }) => revision <= at)?.told;
      if (node === undefined) throw new Disagreement(`${name} at r${at} has no node`);
      if (thing.isDir) await this.#compareDirectory(ino, tree, at);
      else agree(() => `${this.#tell(thing)} at r${at}`, describeAttributes(node), told);
      if (!thing.isFile) continue;
      const held = thing.held.findLast(({ revision }) => revision <= at);
      const bytes = held?.bytes ?? Buffer.alloc(0);
      const isGone = held?.isGone === true && bytes.length > 0;
      agree(() => `${this.#tell(thing)} at r${at} is gone`, node.isGone, isGone);
      const read = await this.#read(ino, at, bytes.length);
      const isRight = isGone
        ? read === Errno.ENODATA
        : typeof read !== 'number' && bytes.equals(read);
      if (!isRight) {
        const seen = typeof read === 'number' ? `errno ${read}` : tellBytes(read);
        const wanted = isGone ? 'what is gone' : tellBytes(bytes);
        throw new Disagreement(`${this.#tell(thing)} at r${at}: ${seen} for ${wanted}`);
      }
    }
  }

  /** Moments that are promised: those that are pinned, the horizon, the newest, and some in between. */
  listMoments(count: number, random: () => number): number[] {
    const { horizon, revision } = this.volume.state;
    const first = Math.max(1, horizon);
    const moments = [...this.oracle.pinned, first, revision];
    for (let i = 0; i < count; i++) {
      moments.push(first + Math.floor(random() * (revision - first + 1)));
    }
    return moments;
  }

  /** The counts of the state are those of the index. */
  async recount(): Promise<void> {
    await this.volume.flushed();
    const { index, state } = this.volume;
    let live = 0;
    let past = 0;
    for await (const [key, value] of index.scanPrefix(Buffer.from([Space.INODE]))) {
      const { nlink, allocated } = decodeInode(key.readUIntBE(1, 6) as Ino, value);
      if (nlink > 0) live += allocated;
      else past += allocated;
    }
    for await (const [key, value] of index.scanPrefix(Buffer.from([Space.REGION_HISTORY]))) {
      for (const { length } of decodeRegion(value, key.readUInt32BE(7))) past += length;
    }
    const versions = [...(await this.#listVersionKeys()).values()].flat().length;
    const { liveBytes, historyBytes, versions: counted } = state;
    const told = [liveBytes, historyBytes, counted];
    agree('bytes live and past, and versions', told, [live, past, versions]);
  }

  /** Extents of all contents that are there, by their place in the log. */
  async listNeeded(): Promise<{ pos: number; end: number }[]> {
    const asOf = new AsOf(this.volume);
    const needed: { pos: number; end: number }[] = [];
    for (const thing of this.chronicle.things.values()) {
      const pins = this.oracle.pinsOf(thing);
      for (const { held, start, end, cuts } of thing.isFile ? this.oracle.spansOf(thing) : []) {
        if (held.isGone || held.bytes.length === 0) continue;
        // Of what is behind the horizon the first moment may be forgotten, and another kept.
        const { revision: now } = this.volume.state;
        const last = Math.min(end - 1, now);
        const inside = pins.filter((revision) => revision >= start && revision < end);
        const made = cuts.map(({ revision }) => revision);
        // What an open file without a name holds is read now.
        const open = held === thing.held.at(-1) ? [now] : [];
        for (const at of [start, last, ...made, ...inside, ...open]) {
          const node = await asOf.findNode(thing.ino, at as Revision);
          if (node === undefined || node.isGone) continue;
          for (const { pos, skip, length } of await asOf.listExtents(node, 0, node.size)) {
            needed.push({ pos: pos + skip, end: pos + skip + length });
          }
          break;
        }
      }
    }
    return needed;
  }

  async #listVersionKeys(): Promise<Map<Ino, number[]>> {
    await this.volume.flushed();
    const versions = new Map<Ino, number[]>();
    const scan = this.volume.index.scanPrefix(Buffer.from([Space.VERSION]));
    for await (const [key] of scan) {
      const ino = key.readUIntBE(1, 6) as Ino;
      versions.set(ino, [...(versions.get(ino) ?? []), key.readUIntBE(7, 6)]);
    }
    return versions;
  }

  #tell(thing: Thing): string {
    const spans = this.oracle
      .spansOf(thing)
      .map(({ start, end, endMs, isProtected, held, cuts }) => {
        const ended = endMs === undefined ? 'live' : new Date(endMs).toISOString();
        const told = cuts.map(({ revision, isGone }) => `r${revision}${isGone ? ' gone' : ''}`);
        const flags = `${isProtected ? ' protected' : ''}${held.isGone ? ' gone' : ''}`;
        return `r${start}-r${end} ${ended}${flags}: ${told.join()}`;
      });
    const { ino, place, removed, tier, tiers, cutRevision } = thing;
    const facts = { removed, tier, tiers, cutRevision, open: this.open.get(ino) };
    return `${ino} (${this.chronicle.pathOf(place).join('/')}) ${JSON.stringify(facts)}\n${spans.join('\n')}\n`;
  }
}

/** As a server that takes over: it makes no versions by itself. */
export function openCopy(dir: string, clock: { readonly ms: number }): Promise<Volume> {
  return Volume.open({
    dir,
    volumeId: DESK_VOLUME_ID,
    clock: { now: () => timeFromMs(clock.ms) },
    resumed: { since: NO_REVISION },
  });
}

const tellBytes = (bytes: Buffer): string =>
  `${bytes.length} bytes ${JSON.stringify(bytes.toString('latin1', 0, 40))}`;

/** All that the index says but for hashes, which are of content, and how often it was written. */
export async function dumpIndex(volume: Volume): Promise<Map<string, string>> {
  await volume.flushed();
  const dump = new Map<string, string>();
  const range = { gte: Buffer.from([0]), lt: Buffer.from([0xff]) };
  for await (const [key, value] of volume.index.scan(range)) {
    if (key[0] === Space.HASH || key[0] === Space.BATCH) continue;
    const meta = key[0] === Space.META ? decodeMeta(value) : undefined;
    const uncut = meta?.uncut.toSorted((a, b) => a.ino - b.ino);
    const told =
      meta === undefined ? value.toString('hex') : JSON.stringify({ ...meta, uncut, answered: 0 });
    dump.set(`${String.fromCodePoint(key[0] ?? 0)} ${key.toString('hex', 1)}`, told);
  }
  return dump;
}

/** How many keys each space has. */
export async function countKeys(volume: Volume): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const key of (await dumpIndex(volume)).keys()) {
    const space = key[0] ?? '';
    counts[space] = (counts[space] ?? 0) + 1;
  }
  return counts;
}
