/**
 * Trees of files from a fixed seed: the same in every run, with sizes as in source trees.
 */

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const WORDS = 'session volume version revision lineage moment promise segment record extent'.split(
  ' ',
);

/** Whole numbers below a bound, the same ones for the same seed (xorshift32). */
export function makeRandom(seed: number): (bound: number) => number {
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

export function makeText(random: (bound: number) => number): string {
  const bytes = random(20) === 0 ? 16_384 + random(49_152) : 100 + random(6000);
  let text = '';
  while (text.length < bytes) {
    text += `${WORDS[random(WORDS.length)] ?? ''}${random(10) === 0 ? '\n' : ' '}`;
  }
  return `${text}\n`;
}

/** Files "part-P/dir-D/file-N.txt" below dir, 25 to a directory. */
export async function generateFiles(
  dir: string,
  options: { count: number; seed: number },
): Promise<void> {
  const random = makeRandom(options.seed);
  for (let at = 0; at < options.count; at += 1) {
    const directory = Math.floor(at / 25);
    const path = join(dir, `part-${directory % 20}`, `dir-${directory}`);
    if (at % 25 === 0) await mkdir(path, { recursive: true });
    await writeFile(join(path, `file-${at}.txt`), makeText(random), {
      mode: at % 50 === 0 ? 0o755 : 0o644,
    });
  }
}

/** C files that take a compiler a moment, and a makefile that builds a program which prints 42. */
export async function generateProgram(dir: string, units: number): Promise<void> {
  const names = Array.from({ length: units }, (_, at) => `unit${at}`);
  await mkdir(dir, { recursive: true });
  for (const name of names) {
    const functions = Array.from(
      { length: 40 },
      (_, at) =>
        `int ${name}_${at}(int a) { for (int i = 0; i < a; i++) a ^= i * ${at + 3}; return a; }\n`,
    );
    await writeFile(join(dir, `${name}.c`), functions.join(''));
  }
  await writeFile(
    join(dir, 'main.c'),
    '#include <stdio.h>\nint unit0_0(int);\nint main(void) { printf("%d\\n", 42 + 0 * unit0_0(1)); return 0; }\n',
  );
  const objects = ['main', ...names].map((name) => `${name}.o`).join(' ');
  await writeFile(
    join(dir, 'Makefile'),
    `program: ${objects}\n\tcc -o $@ ${objects}\n%.o: %.c\n\tcc -O1 -c -o $@ $<\n`,
  );
}
