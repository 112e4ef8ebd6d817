/**
 * What the body of a request says, field by field, as the volume server understands it.
 */

import { fieldsOf } from '../control/json.ts';
import type { Fields } from '../control/json.ts';
import { decodePolicy } from '../policy/retention-policy.ts';
import type { ActorId } from '../shared/brands.ts';
import { SessfsError } from '../shared/errors.ts';
import type { VolumeControl } from '../volume/store.ts';
import type { ServedVolume } from './open-volume.ts';

/** @throws {SessfsError} USAGE */
export function textField(body: Fields, name: string): string {
  const value = body[name];
  if (typeof value === 'string') return value;
  if (value === undefined || value === null) {
    throw new SessfsError('USAGE', `Cannot read the request: "${name}" is missing`);
  }
  throw new SessfsError(
    'USAGE',
    `Cannot read the request: "${name}" is ${JSON.stringify(value)}, want text`,
  );
}

/** @returns undefined if it is missing or null. @throws {SessfsError} USAGE */
export function findTextField(body: Fields, name: string): string | undefined {
  const value = body[name];
  return value === undefined || value === null ? undefined : textField(body, name);
}

/** @returns False if it is missing. @throws {SessfsError} USAGE */
export function booleanField(body: Fields, name: string): boolean {
  const value = body[name];
  if (value === undefined) return false;
  if (typeof value === 'boolean') return value;
  throw new SessfsError(
    'USAGE',
    `Cannot read the request: "${name}" is ${JSON.stringify(value)}, want true or false`,
  );
}

/**
 * A number in the query of a request.
 *
 * @returns undefined if it is not there.
 * @throws {SessfsError} USAGE
 */
export function findCount(query: URLSearchParams, name: string, least: number): number | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  const value = Number(text);
  if (text.trim() !== '' && Number.isSafeInteger(value) && value >= least) return value;
  throw new SessfsError('USAGE', `Cannot use ${name} "${text}": want a whole number from ${least}`);
}

/** Who gave the command; the socket is its owner's alone, so it is believed. */
export function internActor(volume: VolumeControl, value: unknown): ActorId {
  const fields = fieldsOf(value);
  const integer = (name: string): number => {
    const field = fields[name];
    return Number.isSafeInteger(field) ? Number(field) : 0;
  };
  const { command, label } = fields;
  return volume.internActor({
    uid: integer('uid'),
    gid: integer('gid'),
    pid: integer('pid'),
    ...(typeof command === 'string' ? { command } : {}),
    ...(typeof label === 'string' ? { label } : {}),
  });
}

/**
 * Takes a policy as it came from the daemon. What is logged once must be read for ever: it is read first.
 *
 * @throws {SessfsError} USAGE
 */
export function setPolicy({ retention }: ServedVolume, value: unknown): void {
  try {
    if (typeof value !== 'string') throw new RangeError('it is no text');
    decodePolicy(value);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new SessfsError('USAGE', `Cannot take the policy: ${reason}`, { cause });
  }
  retention.pledges.setPolicy(value);
}
