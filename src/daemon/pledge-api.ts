/**
 * Checkpoints and holds on the volume's socket.
 */

import type { ControlReply, ControlRequest } from '../control/http-server.ts';
import type { CheckpointInfo, HoldInfo } from '../control/promise-protocol.ts';
import type { HoldRecord } from '../index/promised-records.ts';
import type { Ino, Name, Revision } from '../shared/brands.ts';
import { SessfsError } from '../shared/errors.ts';
import { timeToIso } from '../shared/time.ts';
import type { HoldTarget } from '../volume/promise-events.ts';
import type { ServedVolume } from './open-volume.ts';
import { readActor } from './promise-wire.ts';
import { findTextField, internActor, textField } from './request-fields.ts';
import {
  findDirectory,
  findHistoryOf,
  findMomentOf,
  locate,
  missing,
  parsePath,
  pathText,
} from './volume-paths.ts';

export async function listCheckpoints(served: ServedVolume): Promise<ControlReply> {
  const { checkpoints } = served.retention.volume.state.promises;
  const json: CheckpointInfo[] = await Promise.all(
    [...checkpoints.keys()].toSorted().map((name) => readCheckpoint(served, name)),
  );
  return { json };
}

export async function addCheckpoint(
  served: ServedVolume,
  { body }: ControlRequest,
): Promise<ControlReply> {
  const name = textField(body, 'name');
  const at = findTextField(body, 'at');
  const { volume, pledges } = served.retention;
  const moment = at === undefined ? undefined : await findMomentOf(served, at, volume.clock.now());
  const actor = internActor(served.volume, body['actor']);
  await pledges.addCheckpoint(name, { actor, at: moment?.revision });
  return { json: await readCheckpoint(served, name) };
}

export async function removeCheckpoint(
  served: ServedVolume,
  { query, body }: ControlRequest,
): Promise<ControlReply> {
  const actor = internActor(served.volume, body['actor']);
  served.retention.pledges.removeCheckpoint(nameIn(query), actor);
  return { json: {} };
}

export async function listHolds(served: ServedVolume): Promise<ControlReply> {
  const { holds } = served.retention.volume.state.promises;
  const json: HoldInfo[] = await Promise.all(
    [...holds.keys()].toSorted().map((name) => readHold(served, name)),
  );
  return { json };
}

export async function addHold(
  served: ServedVolume,
  { body }: ControlRequest,
): Promise<ControlReply> {
  const name = textField(body, 'name');
  // One that is missing is refused where an empty one is.
  const reason = findTextField(body, 'reason') ?? '';
  const path = parsePath(textField(body, 'path'));
  const target = await findTarget(served, path, findTextField(body, 'at'));
  const actor = internActor(served.volume, body['actor']);
  served.retention.pledges.addHold({ name, reason, target }, actor);
  return { json: await readHold(served, name) };
}

export async function releaseHold(
  served: ServedVolume,
  { query, body }: ControlRequest,
): Promise<ControlReply> {
  const actor = internActor(served.volume, body['actor']);
  served.retention.pledges.releaseHold(nameIn(query), actor);
  return { json: {} };
}

/** @throws {SessfsError} CONTENT_REMOVED If there is nothing left to keep. */
async function findTarget(
  served: ServedVolume,
  path: readonly Name[],
  at: string | undefined,
): Promise<HoldTarget> {
  const now = served.retention.volume.clock.now();
  if (path.length === 0) {
    if (at === undefined) return { ino: 0, revision: 0, path: '' };
    const { revision, checkpoint } = await findMomentOf(served, at, now);
    const text = checkpoint === undefined ? `moment r${revision}` : `checkpoint ${checkpoint}`;
    return { ino: 0, revision, path: text };
  }
  const text = pathText(path);
  if (at === undefined) return { ino: await findIno(served, path), revision: 0, path: text };
  const { node, revision } = await locate(served, { path, at, now });
  if (node.isGone) {
    throw new SessfsError(
      'CONTENT_REMOVED',
      `Cannot hold "${text}@${at}": retention has removed its content`,
      { hint: `List what is there: sessfs log ${text}` },
    );
  }
  return { ino: node.ino, revision, path: text };
}

/** What has the name, or had it last: what is gone can be kept, too. */
async function findIno({ history }: ServedVolume, path: readonly Name[]): Promise<Ino> {
  const live = await history.findPath(path, history.status().latest);
  if (live !== undefined) return live.ino;
  const file = await findHistoryOf(history, path);
  const ino = file?.versions.at(-1)?.ino ?? (await findDirectory(history, path))?.inos.at(-1);
  if (ino === undefined) throw await missing(history, path);
  return ino;
}

async function readCheckpoint(served: ServedVolume, name: string): Promise<CheckpointInfo> {
  const { history, retention } = served;
  const record = retention.volume.state.promises.checkpoints.get(name);
  if (record === undefined) throw goneMeanwhile('checkpoint', name);
  return {
    name,
    revision: record.at,
    time: timeToIso(await history.getRevisionTime(record.at)),
    created: timeToIso(record.time),
    actor: await readActor(history, record.actor),
  };
}

async function readHold({ history, retention }: ServedVolume, name: string): Promise<HoldInfo> {
  const record = retention.volume.state.promises.holds.get(name);
  if (record === undefined) throw goneMeanwhile('hold', name);
  return {
    name,
    reason: record.reason,
    target: describeTarget(record),
    created: timeToIso(record.time),
    actor: await readActor(history, record.actor),
  };
}

function describeTarget({ ino, revision, path }: HoldRecord): string {
  if (ino === 0) return revision === 0 ? 'the session' : path;
  return revision === (0 as Revision) ? path : `${path}@r${revision}`;
}

function nameIn(query: URLSearchParams): string {
  const name = query.get('name');
  if (name !== null) return name;
  throw new SessfsError('USAGE', 'Cannot read the request: "name" is missing in its query');
}

function goneMeanwhile(what: string, name: string): SessfsError {
  return new SessfsError('VERSION_UNKNOWN', `Cannot find ${what} "${name}": it has just gone`);
}
