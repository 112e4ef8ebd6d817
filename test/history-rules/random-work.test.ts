/**
 * Long random work with ordinary commands, and an oracle that looked at every file after each of them.
 *
 * Complete: every content that a name was seen with is among its versions. Sound: no version holds what
 * was never seen. Moments: the tree at a revision is the tree that was seen then. A failure names its
 * seed and step; SESSFS_FULL=1 runs more and longer.
 */

import { expect, test } from 'vitest';
import { useWorkspace } from './workspace.ts';

const IS_FULL = process.env['SESSFS_FULL'] === '1';
const SEEDS = IS_FULL ? 20 : 3;
const STEPS = IS_FULL ? 400 : 120;
/** Every so many steps the revision is noted, to look at the moment at the end. */
const MOMENT_EVERY = 12;
const NAMES = ['a', 'b.txt', 'c', 'one/a', 'one/b', 'two/c', 'two/d d'];
const DIRECTORIES = ['one', 'two', 'three'];
/** No version may hold this unless a file was seen empty. */
const EMPTY_SHA256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
const TIMEOUT_MS = 600_000;

const work = useWorkspace();

/** Whole numbers below a bound, the same ones for the same seed (xorshift32). */
function makeRandom(seed: number): (bound: number) => number {
  let state = (seed * 2_654_435_761) >>> 0 || 1;
  return (bound) => {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state % bound;
  };
}

function pick<T>(random: (bound: number) => number, items: readonly [T, ...T[]] | readonly T[]): T {
  const item = items[random(items.length)];
  if (item === undefined) throw new Error('Nothing to pick from');
  return item;
}

/** One command of ordinary work; it may well fail, as such commands do. */
function makeCommand(random: (bound: number) => number, step: number): string {
  const [one, other] = [`'${pick(random, NAMES)}'`, `'${pick(random, NAMES)}'`];
  const [dir, otherDir] = [pick(random, DIRECTORIES), pick(random, DIRECTORIES)];
  const commands = [
    `echo step ${step} > ${one}`,
    `echo step ${step} >> ${one}`,
    `seq ${1 + random(3000)} > ${one}`,
    `echo constant > ${one}`,
    `sed -i s/step/STEP/ ${one}`,
    `sed -i '$d' ${one}`,
    `mv ${one} ${other}`,
    `mv ${one} ${other}`,
    `cp ${one} ${other}`,
    `cp -p ${one} ${other}`,
    `rm ${one}`,
    `ln ${one} ${other}`,
    `truncate -s ${random(60)} ${one}`,
    `touch ${one}`,
    `chmod ${random(2) === 0 ? 600 : 644} ${one}`,
    `printf ${step} | dd of=${one} bs=1 seek=${random(40)} conv=notrunc status=none`,
    `printf 's/constant/step ${step}/\\nwq\\n' | ex -s ${one}`,
    `printf ${step} | tee ${one} ${other} > /dev/null`,
    `: > ${one}`,
    `mkdir ${dir}`,
    `rm -rf ${dir}`,
    `mv -T ${dir} ${otherDir}`,
    `cp -r ${dir} ${otherDir}`,
    `test -e ${one} && test -e ${other} && { mv ${one} swap; mv ${other} ${one}; mv swap ${other}; }`,
  ];
  return pick(random, commands);
}

/** SHA-256 of every file by its path. */
async function look(where: string): Promise<Map<string, string>> {
  const text = await work.sh(`cd '${where}'; find . -type f -exec sha256sum {} +`);
  const lines = text.split('\n').filter((line) => line !== '');
  return new Map(lines.map((line) => [line.slice(68), line.slice(0, 64)]));
}

interface Seen {
  /** For each path, the hashes that it was seen with. */
  readonly byPath: Map<string, Set<string>>;
  readonly anywhere: Set<string>;
  readonly moments: { readonly step: number; readonly revision: number; readonly tree: string }[];
  readonly commands: string[];
}

const describeTree = (tree: ReadonlyMap<string, string>): string =>
  [...tree]
    .map(([path, sha]) => `${path} ${sha}`)
    .toSorted()
    .join('\n');

async function workAndLook(seed: number): Promise<Seen> {
  const random = makeRandom(seed);
  const seen: Seen = { byPath: new Map(), anywhere: new Set(), moments: [], commands: [] };
  for (let step = 0; step < STEPS; step += 1) {
    const command = makeCommand(random, step);
    seen.commands.push(command);
    await work.sh(`( ${command} ) 2> /dev/null || true`);
    const tree = await look('.');
    for (const [path, sha] of tree) {
      seen.byPath.set(path, (seen.byPath.get(path) ?? new Set()).add(sha));
      seen.anywhere.add(sha);
    }
    if (step % MOMENT_EVERY === 0) {
      seen.moments.push({ step, revision: await work.revision(), tree: describeTree(tree) });
    }
  }
  return seen;
}

test.each(Array.from({ length: SEEDS }, (_, at) => at + 1))(
  'after random work every content is a version and no other is (seed %i)',
  async (seed) => {
    const seen = await workAndLook(seed);
    const script = (): string => seen.commands.map((line, step) => `${step}: ${line}`).join('\n');
    // Whatever a command wrote in between and closed, under any name: a version of that is right too.
    for (const [path, hashes] of seen.byPath) {
      // From the top: the directory of the path may be gone.
      const history = `.versions/${path}`;
      const index = await work.indexIn(history);
      const versions = index.versions.map(({ sha256 }) => sha256);
      const missing = [...hashes].filter((sha) => sha !== EMPTY_SHA256 && !versions.includes(sha));
      expect(missing, `${path} lost contents; seed ${seed}\n${script()}`).toEqual([]);
      const invented = versions.filter((sha) => !seen.anywhere.has(sha));
      expect(invented, `${path} has versions of nothing; seed ${seed}\n${script()}`).toEqual([]);
      const revisions = index.versions.map(({ revision }) => revision);
      expect(new Set(revisions).size, `${path} has one revision twice`).toBe(revisions.length);
      expect(await work.sh(`ls '${history}' | grep -c '^r' || true`)).toBe(`${versions.length}\n`);
    }
    for (const { step, revision, tree } of seen.moments) {
      const then = describeTree(await look(`.versions/@r${revision}`));
      expect(then, `the tree after step ${step}, seed ${seed}\n${script()}`).toBe(tree);
    }
    expect(describeTree(await look('.versions/@now'))).toBe(describeTree(await look('.')));
  },
  TIMEOUT_MS,
);
