/**
 * What a person promises or asks to keep: tiers, renewals, checkpoints, holds. Each is one event of the log.
 */

import { ROOT_INO } from '../shared/brands.ts';
import type { ActorId, Ino, Revision } from '../shared/brands.ts';
import { SessfsError } from '../shared/errors.ts';
import { isDirectory } from '../shared/mode.ts';
import { timeToMs } from '../shared/time.ts';
import { parseMomentSpec } from '../history/moment-spec.ts';
import type { Tier } from '../policy/tier.ts';
import type { HoldTarget } from '../volume/promise-events.ts';
import { tierNumber } from '../volume/promiser.ts';
import type { Caller } from '../volume/store.ts';
import type { Volume } from '../volume/volume.ts';

/** Long enough for a sentence, short enough for a list. */
const REASON_MAX_CHARS = 1000;
const NAME = /^[A-Za-z][A-Za-z0-9._-]{0,63}$/;
/** Between two turns of the event loop. */
const INODES_AT_ONCE = 200;

export class Pledges {
  readonly #volume: Volume;

  constructor(volume: Volume) {
    this.#volume = volume;
  }

  /**
   * Chooses a tier for an inode and what will be made below it; of the root: for the session.
   *
   * @param tier undefined takes the choice back: the rules and the session's tier hold again.
   * @param options.isRecursive Also for all that is below it now.
   * @returns How many inodes have another tier now.
   */
  async setTier(
    ino: Ino,
    tier: Tier | undefined,
    options: { readonly actor: ActorId; readonly isRecursive: boolean },
  ): Promise<number> {
    const number = tierNumber(tier);
    if (ino === ROOT_INO) {
      if (tier === undefined) {
        throw new SessfsError('USAGE', 'Cannot take the tier of a session away: it has one always');
      }
      if (!options.isRecursive) return this.setSessionTier(tier, options.actor) ? 1 : 0;
      this.setSessionTier(tier, options.actor);
      return this.#setBelow(ino, number, options.actor);
    }
    let changed = this.#setOne(ino, number, options.actor) ? 1 : 0;
    if (options.isRecursive) changed += await this.#setBelow(ino, number, options.actor);
    return changed;
  }

  /** @returns False if it had that already. */
  setSessionTier(tier: Tier, actor: ActorId): boolean {
    const { state, promiser } = this.#volume;
    const text = state.promises.policy?.text ?? promiser.currentText;
    if (state.promises.policy?.sessionTier === tierNumber(tier)) return false;
    this.#commit({ kind: 'policy', sessionTier: tierNumber(tier), text }, actor);
    return true;
  }

  /**
   * What the configuration says from now on.
   *
   * @param firstTier The session's, if this is the first that its volume is told.
   * @returns False if it said that already.
   */
  setPolicy(text: string, firstTier: Tier = 'standard'): boolean {
    const { state } = this.#volume;
    const present = state.promises.policy;
    if (present?.text === text) return false;
    const sessionTier = present?.sessionTier ?? tierNumber(firstTier);
    this.#commit({ kind: 'policy', sessionTier, text }, 0 as ActorId);
    return true;
  }

  /** The clock of what was promised begins anew: of a file, of all in a directory, of the session. */
  async renew(ino: Ino, actor: ActorId): Promise<number> {
    let renewed = 1;
    this.#commit({ kind: 'renew', ino }, actor);
    if (ino === ROOT_INO) return renewed;
    await this.#walk(ino, (below) => {
      this.#commit({ kind: 'renew', ino: below }, actor);
      renewed += 1;
    });
    return renewed;
  }

  /**
   * Gives a revision a name under which it is kept.
   *
   * @param options.at undefined: now, with a version of every file that has changed.
   * @throws {SessfsError} USAGE For a name that means something else; CONFLICT If it is taken;
   *   CONTENT_REMOVED If that moment is not whole any more.
   */
  async addCheckpoint(
    name: string,
    options: { readonly actor: ActorId; readonly at?: Revision | undefined },
  ): Promise<Revision> {
    checkName('checkpoint', name);
    const { promises } = this.#volume.state;
    if (promises.checkpoints.has(name)) {
      throw new SessfsError('CONFLICT', `Cannot make checkpoint "${name}": there is one`, {
        hint: 'Choose another name, or remove it: sessfs checkpoint --remove NAME',
      });
    }
    if (options.at === undefined) {
      this.#volume.cuts.cutAll('checkpoint');
      await this.#volume.cuts.settled();
    }
    const at = options.at ?? this.#volume.state.revision;
    const { promiser, clock } = this.#volume;
    // One that was removed by mistake can be made again, while that counts for the grace.
    const isWhole = promiser.listWhole(timeToMs(clock.now())).includes(at);
    if (at < this.#volume.state.horizon && !isWhole) {
      throw new SessfsError(
        'CONTENT_REMOVED',
        `Cannot make checkpoint "${name}": retention has removed some of r${at}`,
        { hint: `The earliest moment that is whole is r${this.#volume.state.horizon}` },
      );
    }
    this.#commit({ kind: 'checkpoint', name, at }, options.actor);
    return at;
  }

  /** @throws {SessfsError} VERSION_UNKNOWN */
  removeCheckpoint(name: string, actor: ActorId): void {
    if (!this.#volume.state.promises.checkpoints.has(name)) {
      throw new SessfsError(
        'VERSION_UNKNOWN',
        `Cannot remove checkpoint "${name}": there is none`,
        {
          hint: 'List them: sessfs checkpoint SESSION --list',
        },
      );
    }
    this.#commit({ kind: 'checkpoint', name, at: undefined }, actor);
  }

  /** @throws {SessfsError} USAGE Without a reason; CONFLICT If the name is taken. */
  addHold(
    hold: { readonly name: string; readonly reason: string; readonly target: HoldTarget },
    actor: ActorId,
  ): void {
    const { name, target } = hold;
    const reason = hold.reason.trim();
    checkName('hold', name);
    if (reason === '') {
      throw new SessfsError('USAGE', `Cannot add hold "${name}": it has no reason`, {
        hint: 'Say why, for whoever wants to release it one day: --reason "TEXT"',
      });
    }
    if (reason.length > REASON_MAX_CHARS) {
      throw new SessfsError(
        'USAGE',
        `Cannot add hold "${name}": its reason has ${reason.length} characters, at most ${REASON_MAX_CHARS} are possible`,
      );
    }
    if (this.#volume.state.promises.holds.has(name)) {
      throw new SessfsError('CONFLICT', `Cannot add hold "${name}": there is one`, {
        hint: 'Choose another name, or release it: sessfs hold release NAME',
      });
    }
    this.#commit({ kind: 'hold', name, reason, target }, actor);
  }

  /** @throws {SessfsError} VERSION_UNKNOWN */
  releaseHold(name: string, actor: ActorId): void {
    const held = this.#volume.state.promises.holds.get(name);
    if (held === undefined) {
      throw new SessfsError('VERSION_UNKNOWN', `Cannot release hold "${name}": there is none`, {
        hint: 'List them: sessfs hold list SESSION',
      });
    }
    this.#commit({ kind: 'hold', name, reason: held.reason, target: undefined }, actor);
  }

  #setOne(ino: Ino, tier: number, actor: ActorId): boolean {
    const inode = this.#volume.state.findInode(ino);
    if (inode === undefined || inode.tier === tier) return false;
    this.#commit({ kind: 'tier', ino, tier }, actor);
    return true;
  }

  async #setBelow(ino: Ino, tier: number, actor: ActorId): Promise<number> {
    let changed = 0;
    await this.#walk(ino, (below) => {
      if (this.#setOne(below, tier, actor)) changed += 1;
    });
    return changed;
  }

  /** Everything below a directory, as it is now. */
  async #walk(directory: Ino, visit: (ino: Ino) => void): Promise<void> {
    const inode = this.#volume.state.findInode(directory);
    if (inode === undefined || !isDirectory(inode.mode)) return;
    const waiting: Ino[] = [directory];
    let seen = 0;
    for (let dir = waiting.pop(); dir !== undefined; dir = waiting.pop()) {
      for (const { ino } of await this.#volume.listings.listAll(dir)) {
        const below = this.#volume.state.findInode(ino);
        if (below === undefined || below.nlink === 0) continue;
        visit(ino);
        if (isDirectory(below.mode)) waiting.push(ino);
        seen += 1;
        if (seen % INODES_AT_ONCE === 0) await new Promise((resolve) => setImmediate(resolve));
      }
    }
  }

  #commit(event: Parameters<Volume['commit']>[0], actor: ActorId): void {
    const by: Caller = { unique: 0, uid: 0, gid: 0, pid: 0, actor };
    this.#volume.commit(event, by);
  }
}

/** What a name of a checkpoint or hold may be: nothing that `@NAME` could also mean. */
function checkName(what: string, name: string): void {
  const spec = parseMomentSpec(name, { sec: 0, nsec: 0 });
  const isShort = name === 'latest' || name === 'previous';
  if (NAME.test(name) && spec?.kind === 'name' && !isShort) return;
  throw new SessfsError(
    'USAGE',
    `Cannot name a ${what} "${name}": it is not a name, or means a version or a time`,
    { hint: 'Use up to 64 letters, digits, ".", "_" and "-", and begin with a letter' },
  );
}
