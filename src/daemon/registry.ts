/**
 * The sessions of a store, on disk: one JSON file each, written atomically.
 *
 * INVARIANT: what is in memory is what was last written and synced; a file that cannot be understood
 * stops the daemon at its start, it is never skipped or overwritten.
 */

import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

import { fieldsOf, isFields } from '../control/json.ts';
import { DRIVERS } from '../control/protocol.ts';
import type { Driver, SessionOptions, SessionRecord } from '../control/protocol.ts';
import { readOwnQuota } from '../control/quota-request.ts';
import { SessfsError } from '../shared/errors.ts';
import type { OwnQuota } from '../volume/quota.ts';
import { removeFileDurably, writeFileAtomic } from './atomic-file.ts';

/** The format of the files; a higher one was written by a newer sessfs. */
const REGISTRY_FORMAT = 1;

export const SESSION_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

export class Registry {
  readonly #dir: string;
  readonly #records = new Map<string, SessionRecord>();

  private constructor(dir: string) {
    this.#dir = dir;
  }

  /** @throws {SessfsError} STORE_FOREIGN If a file is not a session, or of a newer format. */
  static open(dir: string): Registry {
    const registry = new Registry(dir);
    for (const file of readdirSync(dir).toSorted()) {
      if (!file.endsWith('.json')) continue;
      const record = readRecord(join(dir, file));
      if (`${record.id}.json` !== file) {
        throw foreign(join(dir, file), `its id is "${record.id}"`);
      }
      registry.#records.set(record.id, record);
    }
    return registry;
  }

  list(): SessionRecord[] {
    return [...this.#records.values()].toSorted((a, b) => (a.created < b.created ? -1 : 1));
  }

  /** By id, or by name. */
  find(session: string): SessionRecord | undefined {
    const byId = this.#records.get(session);
    if (byId !== undefined) return byId;
    for (const record of this.#records.values()) if (record.name === session) return record;
    return undefined;
  }

  async put(record: SessionRecord): Promise<void> {
    const text = JSON.stringify({ format: REGISTRY_FORMAT, ...record }, undefined, 2);
    await writeFileAtomic(join(this.#dir, `${record.id}.json`), `${text}\n`);
    this.#records.set(record.id, record);
  }

  async remove(id: string): Promise<void> {
    await removeFileDurably(join(this.#dir, `${id}.json`));
    this.#records.delete(id);
  }
}

function readRecord(path: string): SessionRecord {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw foreign(path, 'it is not JSON', error);
  }
  if (!isFields(value)) throw foreign(path, 'it is not an object');
  const fields = value;
  if (fields['format'] !== REGISTRY_FORMAT) {
    throw foreign(path, `its format is ${String(fields['format'])}, not ${REGISTRY_FORMAT}`);
  }
  const text = (name: string): string => {
    const field = fields[name];
    if (typeof field !== 'string') throw foreign(path, `"${name}" is not text`);
    return field;
  };
  const integer = (name: string): number => {
    const field = fields[name];
    if (typeof field === 'number' && Number.isSafeInteger(field)) return field;
    throw foreign(path, `"${name}" is not an integer`);
  };
  return {
    id: text('id'),
    name: fields['name'] === undefined ? undefined : text('name'),
    volumeId: text('volumeId'),
    uid: integer('uid'),
    gid: integer('gid'),
    state: text('state') === 'ended' ? 'ended' : 'active',
    created: text('created'),
    ended: fields['ended'] === undefined ? undefined : text('ended'),
    mountPoint: text('mountPoint'),
    mounted: fields['mounted'] === true,
    options: readOptions(fields['options']),
    // Files from before there were tiers have none.
    tier: fields['tier'] === undefined ? undefined : text('tier'),
    ...(fields['quota'] === undefined ? {} : { quota: readQuota(fields['quota'], path) }),
  };
}

function readQuota(value: unknown, path: string): OwnQuota {
  const quota = readOwnQuota(value);
  if (quota !== undefined) return quota;
  throw foreign(path, `"quota" is ${JSON.stringify(value)}, which is none`);
}

function readOptions(value: unknown): SessionOptions {
  const fields = fieldsOf(value);
  return {
    allowOther: fields['allowOther'] === true,
    dev: fields['dev'] === true,
    suid: fields['suid'] === true,
    listVersions: fields['listVersions'] === true,
    driver: isDriver(fields['driver']) ? fields['driver'] : 'kernel',
  };
}

export function isDriver(value: unknown): value is Driver {
  return DRIVERS.some((driver) => driver === value);
}

function foreign(path: string, reason: string, cause?: unknown): SessfsError {
  return new SessfsError('STORE_FOREIGN', `Cannot read session file "${path}": ${reason}`, {
    hint: 'Put back the file from a backup, or move it away to start without that session',
    cause,
  });
}
