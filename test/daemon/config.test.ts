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
    ['{"retention":{"grace":"5 h"}}', '"retention.grace" is "5 h"'],
    ['{"retention":{"rules":[{"match":"["}]}}', '"retention.rules[0].match" is "["'],
    ['{"retention":{"sessions":{"a":{"tier":"x"}}}}', '"retention.sessions.a.tier" is unknown'],
  ])('refuses %s and says why', (text, reason) => {
    expect(() => parseConfig(text, '/x/config.json')).toThrow(reason);
  });
});

/** What is said of a file of these lines; "" if it is good. */
function complaintAbout(lines: readonly string[]): string {
  try {
    parseConfig(lines.join('\n'), '/x/config.json');
    return '';
  } catch (error) {
    return error instanceof Error ? error.message : '';
  }
}

describe('what parseConfig says of a mistake', () => {
  test.each([
    [
      'a value that is not JSON',
      ['{', '  "logLevel": info', '}'],
      'line 2, column 15: it is not JSON: what is here is no value',
    ],
    ['a comma too many', ['{', '  "logLevel": "info",', '}'], 'line 3, column 1: it is not JSON'],
    [
      'a malformed duration',
      ['{ "retention": {', '    "tiers": { "standard": { "all": "2 days" } } } }'],
      'line 2, column 37: "retention.tiers.standard.all" is "2 days"',
    ],
    [
      'a field of our own',
      ['{', '  "logLevel": "info",', '  "cutIntervalSeconds": 0 }'],
      'line 3, column 25: "cutIntervalSeconds" is 0, want a number from 1 to 86400',
    ],
  ])('has line, column and reason for %s', (_what, lines, reason) => {
    expect(complaintAbout(lines)).toContain(`Cannot use configuration "/x/config.json": ${reason}`);
  });

  test('is that a policy is too long for the arguments of a server', () => {
    const match = Array.from({ length: 5000 }, (_, at) => `a-name-of-some-length-${at}`);
    const text = JSON.stringify({ retention: { rules: [{ match, history: '1h' }] } });
    expect(complaintAbout([text])).toMatch(
      /"retention" has \d+ bytes .* at most 65536 are possible/,
    );
  });

  test('keeps the policies of sessions apart', () => {
    const text = '{"retention":{"grace":"2h","sessions":{"notes":{"grace":"3h"}}}}';
    const { retention } = parseConfig(text, 'c');
    expect([retention.graceMs, retention.sessions['notes']?.graceMs]).toEqual([7.2e6, 10.8e6]);
  });
});

describe('loadConfig', () => {
  test('of a store without a file is the defaults', () => {
    expect(loadConfig('/nowhere/config.json')).toEqual(DEFAULT_CONFIG);
  });
});
