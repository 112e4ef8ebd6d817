/**
 * SQLite with two writers a database, with a rollback journal and with a write-ahead log: each
 * transaction that was committed is there once.
 */

import { join } from 'node:path';

export const processes = 2;

const MODES = ['DELETE', 'WAL'];
const BATCH = 10;

const databaseOf = (context, mode) => join(context.dir, `${mode.toLowerCase()}.db`);

function query(context, mode, text) {
  const stdin = `.bail on\n.timeout 120000\n${text}\n`;
  const script = `sqlite3 '${databaseOf(context, mode)}'`;
  return context.tally.shell(`sqlite3 ${mode}`, script, { cwd: '/', stdin });
}

export async function prepare(context) {
  for (const mode of MODES) {
    query(
      context,
      mode,
      `PRAGMA journal_mode=${mode};
CREATE TABLE line(who INTEGER, number INTEGER, text TEXT);
CREATE INDEX line_number ON line(number);
CREATE TABLE total(who INTEGER PRIMARY KEY, sum INTEGER);
INSERT INTO total VALUES (0, 0), (1, 0);`,
    );
  }
}

export async function work(context) {
  const { worker, random } = context;
  const counts = Object.fromEntries(MODES.map((mode) => [mode, 0]));
  while (!context.isOver()) {
    const mode = random.pick(MODES);
    let text = 'PRAGMA synchronous=NORMAL;\n';
    for (let left = BATCH; left > 0; left -= 1) {
      counts[mode] += 1;
      const number = counts[mode];
      text += `BEGIN IMMEDIATE;
INSERT INTO line VALUES(${worker}, ${number}, hex(zeroblob(${(number * 37) % 700})));
UPDATE total SET sum = sum + ${number} WHERE who = ${worker};
COMMIT;\n`;
      if (left % 4 === 0) text += 'SELECT count(*) FROM line WHERE number < 5;\n';
    }
    query(context, mode, text);
  }
  context.keep('counts', counts);
}

export async function verify(context) {
  for (const mode of MODES) {
    const wanted = ['ok'];
    for (let worker = 0; worker < processes; worker += 1) {
      const count = context.recall('counts', worker)?.[mode] ?? 0;
      const sum = (count * (count + 1)) / 2;
      wanted.push(`${worker}|${sum}|${count}|${count}|${sum}`);
    }
    const seen = query(
      context,
      mode,
      `PRAGMA integrity_check;
SELECT who, sum, (SELECT count(*) FROM line WHERE line.who = total.who),
  (SELECT count(DISTINCT number) FROM line WHERE line.who = total.who),
  (SELECT coalesce(sum(number), 0) FROM line WHERE line.who = total.who)
FROM total ORDER BY who;`,
    );
    context.tally.expect(`database ${mode}`, seen?.trim(), wanted.join('\n'));
  }
}
