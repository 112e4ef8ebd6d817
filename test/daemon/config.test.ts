/**
 * config.json: what is good, and what is said of what is not.
 */

import { describe, expect, test } from 'vitest';

import { DEFAULT_CONFIG, loadConfig, parseConfig } from '../../src/daemon/config.ts';

describe('parseConfig', () => {
  test('of nothing is the defaults', () => {
    expect(parseConfig('{}', 'c')).toEqual(DEFAULT_CONFIG);
  });

  test('takes what is said and leaves the rest', () => {
    const config = parseConfig('{"logLevel":"debug","sessionDefaults":{"suid":true}}', 'c');
    expect(config.logLevel).toBe('debug');
    expect(config.sessionDefaults).toEqual({ ...DEFAULT_CONFIG.sessionDefaults, suid: true });
  });

  test.each([
    ['{', 'not JSON'],
    ['[]', 'not a JSON object'],
    ['{"logLevels":"info"}', '"logLevels" is unknown'],
    ['{"logLevel":"loud"}', '"loud", want silent'],
    ['{"cutIntervalSeconds":0}', 'is 0, want a number from 1'],
    ['{"stopTimeoutSeconds":"1"}', 'is "1", want a number'],
    ['{"sessionDefaults":{"driver":"nfs"}}', 'is "nfs", want kernel or fuse-native'],
    ['{"sessionDefaults":{"dev":1}}', 'is 1, want true or false'],
    ['{"sessionDefaults":{"device":true}}', '"sessionDefaults.device" is unknown'],
  ])('refuses %s and says why', (text, reason) => {
    expect(() => parseConfig(text, '/x/config.json')).toThrow(reason);
  });
});

describe('loadConfig', () => {
  test('of a store without a file is the defaults', () => {
    expect(loadConfig('/nowhere/config.json')).toEqual(DEFAULT_CONFIG);
  });
});
