/**
 * What the workloads work on, made once from a fixed seed: the same bytes in every run.
 *
 *   small.tar   10,000 small files in 400 directories
 *   repo.git    a repository of 4,000 files and 40 commits
 *   tree        a node_modules tree: the project's own
 *   c           60 C files and a makefile
 *   bulk.bin    1 GiB that does not compress
 *
 * Everything lies on the plain side's disk, whichever side is measured.
 */

import { createWriteStream } from 'node:fs';
import { cp, mkdir, realpath, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { runShell } from './shell.js';

const DIRECTORIES = 400;
const SMALL_FILES = 10_000;
const REPO_FILES = 4000;
const REPO_COMMITS = 40;
const C_FILES = 60;
const BULK_BYTES = 2 ** 30;
const WORDS = 'session volume version revision lineage moment promise segment record extent'.split(
  ' ',
);

/** A generator of whole numbers below a bound, the same ones for the same seed (xorshift32). */
export function makeRandom(seed) {
  let state = seed >>> 0 || 1;
  return (bound) => {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state % bound;
  };
}

/** Lines of words: what a source file looks like to tar, git and grep. */
export function makeText(random, bytes) {
  let text = '';
  while (text.length < bytes) {
    text += `${WORDS[random(WORDS.length)]}${random(10) === 0 ? '\n' : ' '}${random(1000)} `;
  }
  return `${text.slice(0, bytes)}\n`;
}

/** Sizes as in source trees: many small files, a few large ones. */
function sourceSize(random) {
  return random(20) === 0 ? 16_384 + random(49_152) : 100 + random(6000);
}

/**
 * @param {{ dir: string, scale: number, tree: string }} options scale 1 is the size; less is for a trial.
 */
export async function makeInputs({ dir, scale, tree }) {
  await rm(dir, { recursive: true, force: true });
  await mkdir(dir, { recursive: true });
  await makeSmallFiles(join(dir, 'small'), Math.ceil(SMALL_FILES * scale));
  await runShell('tar cf small.tar small', { cwd: dir });
  await makeRepository(join(dir, 'work'), Math.ceil(REPO_FILES * scale));
  await runShell('git clone -q --bare work repo.git', { cwd: dir });
  await cp(await realpath(tree), join(dir, 'tree'), { recursive: true, verbatimSymlinks: true });
  await makeProgram(join(dir, 'c'), Math.ceil(C_FILES * scale));
  await makeBulk(join(dir, 'bulk.bin'), Math.ceil(BULK_BYTES * scale));
}

async function makeSmallFiles(dir, count) {
  const random = makeRandom(1);
  const directories = Math.max(1, Math.ceil((DIRECTORIES * count) / SMALL_FILES));
  for (let at = 0; at < directories; at += 1) {
    await mkdir(join(dir, `part-${at % 20}`, `dir-${at}`), { recursive: true });
  }
  for (let at = 0; at < count; at += 1) {
    const directory = at % directories;
    const path = join(dir, `part-${directory % 20}`, `dir-${directory}`, `file-${at}.txt`);
    await writeFile(path, makeText(random, sourceSize(random)));
  }
}

async function makeRepository(dir, count) {
  const random = makeRandom(2);
  const path = (at) => join(dir, `module-${at % 60}`, `source-${at}.txt`);
  for (let at = 0; at < 60; at += 1) await mkdir(join(dir, `module-${at}`), { recursive: true });
  for (let at = 0; at < count; at += 1) {
    await writeFile(path(at), makeText(random, sourceSize(random)));
  }
  const commit = (message) =>
    runShell(
      `git add -A && git -c user.name=bench -c user.email=bench@localhost commit -q -m "${message}"`,
      {
        cwd: dir,
        env: { GIT_AUTHOR_DATE: '@1700000000 +0000', GIT_COMMITTER_DATE: '@1700000000 +0000' },
      },
    );
  await runShell('git init -q -b main && git config gc.auto 0', { cwd: dir });
  await commit('first');
  for (let number = 1; number < REPO_COMMITS; number += 1) {
    for (let change = 0; change < count / 20; change += 1) {
      await writeFile(path(random(count)), makeText(random, sourceSize(random)));
    }
    await commit(`change ${number}`);
  }
}

async function makeProgram(dir, count) {
  await mkdir(dir, { recursive: true });
  const random = makeRandom(3);
  const names = Array.from({ length: count }, (_, at) => `unit${at}`);
  for (const name of names) {
    const functions = Array.from(
      { length: 60 },
      (_, at) =>
        `int ${name}_${at}(int a, int b) {\n  int sum = ${random(100)};\n` +
        `  for (int i = 0; i < b; i++) { if ((i ^ a) % ${2 + random(9)} == 0) sum += i * ${random(50)}; else sum ^= a; }\n` +
        '  printf("%d\\n", sum);\n  return sum;\n}\n',
    );
    await writeFile(
      join(dir, `${name}.c`),
      `#include <stdio.h>\n#include <stdlib.h>\n${functions.join('')}`,
    );
  }
  await writeFile(join(dir, 'main.c'), 'int main(void) { return 0; }\n');
  const objects = ['main', ...names].map((name) => `${name}.o`).join(' ');
  await writeFile(
    join(dir, 'Makefile'),
    `program: ${objects}\n\tcc -o $@ ${objects}\n%.o: %.c\n\tcc -O1 -c -o $@ $<\n`,
  );
}

async function makeBulk(path, bytes) {
  const random = makeRandom(4);
  async function* blocks() {
    for (let at = 0; at < bytes; at += 1 << 20) {
      const block = Buffer.allocUnsafe(Math.min(1 << 20, bytes - at));
      for (let word = 0; word + 4 <= block.length; word += 4) {
        block.writeUInt32LE(random(2 ** 32), word);
      }
      yield block;
    }
  }
  await pipeline(blocks, createWriteStream(path));
}
