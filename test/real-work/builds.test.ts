/**
 * Builds and packages: make with two jobs, two TypeScript compilers, npm.
 */

import { join, resolve } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { run } from '../harness/run.ts';
import { generateProgram } from './generate.ts';
import { lacksTools, realWork } from './pair.ts';

const PROJECT = resolve(import.meta.dirname, '../..');
const C_UNITS = 40;
const PING_TIMEOUT_MS = 20_000;

/** Brings more than 250 packages. */
const PACKAGE = { name: 'work', version: '1.0.0', dependencies: { jest: '29.7.0' } };

/** Without CI, a machine without network has nothing to show here. */
async function isRegistryMissing(): Promise<boolean> {
  if (process.env['CI'] !== undefined) return false;
  try {
    return (await run('npm', ['ping'], { timeoutMs: PING_TIMEOUT_MS })).code !== 0;
  } catch {
    return true;
  }
}

const isOffline = await isRegistryMissing();

realWork('Builds', (pair) => {
  beforeAll(() => generateProgram(join(pair.inputs, 'c'), C_UNITS));

  test.skipIf(lacksTools('make', 'cc'))(
    'make -j2 builds the same objects and a program that runs',
    async () => {
      const { mounted } = await pair.both('cp -r "$IN/c" c; cd c; make -s -j2; ./program');
      expect(mounted).toBe('42\n');
      expect(await pair.differences()).toBe('');
      expect(await pair.differencesFromNow()).toBe('');
    },
  );

  test.skipIf(lacksTools('make', 'cc'))('make builds what changed and nothing else', async () => {
    const work = `cp -rp "$IN/c" c; cd c; make -s -j2; sleep 0.01; echo '/* changed */' >> unit3.c; make -j2; make -q && echo made`;
    const { mounted, plain } = await pair.both(work);
    expect(mounted.split('\n').toSorted()).toEqual(plain.split('\n').toSorted());
  });

  test('two TypeScript compilers at once emit the same', async () => {
    const compiler = `node "${PROJECT}/node_modules/typescript/bin/tsc"`;
    const flags =
      '--ignoreConfig --module nodenext --target es2022 --skipLibCheck --types node --allowImportingTsExtensions --rewriteRelativeImportExtensions --sourceMap';
    const one = (part: string): string =>
      `${compiler} ${flags} --outDir out-${part} src/${part}/*.ts`;
    await pair.both(`cp -r "${PROJECT}/src" src; echo '{"type":"module"}' > package.json; ln -s "${PROJECT}/node_modules" node_modules
{ ${one('shared')} > /dev/null || test -d out-shared; } & { ${one('log')} > /dev/null || test -d out-log; }; wait
test -s out-shared/time.js || test -s out-shared/shared/time.js`);
    expect(await pair.differences()).toBe('');
  });

  test('a copied node_modules is the same, and what is in it runs', async () => {
    await pair.both(`cp -a "${PROJECT}/node_modules" node_modules`);
    expect(await pair.differences({ times: true })).toBe('');
    expect(await pair.onMount('node node_modules/typescript/bin/tsc --version')).toMatch(
      /^Version/,
    );
  });

  test.skipIf(isOffline)(
    'npm ci of more than 200 packages gives the same tree, and it runs',
    async () => {
      const manifest = JSON.stringify(PACKAGE);
      const quiet = '--no-audit --no-fund --loglevel=error';
      await pair.onPlain(`echo '${manifest}' > package.json; npm install ${quiet} > /dev/null`);
      await pair.onMount(
        `cp '${pair.plain}/package.json' '${pair.plain}/package-lock.json' .; npm ci ${quiet} > /dev/null`,
      );
      await pair.both('rm -f node_modules/.package-lock.json');
      expect(await pair.differences()).toBe('');
      const packages = await pair.onMount(
        'find node_modules -name package.json -path "*node_modules/*" | wc -l',
      );
      expect(Number(packages)).toBeGreaterThan(200);
      const script = `echo 'test("adds", () => expect(1 + 1).toBe(2));' > sum.test.js; npx jest 2>&1`;
      expect(await pair.onMount(script)).toContain('1 passed');
      expect(await pair.differencesFromNow()).toBe('');
    },
  );
});
