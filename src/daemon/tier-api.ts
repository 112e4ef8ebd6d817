/**
 * Tiers on the volume's socket: which one holds, choosing one, and the clock of what it promises.
 */

import type { ControlReply, ControlRequest } from '../control/http-server.ts';
import type {
  RenewReply,
  SetTierReply,
  TierListReply,
  TierReply,
} from '../control/promise-protocol.ts';
import { EntryCursor, spaceRange } from '../index/entry-cursor.ts';
import { Space } from '../index/keys.ts';
import { decodeInode } from '../index/records.ts';
import { parseTier } from '../policy/tier.ts';
import type { Ino, Name } from '../shared/brands.ts';
import { SessfsError } from '../shared/errors.ts';
import { isDirectory } from '../shared/mode.ts';
import { nameToText } from '../shared/names.ts';
import { tierNumber, tierOf } from '../volume/promiser.ts';
import type { Volume } from '../volume/volume.ts';
import type { ServedVolume } from './open-volume.ts';
import { readTierOf } from './promise-wire.ts';
import { booleanField, internActor, textField } from './request-fields.ts';
import { locate, parsePath } from './volume-paths.ts';

/** So many are listed. */
const MAX_LISTED = 10_000;
/** Entries between two pauses. */
const PAUSE_EVERY = 500;

export async function readTier(
  served: ServedVolume,
  { query }: ControlRequest,
): Promise<ControlReply> {
  const path = parsePath(query.get('path') ?? '');
  const ino = await findIno(served, path);
  const json: TierReply = await readTierOf(served.retention.volume, ino, path);
  return { json };
}

export async function setTier(
  served: ServedVolume,
  { body, signal }: ControlRequest,
): Promise<ControlReply> {
  const { retention } = served;
  const path = parsePath(textField(body, 'path'));
  if (body['tier'] === undefined) {
    throw new SessfsError('USAGE', 'Cannot set a tier: "tier" is missing', {
      hint: 'Name one, or null to take the choice back',
    });
  }
  const tier = body['tier'] === null ? undefined : parseTier(textField(body, 'tier'));
  const isRecursive = booleanField(body, 'recursive');
  const ino = await findIno(served, path);
  const actor = internActor(served.volume, body['actor']);
  const changed = await retention.pledges.setTier(ino, tier, { actor, isRecursive });
  const json: SetTierReply = {
    changed,
    others: await retention.run(signal, ({ pause }) =>
      countOthers(retention.volume, { ino, tier: tierNumber(tier), pause }),
    ),
    tier: await readTierOf(retention.volume, ino, path),
  };
  return { json };
}

/** Everything that somebody chose a tier for, by path. */
export async function listTiers(
  { retention }: ServedVolume,
  { signal }: ControlRequest,
): Promise<ControlReply> {
  const { volume } = retention;
  const chosen: { path: string; tier: number }[] = [];
  await retention.run(signal, async ({ pause }) => {
    await volume.flushed();
    const cursor = new EntryCursor(volume.index, spaceRange(Space.INODE));
    try {
      await cursor.next();
      for (let seen = 1; !cursor.isDone; seen++) {
        const { tier, nlink, ...inode } = decodeInode(
          cursor.key.readUIntBE(1, 6) as Ino,
          cursor.value,
        );
        if (tier !== 0 && nlink > 0) {
          const { directory, name } = volume.promiser.locate(inode);
          chosen.push({ path: directory === '' ? name : `${directory}/${name}`, tier });
        }
        if (seen % PAUSE_EVERY === 0) await pause();
        if (!cursor.step()) await cursor.fill();
      }
    } finally {
      await cursor.close();
    }
  });
  const json: TierListReply = {
    session: volume.promiser.current.sessionTier,
    tiers: chosen
      .toSorted((a, b) => (a.path < b.path ? -1 : 1))
      .slice(0, MAX_LISTED)
      .map(({ path, tier }) => ({ path, text: nameToText(path), tier: tierOf(tier) ?? '' })),
    truncated: chosen.length > MAX_LISTED,
  };
  return { json };
}

export async function renew(served: ServedVolume, { body }: ControlRequest): Promise<ControlReply> {
  const ino = await findIno(served, parsePath(textField(body, 'path')));
  const actor = internActor(served.volume, body['actor']);
  const json: RenewReply = { renewed: await served.retention.pledges.renew(ino, actor) };
  return { json };
}

async function findIno(served: ServedVolume, path: readonly Name[]): Promise<Ino> {
  const now = served.retention.volume.clock.now();
  return (await locate(served, { path, at: undefined, now })).node.ino;
}

/** Live files below a directory with a tier of their own, which is another one. */
async function countOthers(
  { state, listings }: Volume,
  options: { readonly ino: Ino; readonly tier: number; readonly pause: () => Promise<void> },
): Promise<number> {
  const top = state.findInode(options.ino);
  if (top === undefined || !isDirectory(top.mode)) return 0;
  let others = 0;
  const waiting = [options.ino];
  for (let dir = waiting.pop(); dir !== undefined; dir = waiting.pop()) {
    for (const { ino } of await listings.listAll(dir)) {
      const inode = state.findInode(ino);
      if (inode === undefined) continue;
      if (isDirectory(inode.mode)) waiting.push(ino);
      else if (inode.tier !== 0 && inode.tier !== options.tier) others += 1;
    }
    await options.pause();
  }
  return others;
}
