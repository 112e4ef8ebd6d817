/**
 * The workloads, as shell text, and the mark of each: its time on a mount divided by that on ext4.
 *
 * `setup` and `warmUp` are not timed; `run` is. Each gets a directory of its own, fresh in every round,
 * and $IN, where the inputs are. `peer` is the best C passthrough, which keeps no version.
 * `operations` is what one operation means when messages of the kernel are counted.
 *
 * @typedef {object} Workload
 * @property {string} name
 * @property {number} mark
 * @property {number} [peer]
 * @property {string} [setup]
 * @property {string} [warmUp]
 * @property {boolean} [isCold] Caches are dropped before the run, on both sides.
 * @property {string} run
 * @property {[number, string]} operations How many, of what.
 * @property {boolean} [scales] True if the number of operations goes with --scale.
 */

const EXTRACT = 'tar xf "$IN/small.tar"';
const CLONE = 'git clone -q "file://$IN/repo.git" clone';

/** @type {readonly Workload[]} */
export const WORKLOADS = [
  {
    name: 'tar x',
    mark: 3,
    peer: 5.9,
    warmUp: 'cat "$IN/small.tar" > /dev/null',
    run: EXTRACT,
    operations: [10_000, 'file'],
    scales: true,
  },
  {
    name: 'cp -r',
    mark: 2.5,
    peer: 2.9,
    warmUp: 'find "$IN/tree" -type f -exec cat {} + > /dev/null',
    run: 'cp -r "$IN/tree" tree',
    operations: [5655, 'file'],
  },
  {
    name: 'git clone',
    mark: 1.6,
    peer: 2.3,
    warmUp: 'find "$IN/repo.git" -type f -exec cat {} + > /dev/null',
    run: CLONE,
    operations: [4000, 'file'],
    scales: true,
  },
  {
    name: 'git checkout',
    mark: 1.6,
    peer: 2.4,
    setup: CLONE,
    run: 'cd clone; git checkout -q HEAD~30; git checkout -q main',
    operations: [4000, 'file'],
    scales: true,
  },
  {
    name: 'git status',
    mark: 2.5,
    peer: 2.1,
    setup: CLONE,
    warmUp: 'git -C clone status > /dev/null',
    run: 'cd clone; for i in 1 2 3 4 5; do git status > /dev/null; done',
    operations: [20_000, 'file'],
    scales: true,
  },
  {
    name: 'rm -rf',
    mark: 0.7,
    peer: 1.8,
    setup: EXTRACT,
    run: 'rm -rf small',
    operations: [10_000, 'file'],
    scales: true,
  },
  {
    name: 'grep -r warm',
    mark: 5,
    peer: 16,
    setup: EXTRACT,
    warmUp: 'grep -rF "no such words" small || true',
    run: '! grep -rF "no such words" small',
    operations: [10_000, 'file'],
    scales: true,
  },
  {
    name: 'find warm',
    mark: 2,
    peer: 3.3,
    setup: EXTRACT,
    warmUp: 'find small -name "*.none"',
    run: 'for i in 1 2 3 4 5; do find small -name "*.none"; done',
    operations: [50_000, 'file'],
    scales: true,
  },
  {
    name: 'sed -i',
    mark: 1.3,
    peer: 1.2,
    setup: 'mkdir edit; find "$IN/small" -type f | sort | head -500 | xargs cp -t edit',
    run: 'sed -i s/session/SESSION/ edit/*',
    operations: [500, 'file'],
  },
  {
    name: 'append >>',
    mark: 6,
    peer: 12,
    run: 'i=0; while [ $i -lt 10000 ]; do echo $i >> log; i=$((i + 1)); done',
    operations: [10_000, 'line'],
  },
  {
    name: 'sqlite',
    mark: 2.5,
    peer: 1.6,
    setup: `sqlite3 db 'CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT)'
i=0; while [ $i -lt 200 ]; do echo "INSERT INTO t(b) VALUES('row $i');"; i=$((i + 1)); done > rows`,
    run: 'sqlite3 db < rows',
    operations: [200, 'transaction'],
  },
  {
    name: 'make -j2',
    mark: 1.2,
    peer: 1.1,
    setup: 'cp -r "$IN/c" c',
    run: 'make -s -j2 -C c',
    operations: [61, 'file'],
    scales: true,
  },
  {
    name: 'read warm',
    mark: 1.3,
    setup: 'cp "$IN/bulk.bin" bulk',
    warmUp: 'cat bulk > /dev/null',
    run: 'dd if=bulk of=/dev/null bs=1M status=none',
    operations: [1024, 'MiB'],
    scales: true,
  },
  {
    name: 'write + fsync',
    mark: 2,
    warmUp: 'cat "$IN/bulk.bin" > /dev/null',
    run: 'dd if="$IN/bulk.bin" of=bulk bs=1M conv=fsync status=none',
    operations: [1024, 'MiB'],
    scales: true,
  },
  // Last: it leaves the inputs of others cold.
  {
    name: 'grep -r cold',
    mark: 1.5,
    peer: 2.3,
    setup: EXTRACT,
    isCold: true,
    run: '! grep -rF "no such words" small',
    operations: [10_000, 'file'],
    scales: true,
  },
];

/** What all of them together must reach; 2.6 for the best C passthrough. */
export const MARK_OF_ALL = 1.8;
