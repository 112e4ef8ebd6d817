/**
 * The fields of the retention policy's JSON, read one by one: each knows its place when it is refused.
 */

import { SessfsError } from '../shared/errors.ts';
import { parseBytes } from './bytes-text.ts';
import { parseDuration } from './duration.ts';
import { formatJsonPath } from './json-path.ts';
import type { JsonPath } from './json-path.ts';

/** What is wrong with a policy, and where: for whoever knows the text to tell a person. */
export class PolicyProblem extends Error {
  override readonly name = 'PolicyProblem';
  readonly place: JsonPath;
  /** To follow the place and a blank: "is 5, want true or false". */
  readonly reason: string;

  constructor(place: JsonPath, reason: string, options?: { cause?: unknown }) {
    super(`${place.length === 0 ? 'It' : `"${formatJsonPath(place)}"`} ${reason}`, options);
    this.place = place;
    this.reason = reason;
  }

  /** "retention.rules[2].match". */
  get path(): string {
    return formatJsonPath(this.place);
  }
}

export type Fields = Readonly<Record<string, unknown>>;

/** A value and where it is. */
export interface Placed {
  readonly value: unknown;
  readonly place: JsonPath;
}

/** An object's fields, each with its place; none that is not known. */
export class FieldReader {
  readonly place: JsonPath;
  readonly #fields: Fields;

  /** @throws {PolicyProblem} If it is no object, or has a field that is not known. */
  constructor({ value, place }: Placed, known?: readonly string[]) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new PolicyProblem(place, `is ${show(value)}, want an object`);
    }
    this.place = place;
    this.#fields = { ...value };
    for (const name of Object.keys(this.#fields)) {
      if (known?.includes(name) === false) {
        throw new PolicyProblem([...place, name], `is unknown, known are ${known.join(', ')}`);
      }
    }
  }

  get names(): string[] {
    return Object.keys(this.#fields);
  }

  has(name: string): boolean {
    return Object.hasOwn(this.#fields, name);
  }

  at(name: string): Placed {
    const value = this.has(name) ? this.#fields[name] : undefined;
    return { value, place: [...this.place, name] };
  }

  /** @returns `otherwise` if the field is not there. */
  duration(name: string, otherwise: number, limits: DurationLimits = {}): number {
    return this.has(name) ? readDuration(this.at(name), limits) : otherwise;
  }

  count(name: string, otherwise: number, maximum: number): number {
    if (!this.has(name)) return otherwise;
    const { value, place } = this.at(name);
    if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= maximum) {
      return value;
    }
    throw new PolicyProblem(place, `is ${show(value)}, want a whole number from 0 to ${maximum}`);
  }

  share(name: string, otherwise: number): number {
    if (!this.has(name)) return otherwise;
    const { value, place } = this.at(name);
    if (typeof value === 'number' && value > 0 && value <= 1) return value;
    throw new PolicyProblem(place, `is ${show(value)}, want a number above 0 and up to 1`);
  }

  boolean(name: string, otherwise: boolean): boolean {
    if (!this.has(name)) return otherwise;
    const { value, place } = this.at(name);
    if (typeof value === 'boolean') return value;
    throw new PolicyProblem(place, `is ${show(value)}, want true or false`);
  }

  /** A limit that counts things: "none" is Infinity. */
  limit(name: string, otherwise: number): number {
    if (!this.has(name)) return otherwise;
    const { value, place } = this.at(name);
    if (value === 'none') return Infinity;
    if (isLimit(value)) return value;
    throw new PolicyProblem(place, `is ${show(value)}, want a whole number from 1, or "none"`);
  }

  /** A limit in bytes: a number, or a text as in parseBytes. */
  bytes(name: string, otherwise: number): number {
    if (!this.has(name)) return otherwise;
    const { value, place } = this.at(name);
    const bytes = typeof value === 'string' ? atPlace(place, () => parseBytes(value)) : value;
    if (bytes === Infinity || isLimit(bytes)) return bytes;
    throw new PolicyProblem(
      place,
      `is ${show(value)}, want a whole number of bytes from 1, a size such as "10GB", or "none"`,
    );
  }
}

export interface DurationLimits {
  readonly minMs?: number;
  /** What `maxMs` and `minMs` mean, for people: "from 1s to 7d". */
  readonly range?: string;
  readonly maxMs?: number;
}

/** @throws {PolicyProblem} If it is no text of a duration, or outside its limits. */
export function readDuration({ value, place }: Placed, limits: DurationLimits = {}): number {
  if (typeof value !== 'string') {
    throw new PolicyProblem(place, `is ${show(value)}, want a duration such as "24h"`);
  }
  const ms = atPlace(place, () => parseDuration(value));
  if (ms < (limits.minMs ?? 0) || ms > (limits.maxMs ?? Infinity)) {
    throw new PolicyProblem(place, `is ${show(value)}, want a duration ${limits.range ?? ''}`);
  }
  return ms;
}

/** As in JSON, but short. */
export function show(value: unknown): string {
  const text = JSON.stringify(value) ?? 'missing';
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

/** What a person's text has wrong, as a problem of its place. */
function atPlace(place: JsonPath, read: () => number): number {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof SessfsError)) throw error;
    // "Cannot read duration "5 h": want …": the text and the reason.
    const reason = error.message.replace(/^Cannot read \w+/, 'is');
    throw new PolicyProblem(place, reason, { cause: error });
  }
}

function isLimit(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 1;
}
