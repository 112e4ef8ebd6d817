/**
 * Random work in a world: what people, editors and builds do, what they promise, and days that pass.
 */

import { setAttributes } from '../../src/volume/attributes.ts';
import type { Ino, Name, Revision } from '../../src/shared/brands.ts';
import { ROOT_INO } from '../../src/shared/brands.ts';
import { FsError, SessfsError } from '../../src/shared/errors.ts';
import { TIERS } from '../../src/policy/tier.ts';
import type { ActorId } from '../../src/shared/brands.ts';
import { DAY_MS, DESIGN_POLICY, GENEROUS_POLICY, HOUR_MS, STRICT_POLICY } from './ladders.ts';
import { makeRandom } from '../pack/fixture.ts';
import type { World } from './world.ts';

const DIRS = ['src', 'src/lib', 'node_modules', 'node_modules/pkg', 'cache', 'deep', 'deep/er'];
const NAMES = ['a.txt', 'b.txt', 'c.log', 'd.swp', 'e.db'];

const WEIGHTS = {
  save: 30,
  append: 14,
  close: 8,
  saveByRename: 8,
  overwrite: 6,
  truncate: 3,
  remove: 8,
  removeTree: 3,
  makeDir: 4,
  move: 7,
  moveDir: 2,
  link: 3,
  chmod: 3,
  undelete: 5,
  rollbackFile: 6,
  rollbackTree: 2,
  tier: 5,
  sessionTier: 1,
  policy: 1,
  checkpoint: 3,
  removeCheckpoint: 3,
  hold: 2,
  releaseHold: 3,
  renew: 2,
} as const;

type Kind = keyof typeof WEIGHTS;

export class Workload {
  readonly world: World;
  readonly told: string[] = [];
  readonly counts: Record<string, number> = {};
  readonly random: () => number;
  readonly #bag: Kind[];
  #number = 0;

  constructor(world: World, seed: number, options: { readonly without?: readonly Kind[] } = {}) {
    this.world = world;
    const next = makeRandom(seed);
    this.random = () => next() / 2 ** 32;
    this.#bag = Object.entries(WEIGHTS).flatMap(([kind, weight]) =>
      options.without?.includes(kind as Kind) === true
        ? []
        : Array.from({ length: weight }, () => kind as Kind),
    );
  }

  below(count: number): number {
    return Math.floor(this.random() * count);
  }

  /** One operation; what it may fail with is no failure. */
  async step(): Promise<void> {
    const kind = this.pick(this.#bag) ?? 'save';
    this.counts[kind] = (this.counts[kind] ?? 0) + 1;
    try {
      const what = await this.#perform(kind);
      this.tell(`${kind} ${what ?? 'nothing'}`);
    } catch (error) {
      if (!(error instanceof FsError) && !(error instanceof SessfsError)) throw error;
      this.tell(`${kind} failed: ${error.message}`);
    }
  }

  tell(what: string): void {
    const { revision } = this.world.volume.state;
    const at = new Date(this.world.nowMs).toISOString();
    this.told.push(`${at} r${revision} ${what}`);
  }

  pick<T>(from: readonly T[]): T | undefined {
    return from[this.below(from.length)];
  }

  #text(): Buffer {
    this.#number += 1;
    const length = this.random() < 0.1 ? 200_000 : this.random() < 0.1 ? 1_500_000 : 300;
    const line = Buffer.from(`content ${this.#number} of this volume\n`);
    return Buffer.alloc(1 + this.below(length), line);
  }

  get #dirs(): string[] {
    return [...DIRS.filter((path) => this.#find(path)?.isDir === true), ''];
  }

  #find(path: string): { ino: Ino; isDir: boolean } | undefined {
    const { chronicle } = this.world;
    let ino = ROOT_INO;
    for (const name of path.split('/').filter((part) => part !== '')) {
      const named = chronicle.live.get(`${ino}/${name}`);
      if (named === undefined) return undefined;
      ({ ino } = named);
    }
    return { ino, isDir: chronicle.get(ino).isDir };
  }

  #files(): { path: string; ino: Ino }[] {
    const { chronicle } = this.world;
    return [...chronicle.live.values()].flatMap(({ parent, name, ino }) => {
      const isFile = chronicle.get(ino).isFile;
      const path = parent === ROOT_INO ? name : `${this.#pathOfDir(parent)}/${name}`;
      return isFile ? [{ path, ino }] : [];
    });
  }

  #pathOfDir(ino: Ino): string {
    return this.world.chronicle.pathOf(this.world.chronicle.get(ino).place).join('/');
  }

  /** A directory can be put there. */
  #isRoomFor(path: string): boolean {
    const parent = path.split('/').slice(0, -1).join('/');
    return this.#find(path) === undefined && this.#find(parent)?.isDir === true;
  }

  #newPath(): string {
    const dir = this.pick(this.#dirs) ?? '';
    const name = this.pick(NAMES) ?? 'x';
    return dir === '' ? name : `${dir}/${name}`;
  }

  async #perform(kind: Kind): Promise<string | undefined> {
    const { world } = this;
    const { desk, pledges } = world;
    const actor = desk.caller.actor as ActorId;
    const file = this.pick(this.#files());
    switch (kind) {
      case 'save': {
        const path = this.random() < 0.6 && file !== undefined ? file.path : this.#newPath();
        if (this.#find(path)?.isDir === true) return undefined;
        desk.save(path, this.#text());
        return path;
      }
      case 'append': {
        const path = file?.path ?? this.#newPath();
        const ino = world.openFile(path);
        let offset = world.volume.state.findInode(ino)?.size ?? 0;
        for (let i = this.below(4); i >= 0; i--) {
          const text = Buffer.from(`line ${this.#number++}\n`);
          desk.write(ino, text, offset);
          offset += text.length;
          world.pass(this.below(3) * 1000);
        }
        if (this.random() < 0.5) world.closeFile(ino);
        return path;
      }
      case 'close': {
        const ino = this.pick([...world.open.keys()]);
        if (ino !== undefined) world.closeFile(ino);
        return ino === undefined ? undefined : String(ino);
      }
      case 'saveByRename': {
        const path = file?.path ?? this.#newPath();
        desk.save(`${path}.tmp`, this.#text());
        desk.mv(`${path}.tmp`, path);
        return path;
      }
      case 'overwrite': {
        if (file === undefined) return undefined;
        const ino = world.openFile(file.path);
        const size = world.volume.state.findInode(ino)?.size ?? 0;
        desk.write(ino, this.#text().subarray(0, 5000), this.below(size + 1));
        world.closeFile(ino);
        return file.path;
      }
      case 'truncate': {
        if (file === undefined) return undefined;
        const size = world.volume.state.findInode(file.ino)?.size ?? 0;
        desk.truncate(file.path, this.random() < 0.3 ? 0 : this.below(size * 2));
        world.volume.cuts.cutIfChanged(file.ino, 'truncated');
        return file.path;
      }
      case 'remove':
        if (file !== undefined) desk.rm(file.path);
        return file?.path;
      case 'removeTree': {
        const dir = this.pick(this.#dirs.filter((path) => path !== ''));
        if (dir !== undefined) this.#removeTree(dir);
        return dir;
      }
      case 'makeDir': {
        const dir = this.pick(DIRS.filter((path) => this.#isRoomFor(path))) ?? 'src';
        desk.mkdir(dir);
        return dir;
      }
      case 'move': {
        const to = this.#newPath();
        if (file === undefined || this.#find(to)?.isDir === true) return undefined;
        if (this.#find(to)?.ino === file.ino) return undefined;
        desk.mv(file.path, to, this.random() < 0.1 && this.#find(to) !== undefined ? 2 : 0);
        return `${file.path} to ${to}`;
      }
      case 'moveDir': {
        const dir = this.pick(this.#dirs.filter((path) => path !== ''));
        const to = this.pick(DIRS.filter((path) => this.#isRoomFor(path)));
        if (dir === undefined || to === undefined || `${to}/`.startsWith(`${dir}/`))
          return undefined;
        desk.mv(dir, to);
        return `${dir} to ${to}`;
      }
      case 'link': {
        const to = this.#newPath();
        if (file !== undefined) desk.ln(file.path, to);
        return `${file?.path} at ${to}`;
      }
      case 'chmod':
        if (file !== undefined) {
          setAttributes(desk.volume, desk.caller, file.ino, { mode: 0o600 + this.below(64) });
        }
        return file?.path;
      case 'undelete':
        return this.#undelete();
      case 'rollbackFile':
        return this.#rollbackFile();
      case 'rollbackTree': {
        const [to] = world.listMoments(1, this.random).slice(-1);
        const dir = this.pick(['', ...this.#dirs]) ?? '';
        const path = dir.split('/').filter((part) => part !== '') as Name[];
        const exact = this.random() < 0.5;
        await desk.history.rollback({ path, to: to as Revision, exact, actor });
        return `${dir} to r${to}`;
      }
      case 'tier': {
        const target = this.random() < 0.5 ? file?.path : this.pick(this.#dirs);
        const found = target === undefined || target === '' ? undefined : this.#find(target);
        if (found === undefined) return undefined;
        const tier = this.random() < 0.3 ? undefined : this.pick(TIERS.slice(0, 3));
        await pledges.setTier(found.ino, tier, { actor, isRecursive: this.random() < 0.5 });
        return `${target} ${tier}`;
      }
      case 'sessionTier': {
        const tier = this.pick(TIERS.slice(0, 3)) ?? 'standard';
        pledges.setSessionTier(tier, actor);
        return tier;
      }
      case 'policy': {
        const policy = this.pick([DESIGN_POLICY, GENEROUS_POLICY, STRICT_POLICY]);
        if (policy !== undefined) pledges.setPolicy(policy.text);
        return `with grace ${policy?.graceMs}`;
      }
      case 'checkpoint': {
        const name = `c${this.#number++}`;
        if (world.chronicle.checkpoints.size > 4) return undefined;
        await pledges.addCheckpoint(name, { actor });
        return name;
      }
      case 'removeCheckpoint': {
        const name = this.pick([...world.chronicle.checkpoints.keys()]);
        if (name !== undefined) pledges.removeCheckpoint(name, actor);
        return name;
      }
      case 'hold':
        return this.#hold(actor);
      case 'releaseHold': {
        const name = this.pick([...world.chronicle.holds.keys()]);
        if (name !== undefined) pledges.releaseHold(name, actor);
        return name;
      }
      case 'renew': {
        const found = this.random() < 0.5 ? { ino: ROOT_INO } : file;
        if (found !== undefined) await pledges.renew(found.ino, actor);
        return String(found?.ino);
      }
      default:
        return undefined;
    }
  }

  #hold(actor: ActorId): string | undefined {
    const { world } = this;
    if (world.chronicle.holds.size > 3) return undefined;
    const name = `h${this.#number++}`;
    const path = this.random() < 0.5 ? this.pick(this.#files())?.path : this.pick(this.#dirs);
    if (path === undefined) return undefined;
    const ino = path === '' ? 0 : (this.#find(path)?.ino ?? 0);
    const revision = this.random() < 0.5 ? world.volume.state.revision : 0;
    world.pledges.addHold({ name, reason: 'law', target: { ino, revision, path } as never }, actor);
    return `${name} ${path}@${revision}`;
  }

  #removeTree(dir: string): void {
    const { desk, chronicle } = this.world;
    const found = this.#find(dir);
    if (found === undefined) return;
    for (const { parent, name, ino } of chronicle.live.values()) {
      if (parent !== found.ino) continue;
      if (chronicle.get(ino).isDir) this.#removeTree(`${dir}/${name}`);
      else desk.rm(`${dir}/${name}`);
    }
    desk.rmdir(dir);
  }

  async #undelete(): Promise<string | undefined> {
    const { desk, chronicle } = this.world;
    const gone = chronicle.names.slice(-60).filter(({ to }) => to !== Infinity);
    const named = this.pick(gone);
    if (named === undefined) return undefined;
    const path = chronicle.pathOf(named) as Name[];
    const { revision } = desk.volume.state;
    const actor = desk.caller.actor as ActorId;
    try {
      await desk.history.undelete({ path, actor });
    } catch (error) {
      this.#assertUnchanged(error, revision);
      throw error;
    }
    return path.join('/');
  }

  /** To a version that was; one that is gone changes nothing. */
  async #rollbackFile(): Promise<string | undefined> {
    const { desk, chronicle, oracle } = this.world;
    const file = this.pick(this.#files());
    const thing = file === undefined ? undefined : chronicle.get(file.ino);
    const cut = thing === undefined ? undefined : this.pick(thing.cuts);
    if (file === undefined || thing === undefined || cut === undefined) return undefined;
    const path = file.path.split('/') as Name[];
    const before = desk.volume.state.revision;
    const span = oracle.spansOf(thing).find(({ cuts }) => cuts.includes(cut));
    try {
      const actor = desk.caller.actor as ActorId;
      await desk.history.rollback({ path, to: cut.revision as Revision, actor });
    } catch (error) {
      this.#assertUnchanged(error, before);
      if (!cut.isGone)
        throw new Error(`r${cut.revision} of ${file.path} is kept`, { cause: error });
      throw error;
    }
    const held = thing.held.at(-1)?.bytes;
    const isNamed = this.#find(file.path)?.ino === thing.ino;
    if (!cut.isGone && isNamed && (span === undefined || held?.equals(span.held.bytes) !== true)) {
      throw new Error(`${file.path} is not what it was at r${cut.revision}`);
    }
    return `${file.path} to r${cut.revision}${cut.isGone ? ', which is gone' : ''}`;
  }

  #assertUnchanged(error: unknown, before: number): void {
    const { revision } = this.world.volume.state;
    if (revision !== before) throw new Error('A refusal changed something', { cause: error });
  }

  /** A day with some work. */
  async day(steps: number): Promise<void> {
    const untilMs = this.world.nowMs + DAY_MS;
    for (let i = 0; i < steps; i++) {
      this.world.pass(this.below(3) === 0 ? this.below(60_000) : this.below(4 * HOUR_MS));
      await this.step();
    }
    this.world.desk.clock.ms = Math.max(untilMs, this.world.nowMs);
  }
}
