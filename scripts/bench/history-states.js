/**
 * The states that the comparison of histories goes through, one at a time.
 *
 *   node scripts/bench/history-states.js CASE DIR STATE [INPUTS]
 *
 * A program of its own: it works on a mount, and can be given up when that hangs.
 */

import { execFileSync } from 'node:child_process';
import { appendFileSync, cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const LINE_BYTES = 40;
const SOURCE_BYTES = 185_000;
const LOG_STEP_BYTES = 15_000;
const SQLITE_ROWS = 80_000;
const BLOB_BYTES = 10_000_000;

/** Numbers that are the same each time. */
function* numbers(seed) {
  let state = seed >>> 0 || 1;
  for (;;) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    yield state >>> 0;
  }
}

const WORDS =
  'const let return if else for while function await async import export from class new this null true false undefined string number index length value name path file read write open close node list map filter error throw catch result options session volume segment record revision'.split(
    ' ',
  );

/** A line as programs have them: words that come again, and names that do not. */
function sourceLine(random) {
  let line = '  ';
  while (line.length < LINE_BYTES) {
    const number = random.next().value;
    line += number % 7 === 0 ? `x${number.toString(36)} ` : `${WORDS[number % WORDS.length]} `;
  }
  return `${line.trimEnd()};\n`;
}

function makeSource() {
  const random = numbers(1);
  let text = '';
  while (text.length < SOURCE_BYTES) text += sourceLine(random);
  return text;
}

function randomBytes(size, seed) {
  const random = numbers(seed);
  const bytes = Buffer.alloc(size);
  for (let at = 0; at + 4 <= size; at += 4) bytes.writeUInt32LE(random.next().value, at);
  return bytes;
}

const sqlite = (dir, sql) => execFileSync('sqlite3', [join(dir, 'app.db')], { input: sql });

/** By name: how many states there are after the first, the mark in bytes, and how to get to each. */
export const CASES = {
  source: {
    title: '185 KB source, 100 one-line edits',
    states: 100,
    markBytes: 1e6,
    apply(dir, state) {
      const path = join(dir, 'main.ts');
      if (state === 0) return writeFileSync(path, makeSource());
      const lines = readFileSync(path, 'utf8').split('\n');
      const random = numbers(1000 + state);
      const at = random.next().value % (lines.length - 1);
      lines[at] = sourceLine(random).trimEnd();
      return writeFileSync(path, lines.join('\n'));
    },
  },
  log: {
    title: 'a log that grows 15 KB, 100 times',
    states: 100,
    markBytes: 2e6,
    apply(dir, state) {
      const random = numbers(2000 + state);
      let text = '';
      while (text.length < LOG_STEP_BYTES) {
        const number = random.next().value;
        text += `2026-11-22T10:${state % 60}:${number % 60}Z level=info request=${number.toString(16)} took=${number % 900}ms\n`;
      }
      appendFileSync(join(dir, 'app.log'), text);
    },
  },
  sqlite: {
    title: '8.6 MB SQLite database, 100 one-row updates',
    states: 100,
    markBytes: 6e6,
    apply(dir, state) {
      if (state > 0) {
        const row = 1 + (numbers(3000 + state).next().value % SQLITE_ROWS);
        return sqlite(
          dir,
          `update notes set body = 'changed ${state} ' || body where id = ${row};`,
        );
      }
      return sqlite(
        dir,
        `create table notes (id integer primary key, body text);
         with recursive n(i) as (select 1 union all select i + 1 from n where i < ${SQLITE_ROWS})
         insert into notes select i, hex(i * 2654435761 % 4294967296) || ' note number ' || i ||
           ' about ' || (i * 7919 % 1000) || ' things, ' || hex(i * 40503 % 65536 * 65537) || ' and some more text to fill it'
         from n;`,
      );
    },
  },
  prepend: {
    title: '10 MB, a byte prepended, 10 times',
    states: 10,
    markBytes: 11e6,
    apply(dir, state) {
      const path = join(dir, 'blob.bin');
      if (state === 0) return writeFileSync(path, randomBytes(BLOB_BYTES, 4));
      return writeFileSync(path, Buffer.concat([Buffer.from([state]), readFileSync(path)]));
    },
  },
  modules: {
    title: 'node_modules, installed in two versions',
    states: 1,
    markBytes: undefined,
    apply(dir, state, inputs) {
      const path = join(dir, 'node_modules');
      rmSync(path, { recursive: true, force: true });
      cpSync(join(inputs, `modules-${state + 1}`, 'node_modules'), path, { recursive: true });
    },
  },
};

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [name, dir, state, inputs] = process.argv.slice(2);
  const found = CASES[name];
  if (found === undefined || dir === undefined || state === undefined) {
    throw new Error('Usage: history-states.js CASE DIR STATE [INPUTS]');
  }
  found.apply(dir, Number(state), inputs);
}
