/**
 * Rules about the source that no linter knows: headers, lengths, layers, and that documents stay true.
 */

import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';

import { describe, expect, test } from 'vitest';

const PROJECT = resolve(import.meta.dirname, '..');

/** A block imports only from those before it, and from itself. */
const LAYERS = [
  'shared',
  'fuse',
  'policy',
  'log',
  'pack',
  'index',
  'volume',
  'history',
  'retention',
  'fsck',
  'mount',
  'export',
  'control',
  'daemon',
  'cli',
];

/** The kernel protocol knows nothing of volumes, and they nothing of it: they meet in mount. */
const APART = new Set([
  'policy',
  'log',
  'pack',
  'index',
  'volume',
  'history',
  'retention',
  'fsck',
  'export',
]);

const MAX_LINES = 500;

function listFiles(dir: string): string[] {
  return readdirSync(join(PROJECT, dir)).flatMap((name) => {
    const path = join(dir, name);
    return statSync(join(PROJECT, path)).isDirectory() ? listFiles(path) : [path];
  });
}

const read = (path: string): string => readFileSync(join(PROJECT, path), 'utf8');

const sources = listFiles('src').filter((path) => path.endsWith('.ts'));
const code = [...sources, ...listFiles('test'), ...listFiles('scripts')].filter((path) =>
  /\.(?:ts|js|mjs)$/.test(path),
);

/** The blocks that a file imports from. */
function importsOf(path: string): string[] {
  const found = read(path).matchAll(/from '(?<target>\.[^']+)'/g);
  return [...found].map((match) => {
    const target = resolve(PROJECT, path, '..', match.groups?.['target'] ?? '');
    return relative(join(PROJECT, 'src'), target).split('/')[0] ?? '';
  });
}

describe('the source', () => {
  test('has files to look at', () => {
    expect(sources.length).toBeGreaterThan(100);
  });

  test('opens each file with what it is', () => {
    const without = code.filter(
      (path) => !/^\/\*\*\n \* \S/.test(read(path).replace(/^#!.*\n/, '')),
    );
    expect(without).toEqual([]);
  });

  test(`has at most ${MAX_LINES} lines a file`, () => {
    expect(code.filter((path) => read(path).split('\n').length > MAX_LINES)).toEqual([]);
  });

  test('imports from lower layers only', () => {
    const upwards = sources.flatMap((path) => {
      const own = path.split('/')[1] ?? '';
      const allowed = new Set(LAYERS.slice(0, LAYERS.indexOf(own) + 1));
      if (APART.has(own)) allowed.delete('fuse');
      return importsOf(path)
        .filter((layer) => !allowed.has(layer))
        .map((layer) => `${path} imports from ${layer}`);
    });
    expect(upwards).toEqual([]);
  });
});

describe('the README', () => {
  test('names every part of the source in its layout', () => {
    const layout = read('README.md').split('## Layout')[1] ?? '';
    const layers = readdirSync(join(PROJECT, 'src')).filter((name) => !name.includes('.'));
    expect(layers.filter((layer) => !layout.includes(`src/${layer}/`))).toEqual([]);
  });

  test('has two commands that package.json knows', () => {
    const manifest: unknown = JSON.parse(read('package.json'));
    const script = expect.any(String);
    expect(manifest).toMatchObject({ scripts: { start: script, test: script, demo: script } });
    expect(read('README.md')).toContain('npm install && npm start');
    expect(read('README.md')).toContain('npm install && npm test');
  });
});
