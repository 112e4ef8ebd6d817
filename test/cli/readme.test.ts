/**
 * What the README says about promises is what the program does.
 */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, test } from 'vitest';

import { makeProgram } from '../../src/cli/program.ts';
import { DEFAULT_RULES } from '../../src/policy/default-rules.ts';
import { parseRetention } from '../../src/policy/retention-policy.ts';

const readme = readFileSync(join(import.meta.dirname, '../../README.md'), 'utf8');
const promises = readme.split('\n## Promises\n')[1]?.split('\n## ')[0] ?? '';

describe('the README', () => {
  test('has an example of a configuration that is understood', () => {
    const example = /```json\n(.*?)```/s.exec(promises)?.[1] ?? '';
    const config: unknown = JSON.parse(example);
    expect(config).toHaveProperty('retention');
    const { retention } = config as { retention: unknown };
    expect(parseRetention(retention).rules.length).toBe(DEFAULT_RULES.length + 3);
  });

  test('names what the built-in rules are about', () => {
    const words = promises.replaceAll(/\s+/g, ' ');
    const unnamed = DEFAULT_RULES.filter(({ makesVersions }) => makesVersions)
      .flatMap(({ match }) => match)
      .map((pattern) => pattern.replace('/**', ''))
      .filter((name) => !name.includes('_cache'))
      .filter((name) => !words.includes(`\`${name}\``));
    expect(unnamed).toEqual([]);
  });

  test('lists every command', () => {
    const table = readme.split('\n## Commands\n')[1]?.split('\n### ')[0] ?? '';
    const names = makeProgram().commands.map((command) => command.name());
    expect(names.filter((name) => !new RegExp(`[|,] \`${name}\\b`).test(table))).toEqual([]);
  });
});
