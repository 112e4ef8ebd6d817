/**
 * SQLite with a rollback journal and with a write-ahead log, thousands of transactions, two writers.
 */

import { expect, test } from 'vitest';
import { IS_FULL, lacksTools, realWork } from './pair.ts';

/** Of each journal mode; the two that differ little from DELETE get fewer. */
const TRANSACTIONS = IS_FULL ? 10_000 : 2000;
const MODES = { DELETE: TRANSACTIONS, TRUNCATE: 300, PERSIST: 300, WAL: TRANSACTIONS };
const needs = lacksTools('sqlite3', 'pkill');

/** Single-row transactions: inserts, updates, deletes. */
const statements = (count: number): string => `i=0; while [ $i -lt ${count} ]; do i=$((i + 1))
echo "INSERT INTO t(b) VALUES('row $i' || hex(zeroblob($i % 300)));"
test $((i % 5)) -ne 0 || echo "UPDATE t SET b = 'changed $i' WHERE a = $i / 2;"
test $((i % 7)) -ne 0 || echo "DELETE FROM t WHERE a = $i / 3;"
done`;

realWork('SQLite', (pair) => {
  for (const [mode, count] of Object.entries(MODES)) {
    test.skipIf(needs)(`${count} transactions with journal_mode ${mode}`, async () => {
      const work = `${statements(count)} > work.sql
sqlite3 db 'PRAGMA journal_mode=${mode}; CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT); CREATE INDEX i ON t(b);'
{ echo 'PRAGMA synchronous=NORMAL;'; cat work.sql; } | sqlite3 db
sqlite3 db 'PRAGMA integrity_check; SELECT count(*), sum(a), sum(length(b)) FROM t;'
sqlite3 db .dump | sha256sum; sqlite3 db 'VACUUM; PRAGMA integrity_check;'`;
      const { mounted, plain } = await pair.both(work);
      expect(mounted).toContain('ok');
      expect(mounted).toBe(plain);
    });
  }

  for (const mode of ['DELETE', 'WAL']) {
    test.skipIf(needs)(`two writers and a reader at once with journal_mode ${mode}`, async () => {
      const work = `sqlite3 db 'PRAGMA journal_mode=${mode}; CREATE TABLE t(who TEXT, n INTEGER);' > /dev/null
write() { i=0; { echo '.timeout 60000'; while [ $i -lt 200 ]; do i=$((i + 1)); echo "INSERT INTO t VALUES('$1', $i);"; done; } | sqlite3 db; }
write a & write b &
i=0; while [ $i -lt 20 ]; do i=$((i + 1)); sqlite3 -cmd '.timeout 60000' db 'PRAGMA integrity_check' | grep -qx ok; done
wait; sqlite3 db 'PRAGMA integrity_check; SELECT who, count(*), sum(n) FROM t GROUP BY who ORDER BY who;'`;
      expect(await pair.onMount(work)).toBe('ok\na|200|20100\nb|200|20100\n');
    });
  }

  test.skipIf(needs)('a writer that is killed leaves a database that recovers', async () => {
    const work = `sqlite3 db 'CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT);'
{ echo 'BEGIN;'; i=0; while [ $i -lt 2000 ]; do i=$((i + 1)); echo "INSERT INTO t(b) VALUES(hex(zeroblob(2000)));"; done; echo 'SELECT 1;'; sleep 60; } | sqlite3 -cmd 'PRAGMA cache_size=10' db > out & 
i=0; until test -s out; do sleep 0.05; i=$((i + 1)); test $i -lt 600; done
pkill -KILL -P $$ -x sqlite3; sqlite3 db 'PRAGMA integrity_check; SELECT count(*) FROM t;'; kill $! 2> /dev/null || true; pkill -P $$ sleep || true`;
    expect(await pair.onMount(work)).toBe('ok\n0\n');
  });
});
