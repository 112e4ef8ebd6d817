/**
 * Sweeps, the audit, and usage on the volume's socket.
 */

import type { ControlReply, ControlRequest } from '../control/http-server.ts';
import type { AuditReply, SweepReply, UsageReply } from '../control/promise-protocol.ts';
import { checkAudit, readAudit } from '../retention/audit.ts';
import type { AuditEntry } from '../retention/audit.ts';
import type { SweepReport, SweptFile } from '../retention/sweeper.ts';
import { findInodesBelow } from '../retention/inodes-below.ts';
import { measureUsage } from '../retention/usage.ts';
import type { Ino, Name } from '../shared/brands.ts';
import { nameToText } from '../shared/names.ts';
import { timeToIso } from '../shared/time.ts';
import type { ServedVolume } from './open-volume.ts';
import { encodeMs, readActor } from './promise-wire.ts';
import {
  booleanField,
  findCount,
  findTextField,
  internActor,
  setPolicy,
} from './request-fields.ts';
import { missing, parsePath, pathText } from './volume-paths.ts';
import { describeQuota } from './volume-quota.ts';

/** An audit that does not say how much it wants gets so many entries. */
const DEFAULT_AUDIT_LIMIT = 100;

/**
 * Beside what a person asks for the daemon says what only it knows: `clockProblem`, and `retention`, the
 * policy, so that nothing is removed by one that has just been changed.
 */
export async function sweep(
  served: ServedVolume,
  { body, signal }: ControlRequest,
): Promise<ControlReply> {
  const order = {
    isApplied: booleanField(body, 'apply'),
    isConfirmed: booleanField(body, 'confirm'),
    isForced: booleanField(body, 'force'),
    clockProblem: findTextField(body, 'clockProblem'),
  };
  if (body['retention'] !== undefined) setPolicy(served, body['retention']);
  const { actor } = body;
  // Nobody: the daemon itself.
  const by = actor === undefined ? {} : { actor: internActor(served.volume, actor) };
  const report = await served.retention.sweep({ ...order, ...by }, signal);
  return { json: encodeSweep(report) };
}

export async function readAuditLog(
  { history, retention }: ServedVolume,
  { query, signal }: ControlRequest,
): Promise<ControlReply> {
  const limit = findCount(query, 'limit', 1) ?? DEFAULT_AUDIT_LIMIT;
  const isVerified = query.get('verify') === '1';
  return retention.run(signal, async ({ pause }) => {
    const newest: AuditEntry[] = [];
    let truncated = false;
    for await (const entry of readAudit(retention.volume)) {
      newest.push(entry);
      if (newest.length > limit) {
        newest.shift();
        truncated = true;
      }
      await pause();
    }
    const entries: AuditReply['entries'] = await Promise.all(
      newest.map(async (entry) => ({
        ...encodeEntry(entry),
        actor: await readActor(history, entry.actor),
      })),
    );
    const check = isVerified ? await checkAudit(retention.volume) : undefined;
    const json: AuditReply = { entries, truncated, check };
    return { json };
  });
}

export async function readUsage(
  served: ServedVolume,
  { query, signal }: ControlRequest,
): Promise<ControlReply> {
  const { history, retention } = served;
  const { volume, nowMs, sessionEndedMs } = retention;
  const path: Name[] = parsePath(query.get('path') ?? '');
  const shortenedToMs = findCount(query, 'shorten', 0);
  return retention.run(signal, async ({ pause }) => {
    const without: ReadonlySet<Ino> | undefined =
      path.length === 0 ? undefined : await findInodesBelow(volume, path, pause);
    if (path.length > 0 && without === undefined) throw await missing(history, path);
    const usage = await measureUsage(volume, {
      nowMs,
      sessionEndedMs,
      pause,
      ...(without === undefined ? {} : { without }),
      ...(shortenedToMs === undefined ? {} : { shortenedToMs }),
    });
    const json: UsageReply = {
      ...usage,
      ...describeQuota(volume.quota),
    };
    return { json };
  });
}

function encodeSweep(report: SweepReport): SweepReply {
  const { refusal, liveFiles, versions, inodes, bytes, clean } = report;
  return {
    applied: report.isApplied,
    refusal,
    earliest: report.horizon,
    liveFiles,
    versions,
    inodes,
    bytes,
    files: report.files.map(encodeSweptFile),
    truncated: report.isTruncated,
    nextDue: encodeMs(report.nextDueMs),
    clean,
  };
}

function encodeSweptFile(file: SweptFile): SweepReply['files'][number] {
  const { path, what, reason, bytes, keptUntilMs } = file;
  return {
    path,
    text: nameToText(path),
    what,
    versions: file.versions.map(({ revision, size, timeMs }) => ({
      revision,
      size,
      time: encodeMs(timeMs) ?? '',
    })),
    reason,
    // Without a version of its own it had no end of its own.
    keptUntil: keptUntilMs === 0 ? null : encodeMs(keptUntilMs),
    bytes,
  };
}

function encodeEntry(entry: AuditEntry): Omit<AuditReply['entries'][number], 'actor'> {
  const { revision, time, digest, versions, bytes, event } = entry;
  return {
    revision,
    time: timeToIso(time),
    digest,
    confirmed: event.isConfirmed,
    versions,
    bytes,
    names: event.names.length,
    files: event.inodes.map(({ path, reason, last, versions: removed }) => ({
      text: path === '' ? pathText([]) : path,
      reason,
      forgotten: last === 'all',
      versions: removed,
    })),
  };
}
