/**
 * Why something is kept, on the volume's socket: until when, by what, and what would change it.
 */

import type { ControlReply, ControlRequest } from '../control/http-server.ts';
import type { WhyReply } from '../control/promise-protocol.ts';
import type { FileHistory, Version } from '../history/store.ts';
import { explainLive, explainVersions } from '../retention/explain.ts';
import type { ExplainedVersion } from '../retention/explain.ts';
import type { Ino, Name } from '../shared/brands.ts';
import { SessfsError } from '../shared/errors.ts';
import { timeToIso } from '../shared/time.ts';
import type { ServedVolume } from './open-volume.ts';
import { encodeKept, readTierOf } from './promise-wire.ts';
import {
  findDirectory,
  findHistoryOf,
  locate,
  missing,
  parsePath,
  pathText,
} from './volume-paths.ts';
import { listHints } from './why-hints.ts';
import type { HintedVersion } from './why-hints.ts';

export async function explainWhy(
  served: ServedVolume,
  { query }: ControlRequest,
): Promise<ControlReply> {
  const path = parsePath(query.get('path') ?? '');
  const at = query.get('at') ?? undefined;
  const { history, retention } = served;
  const { volume, nowMs, sessionEndedMs } = retention;
  const node = await history.findPath(path, history.status().latest);
  const file = await findHistoryOf(history, path);
  if (node === undefined && file === undefined && !(await isDirectoryOnce(served, path))) {
    throw await missing(history, path);
  }
  const chosen = file === undefined ? [] : await choose(served, { path, at, file });
  const explained = await explain(served, chosen);
  // A question about one version is not about what is there now.
  const live =
    node === undefined || at !== undefined
      ? undefined
      : await explainLive(volume, node.ino, { nowMs, sessionEndedMs });
  const ino = node?.ino ?? file?.versions.at(-1)?.ino;
  const { policy } = volume.promiser.current;
  const json: WhyReply = {
    text: pathText(path),
    live: live && encodeKept(live, nowMs),
    versions: explained.map(({ version, decision }) => ({
      ...encodeKept(decision, nowMs),
      revision: version.revision,
      time: timeToIso(version.time),
      size: version.size,
    })),
    graceMs: policy.graceMs,
    tier: isKnown(served, ino) ? await readTierOf(volume, ino, path) : undefined,
    hints: listHints({
      text: pathText(path),
      nowMs,
      graceMs: policy.graceMs,
      live,
      liveIno: node?.ino,
      versions: explained.map(({ version: { ino: of, revision }, decision }): HintedVersion => ({
        ino: of,
        revision,
        decision,
      })),
      isPermanentForEver: policy.ladders.permanent.all === Infinity,
    }),
  };
  return { json };
}

async function isDirectoryOnce({ history }: ServedVolume, path: readonly Name[]): Promise<boolean> {
  return (await findDirectory(history, path)) !== undefined;
}

function isKnown({ retention }: ServedVolume, ino: Ino | undefined): ino is Ino {
  return ino !== undefined && retention.volume.state.findInode(ino) !== undefined;
}

/** The versions that are asked about, oldest first. */
async function choose(
  served: ServedVolume,
  { path, at, file }: { path: readonly Name[]; at: string | undefined; file: FileHistory },
): Promise<readonly Version[]> {
  if (at === undefined) return file.versions;
  const now = served.retention.volume.clock.now();
  const { node, revision } = await locate(served, { path, at, now });
  const version = file.versions.findLast(
    (each) => each.ino === node.ino && each.revision <= revision,
  );
  if (version !== undefined) return [version];
  throw new SessfsError(
    'VERSION_UNKNOWN',
    `Cannot find "${pathText(path)}@${at}": no version of it is that old`,
    { hint: `List them: sessfs log ${pathText(path)}` },
  );
}

async function explain(
  { retention }: ServedVolume,
  versions: readonly Version[],
): Promise<(Pick<ExplainedVersion, 'decision'> & { version: Version })[]> {
  const { volume, nowMs, sessionEndedMs } = retention;
  const inos = [...new Set(versions.map(({ ino }) => ino))];
  const explained = await explainVersions(volume, inos, { nowMs, sessionEndedMs });
  const decisions = new Map(
    explained.map(({ ino, revision, decision }) => [`${ino} ${revision}`, decision]),
  );
  return versions.flatMap((version) => {
    const decision = decisions.get(`${version.ino} ${version.revision}`);
    return decision === undefined ? [] : [{ version, decision }];
  });
}
