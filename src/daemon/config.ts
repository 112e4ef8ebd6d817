/**
 * The configuration of a store: config.json, followed while the daemon runs.
 *
 * Rule: a bad file is refused at the start; while the daemon runs it is logged and the old one stays.
 */

import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';

import { watch } from 'chokidar';

import { isFields } from '../control/json.ts';
import type { Fields } from '../control/json.ts';
import { isSwitch } from '../control/protocol.ts';
import type { SessionOptions } from '../control/protocol.ts';
import { findJsonPlace, findJsonSyntaxError } from '../policy/json-place.ts';
import type { JsonPath } from '../policy/json-path.ts';
import type { TextPlace } from '../policy/json-place.ts';
import { PolicyProblem } from '../policy/policy-fields.ts';
import { encodePolicy, parseRetention } from '../policy/retention-policy.ts';
import type { RetentionDocument } from '../policy/retention-policy.ts';
import { SessfsError } from '../shared/errors.ts';
import { LOG_LEVELS } from './log-level.ts';
import type { LogLevel } from './log-level.ts';
import { isDriver } from './registry.ts';

export interface Config {
  readonly logLevel: LogLevel;
  /** What a new session gets when its creator does not say. */
  readonly sessionDefaults: SessionOptions;
  /** A file that stays open and dirty gets a version this often, in seconds. */
  readonly cutIntervalSeconds: number;
  /** A session without a request for so long needs no process, in seconds; 0 is never. */
  readonly hibernateAfterSeconds: number;
  /** A volume server that works on one request for so long hangs, and is replaced, in seconds. */
  readonly hangTimeoutSeconds: number;
  /** How long a volume server may take to drain and sync when it is stopped, in seconds. */
  readonly stopTimeoutSeconds: number;
  /** What is kept for how long, and how much of it. */
  readonly retention: RetentionDocument;
}

/** A policy is handed to a volume server in its arguments, of which Linux takes 128 KiB each. */
const POLICY_MAX_BYTES = 64 * 1024;

export const DEFAULT_CONFIG: Config = {
  logLevel: 'info',
  sessionDefaults: {
    allowOther: false,
    dev: false,
    suid: false,
    listVersions: false,
    driver: 'kernel',
  },
  // DESIGN: a database or a log that is never closed still has a history, to the minute.
  cutIntervalSeconds: 60,
  hibernateAfterSeconds: 60,
  hangTimeoutSeconds: 60,
  // A sync of a busy disk takes seconds; init systems kill after 90.
  stopTimeoutSeconds: 30,
  retention: parseRetention(undefined),
};

/** @throws {SessfsError} CONFIG_INVALID Naming line and column, the field, what it is and what it may be. */
export function parseConfig(text: string, path: string): Config {
  try {
    return readConfig(text);
  } catch (error) {
    if (error instanceof PolicyProblem) {
      throw invalid(path, findJsonPlace(text, error.place), error.message, error);
    }
    if (!(error instanceof SyntaxError)) throw error;
    const problem = findJsonSyntaxError(text);
    throw invalid(path, problem, `it is not JSON: ${problem?.reason ?? error.message}`, error);
  }
}

/** @throws {PolicyProblem | SyntaxError} */
function readConfig(text: string): Config {
  const value: unknown = JSON.parse(text);
  if (!isFields(value)) throw new PolicyProblem([], 'is not a JSON object');
  const known = new Set(Object.keys(DEFAULT_CONFIG));
  for (const field of Object.keys(value)) {
    if (!known.has(field)) {
      throw new PolicyProblem([field], `is unknown, known are ${[...known].join(', ')}`);
    }
  }
  return {
    logLevel: parseLogLevel(value['logLevel']),
    sessionDefaults: parseDefaults(value['sessionDefaults']),
    cutIntervalSeconds: parseSeconds(value, 'cutIntervalSeconds'),
    hibernateAfterSeconds: parseSeconds(value, 'hibernateAfterSeconds', 0),
    hangTimeoutSeconds: parseSeconds(value, 'hangTimeoutSeconds'),
    stopTimeoutSeconds: parseSeconds(value, 'stopTimeoutSeconds'),
    retention: readRetention(value['retention']),
  };
}

/** The configuration of a store; the defaults if it has none. */
export function loadConfig(path: string): Config {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return DEFAULT_CONFIG;
    throw invalid(path, undefined, error instanceof Error ? error.message : String(error), error);
  }
  return parseConfig(text, path);
}

/**
 * Follows the file.
 *
 * @param options.onChange Called with each good configuration.
 * @param options.onInvalid Called instead when it is not good; the old one should stay.
 */
export function watchConfig(options: {
  path: string;
  /** What was loaded before. */
  current: Config;
  onChange: (config: Config) => void;
  onInvalid: (error: unknown) => void;
}): { close: () => Promise<void> } {
  const dir = dirname(options.path);
  // By its directory: the file may not be there yet, and editors put a new one in its place.
  const watcher = watch(dir, {
    depth: 0,
    // Nothing else in the store is looked at, least of all the mounts.
    ignored: (path) => path !== dir && path !== options.path,
    awaitWriteFinish: { stabilityThreshold: 100, pollInterval: 20 },
  });
  let current = options.current;
  // Also at the start: the file may have changed between loading and watching.
  const reload = (): void => {
    let config: Config;
    try {
      config = loadConfig(options.path);
    } catch (error) {
      options.onInvalid(error);
      return;
    }
    if (JSON.stringify(config) === JSON.stringify(current)) return;
    current = config;
    options.onChange(config);
  };
  watcher
    .on('ready', reload)
    .on('add', reload)
    .on('change', reload)
    .on('unlink', reload)
    .on('error', options.onInvalid);
  return { close: () => watcher.close() };
}

function parseLogLevel(value: unknown): LogLevel {
  if (value === undefined) return DEFAULT_CONFIG.logLevel;
  const level = LOG_LEVELS.find((known) => known === value);
  if (level === undefined) refuse(['logLevel'], value, LOG_LEVELS.join(', '));
  return level;
}

function parseSeconds(
  fields: Fields,
  name: Exclude<keyof Config, 'logLevel' | 'sessionDefaults' | 'retention'>,
  least = 1,
): number {
  const value = fields[name];
  if (value === undefined) return DEFAULT_CONFIG[name];
  if (typeof value === 'number' && value >= least && value <= 86_400) return value;
  return refuse([name], value, `a number from ${least} to 86400`);
}

function parseDefaults(value: unknown): SessionOptions {
  const defaults = DEFAULT_CONFIG.sessionDefaults;
  const place = ['sessionDefaults'];
  if (value === undefined) return defaults;
  if (!isFields(value)) return refuse(place, value, 'an object');
  const result = { ...defaults };
  for (const [field, setting] of Object.entries(value)) {
    const at = [...place, field];
    if (field === 'driver') {
      result.driver = isDriver(setting) ? setting : refuse(at, setting, 'kernel or fuse-native');
    } else if (isSwitch(field)) {
      result[field] = typeof setting === 'boolean' ? setting : refuse(at, setting, 'true or false');
    } else throw new PolicyProblem(at, 'is unknown');
  }
  return result;
}

function readRetention(value: unknown): RetentionDocument {
  const document = parseRetention(value);
  const { sessions, ...store } = document;
  for (const [name, policy] of [['', store] as const, ...Object.entries(sessions)]) {
    const bytes = Buffer.byteLength(encodePolicy(policy));
    if (bytes <= POLICY_MAX_BYTES) continue;
    const place = name === '' ? ['retention'] : ['retention', 'sessions', name];
    throw new PolicyProblem(
      place,
      `has ${bytes} bytes with all that it inherits, at most ${POLICY_MAX_BYTES} are possible`,
    );
  }
  return document;
}

function refuse(place: JsonPath, value: unknown, wanted: string): never {
  throw new PolicyProblem(place, `is ${JSON.stringify(value)}, want ${wanted}`);
}

function invalid(
  path: string,
  place: TextPlace | undefined,
  reason: string,
  cause?: unknown,
): SessfsError {
  const where = place === undefined ? '' : `line ${place.line}, column ${place.column}: `;
  return new SessfsError(
    'CONFIG_INVALID',
    `Cannot use configuration "${path}": ${where}${reason}`,
    {
      hint: 'Correct the file; without it the defaults hold',
      cause,
    },
  );
}
