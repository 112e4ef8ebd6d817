/**
 * What is promised on a day, by DESIGN section 9 and nothing of src/retention.
 *
 * A content goes as a whole: when no version of it is kept, no moment that is promised shows it, and no
 * checkpoint, hold or open file needs it.
 */

import { ROOT_INO } from '../../src/shared/brands.ts';
import type { Ino } from '../../src/shared/brands.ts';
import type { Chronicle, Cut, Held, HeldTarget, Thing } from './chronicle.ts';
import { DAY_MS, HOUR_MS } from './ladders.ts';
import type { Promised } from './ladders.ts';

/** A content, with its end. */
export interface Span {
  readonly held: Held;
  readonly start: number;
  readonly end: number;
  readonly endMs: number | undefined;
  readonly isProtected: boolean;
  readonly cuts: readonly Cut[];
}

export interface Day {
  readonly nowMs: number;
  readonly sessionEndedMs: number | undefined;
  readonly isOpen: (ino: Ino) => boolean;
}

export class Oracle {
  readonly chronicle: Chronicle;

  constructor(chronicle: Chronicle) {
    this.chronicle = chronicle;
  }

  get graceMs(): number {
    return this.chronicle.epochs.at(-1)?.policy.graceMs ?? 0;
  }

  spansOf(thing: Thing): Span[] {
    const spans = this.#stretchesOf(thing);
    return spans.map((span) => {
      // What is written again as it was is not superseded by that.
      const last = span.cuts.at(-1)?.revision;
      const again = spans.findLast(({ held }) => last !== undefined && held.sameAs === last);
      if (again === undefined) return span;
      return { ...span, endMs: again.endMs, isProtected: again.isProtected };
    });
  }

  #stretchesOf({ held, removed, cuts }: Thing): Span[] {
    return held.map((content, at) => {
      const next = held[at + 1];
      const start = content.revision;
      const isLost =
        removed !== undefined &&
        removed.revision > start &&
        (next === undefined || removed.revision <= next.revision);
      return {
        held: content,
        start,
        end: isLost ? removed.revision : (next?.revision ?? Infinity),
        endMs: isLost ? removed.ms : (next?.ms ?? removed?.ms),
        isProtected: isLost || next?.isRollback === true,
        cuts: cuts.filter(
          ({ revision }) => revision >= start && (next === undefined || revision < next.revision),
        ),
      };
    });
  }

  /** Lets go of what a sweep on that day has to remove. */
  sweep(day: Day): void {
    for (const thing of this.chronicle.things.values()) {
      if (!thing.isFile || thing.held.every(({ isGone }) => isGone)) continue;
      for (const span of this.listDue(thing, day)) {
        span.held.isGone = true;
        for (const cut of span.cuts) cut.isGone = true;
      }
    }
  }

  /** The contents that nothing keeps on that day. */
  listDue(thing: Thing, day: Day): Span[] {
    const spans = this.spansOf(thing);
    const untils = this.#untilsOf(thing, spans, day);
    return spans.filter((span) => {
      if (span.held.isGone) return false;
      const isKept = span.cuts.some((cut) => {
        return !cut.isGone && (untils.get(cut) ?? 0) + this.graceMs > day.nowMs;
      });
      return !isKept && this.#isContentDue(thing, span, day);
    });
  }

  /** Names of live files whose time is over. */
  listExpired({ nowMs, sessionEndedMs, isOpen }: Day): Set<string> {
    const expired = new Set<string>();
    if (sessionEndedMs === undefined) return expired;
    const visit = (dir: Ino): boolean => {
      let isEmptied = true;
      for (const [key, { parent, ino }] of this.chronicle.live) {
        if (parent !== dir) continue;
        const thing = this.chronicle.get(ino);
        const isBelowOver = !thing.isDir || visit(ino);
        const written = thing.held.at(-1)?.revision ?? thing.born;
        const since = thing.isDir ? thing.namesSince : written;
        const promised = this.chronicle.promisedSince(thing, since);
        const live = Math.max(...promised.map(({ rungs }) => rungs.live));
        const startMs = Math.max(thing.ctimeMs, sessionEndedMs, this.#renewedMs(thing));
        const isOver = startMs + live + this.graceMs <= nowMs;
        if (isBelowOver && isOver && !isOpen(ino) && !this.isHeld(thing, nowMs)) expired.add(key);
        else isEmptied = false;
      }
      return isEmptied;
    };
    visit(ROOT_INO);
    return expired;
  }

  /** The last revision behind which names and attributes may go. */
  horizonOn(nowMs: number): number {
    let horizon = Infinity;
    for (const { policy, sessionTier, to } of this.chronicle.epochs) {
      const { all, hourly, daily } = policy.tiers[sessionTier];
      const beforeMs = nowMs - Math.max(all, hourly, daily) - this.graceMs;
      const bound = this.chronicle.times.findLastIndex((ms) => ms <= beforeMs);
      if (bound < to) horizon = Math.min(horizon, bound);
    }
    return horizon === Infinity ? 0 : horizon;
  }

  /** Revisions at which the whole tree is kept. */
  get pinned(): number[] {
    const { checkpoints, holds } = this.chronicle;
    const held = [...holds.values()].filter(({ ino, revision }) => ino === 0 && revision !== 0);
    return [...checkpoints.values(), ...held.map(({ revision }) => revision)];
  }

  /** What is held, and what was released within the grace. */
  #heldOn(nowMs: number): HeldTarget[] {
    const { checkpoints, holds, released } = this.chronicle;
    const late = released.filter(({ ms }) => ms + this.graceMs > nowMs);
    return [
      ...[...checkpoints.values()].map((revision) => ({ ino: 0, revision, path: '' }) as const),
      ...holds.values(),
      ...late.map(({ target }) => target),
    ];
  }

  isHeld(thing: Thing, nowMs: number): boolean {
    return this.#heldOn(nowMs).some(
      (target) => target.revision === 0 && (target.ino === 0 || this.#concerns(thing, target)),
    );
  }

  /** Revisions at which a thing is kept; without a time: not those that were released. */
  pinsOf(thing: Thing, nowMs = Infinity): number[] {
    const pinning = this.#heldOn(nowMs).filter(
      (target) => target.revision !== 0 && (target.ino === 0 || this.#concerns(thing, target)),
    );
    const revisions = pinning.map(({ revision }) => revision);
    // A tree in which it had no name needs nothing of it.
    const names = this.chronicle.namesOf(thing.ino);
    return revisions.filter((at) => names.some(({ since, to }) => since <= at && at < to));
  }

  #concerns(thing: Thing, target: HeldTarget): boolean {
    if (thing.ino === target.ino || this.#wasBelow(target).has(thing.ino)) return true;
    const path = this.chronicle.pathOf(thing.place).join('/');
    if (path === target.path || path.startsWith(`${target.path}/`)) return true;
    for (let ino = thing.place.parent; ; ino = this.chronicle.get(ino).place.parent) {
      if (ino === target.ino) return true;
      if (ino === ROOT_INO) return false;
    }
  }

  #renewedMs(thing: Thing): number {
    const root = this.chronicle.get(ROOT_INO).renewedMs;
    return Math.max(thing.renewedMs ?? -Infinity, root ?? -Infinity);
  }

  /** The sweeper itself took the last name. */
  #isExpiredLive({ ino, removed, place }: Thing, { sessionEndedMs }: Day): boolean {
    if (sessionEndedMs === undefined || removed === undefined || removed.actor !== 0) return false;
    if (removed.ms < sessionEndedMs) return false;
    return this.chronicle
      .namesOf(ino)
      .some(
        ({ parent, name, to }) =>
          parent === place.parent && name === place.name && to === removed.revision,
      );
  }

  /** It had its time while it was live: all that a promise gave to live files. */
  #isOverLive(thing: Thing, { rungs }: Promised, day: Day): boolean {
    if (!this.#isExpiredLive(thing, day)) return false;
    const startMs = Math.max(day.sessionEndedMs ?? Infinity, this.#renewedMs(thing));
    return startMs + rungs.live <= (thing.removed?.ms ?? -Infinity);
  }

  /** What a directory had in it at some time, or at the revision of the hold, wherever it is now. */
  #wasBelow(target: { readonly ino: number; readonly revision: number }): Set<number> {
    const { revision } = target;
    const found = new Set<number>();
    const visit = (dir: number, from: number, to: number): void => {
      for (const { parent, ino, ...named } of this.chronicle.names) {
        if (parent !== dir) continue;
        const since = Math.max(from, named.since);
        const until = Math.min(to, named.to);
        if (since >= until) continue;
        found.add(ino);
        if (this.chronicle.get(ino).isDir) visit(ino, since, until);
      }
    };
    if (target.ino !== 0) visit(target.ino, revision, revision === 0 ? Infinity : revision + 1);
    return found;
  }

  #isContentDue(thing: Thing, span: Span, day: Day): boolean {
    const { start, end, endMs } = span;
    const isIn = (revision: number): boolean => revision >= start && revision < end;
    if (endMs === undefined || this.isHeld(thing, day.nowMs)) return false;
    if (this.pinsOf(thing, day.nowMs).some(isIn)) return false;
    const { removed } = thing;
    if (removed === undefined && isIn(thing.cutRevision)) return false;
    if (removed !== undefined && end >= removed.revision) {
      if (day.isOpen(thing.ino)) return false;
      if (this.#isExpiredLive(thing, day)) return true;
    }
    // A moment of the last hours shows every content.
    const all = this.chronicle
      .promisedSince(thing, start)
      .map(({ makesVersions, rungs }) => (makesVersions ? rungs.all : 0));
    return endMs + Math.max(0, ...all) + this.graceMs <= day.nowMs;
  }

  /** Until when each version is kept by what its file was promised. */
  #untilsOf(thing: Thing, spans: readonly Span[], day: Day): Map<Cut, number> {
    const isLive = thing.removed === undefined;
    const there = spans.flatMap((span) =>
      span.cuts.filter((cut) => !cut.isGone).map((cut) => ({ cut, span })),
    );
    const last = spans.at(-1);
    const untils = new Map<Cut, number>();
    const extend = (cut: Cut, ms: number): void => {
      untils.set(cut, Math.max(untils.get(cut) ?? -Infinity, ms));
    };
    for (const [promised, members] of this.#groups(thing, there)) {
      const { all, hourly, daily, minVersions } = promised.rungs;
      for (const [at, { cut, span }] of members.entries()) {
        if (span.endMs === undefined) continue;
        const next = members[at + 1]?.cut.ms;
        const isLastOf = (ms: number): boolean =>
          next === undefined || Math.floor(next / ms) > Math.floor(cut.ms / ms);
        const kept = Math.max(
          all,
          span.isProtected || isLastOf(HOUR_MS) ? hourly : 0,
          span.isProtected || isLastOf(DAY_MS) ? daily : 0,
        );
        const untilMs = Math.max(span.endMs, this.#renewedMs(thing)) + kept;
        extend(cut, span === last && this.#isOverLive(thing, promised, day) ? span.endMs : untilMs);
      }
      if (!isLive) continue;
      // The newest n are those of this promise, and the very newest whatever it was promised.
      const isAmong = members.at(-1)?.cut === there.at(-1)?.cut;
      const count = Math.max(0, isAmong ? minVersions : minVersions - 1);
      for (const { cut } of members.slice(Math.max(0, members.length - count))) {
        extend(cut, Infinity);
      }
    }
    const isHeld = this.isHeld(thing, day.nowMs);
    const pins = this.pinsOf(thing, day.nowMs);
    for (const { cut, span } of there) {
      if (span.endMs === undefined) extend(cut, Infinity);
      const isIn = (revision: number): boolean => revision >= span.start && revision < span.end;
      if (isHeld || pins.some(isIn)) extend(cut, Infinity);
    }
    const newest = there.at(-1);
    if (isLive && newest !== undefined) extend(newest.cut, Infinity);
    return untils;
  }

  #groups(
    thing: Thing,
    there: readonly { readonly cut: Cut; readonly span: Span }[],
  ): Map<Promised, { readonly cut: Cut; readonly span: Span }[]> {
    const byKey = new Map<string, Promised>();
    const groups = new Map<Promised, { readonly cut: Cut; readonly span: Span }[]>();
    for (const member of there) {
      const { revision, promised } = member.cut;
      const all = [promised, ...this.chronicle.promisedSince(thing, revision)];
      for (const [key, own] of new Map(all.map((each) => [each.key, each]))) {
        const known = byKey.get(key) ?? own;
        byKey.set(key, known);
        groups.set(known, [...(groups.get(known) ?? []), member]);
      }
    }
    return groups;
  }
}
