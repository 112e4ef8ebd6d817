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
}

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
};

/** @throws {SessfsError} CONFIG_INVALID Naming the field, what it is and what it may be. */
export function parseConfig(text: string, path: string): Config {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw invalid(path, 'it is not JSON', error);
  }
  if (!isFields(value)) {
    throw invalid(path, 'it is not a JSON object');
  }
  const known = new Set(Object.keys(DEFAULT_CONFIG));
  for (const field of Object.keys(value)) {
    if (!known.has(field)) {
      throw invalid(path, `"${field}" is unknown, known are ${[...known].join(', ')}`);
    }
  }
  return {
    logLevel: parseLogLevel(value['logLevel'], path),
    sessionDefaults: parseDefaults(value['sessionDefaults'], path),
    cutIntervalSeconds: parseSeconds(value, 'cutIntervalSeconds', path),
    hibernateAfterSeconds: parseSeconds(value, 'hibernateAfterSeconds', path, 0),
    hangTimeoutSeconds: parseSeconds(value, 'hangTimeoutSeconds', path),
    stopTimeoutSeconds: parseSeconds(value, 'stopTimeoutSeconds', path),
  };
}

/** The configuration of a store; the defaults if it has none. */
export function loadConfig(path: string): Config {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return DEFAULT_CONFIG;
    throw invalid(path, error instanceof Error ? error.message : String(error), error);
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

function parseLogLevel(value: unknown, path: string): LogLevel {
  if (value === undefined) return DEFAULT_CONFIG.logLevel;
  const level = LOG_LEVELS.find((known) => known === value);
  if (level === undefined) {
    throw invalid(path, `"logLevel" is ${JSON.stringify(value)}, want ${LOG_LEVELS.join(', ')}`);
  }
  return level;
}

function parseSeconds(
  fields: Fields,
  name: Exclude<keyof Config, 'logLevel' | 'sessionDefaults'>,
  path: string,
  least = 1,
): number {
  const value = fields[name];
  if (value === undefined) return DEFAULT_CONFIG[name];
  if (typeof value !== 'number' || !(value >= least && value <= 86_400)) {
    throw invalid(
      path,
      `"${name}" is ${JSON.stringify(value)}, want a number from ${least} to 86400`,
    );
  }
  return value;
}

function parseDefaults(value: unknown, path: string): SessionOptions {
  const defaults = DEFAULT_CONFIG.sessionDefaults;
  if (value === undefined) return defaults;
  if (!isFields(value)) {
    throw invalid(path, `"sessionDefaults" is ${JSON.stringify(value)}, want an object`);
  }
  const result = { ...defaults };
  for (const [field, setting] of Object.entries(value)) {
    if (field === 'driver') {
      if (!isDriver(setting)) {
        throw invalid(path, `"driver" is ${JSON.stringify(setting)}, want kernel or fuse-native`);
      }
      result.driver = setting;
    } else if (isSwitch(field)) {
      if (typeof setting !== 'boolean') {
        throw invalid(path, `"${field}" is ${JSON.stringify(setting)}, want true or false`);
      }
      result[field] = setting;
    } else {
      throw invalid(path, `"sessionDefaults.${field}" is unknown`);
    }
  }
  return result;
}

function invalid(path: string, reason: string, cause?: unknown): SessfsError {
  return new SessfsError('CONFIG_INVALID', `Cannot use configuration "${path}": ${reason}`, {
    hint: 'Correct the file; without it the defaults hold',
    cause,
  });
}
