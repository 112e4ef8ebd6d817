/**
 * git on a mount: clone, checkout, status, commit.
 */

import { appendFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { generateFiles, makeRandom, makeText } from './generate.ts';
import { lacksTools, realWork } from './pair.ts';

const FILES = 3000;
const COMMITS = 24;
const SETUP_TIMEOUT_MS = 120_000;

realWork('git', (pair) => {
  beforeAll(async () => {
    const dir = join(pair.inputs, 'repo');
    await generateFiles(dir, { count: FILES, seed: 11 });
    await pair.prepare(`cd repo; git init -q -b main; git config user.name test; git config user.email test@localhost
git config gc.auto 0; git add -A; git commit -qm first`);
    const random = makeRandom(12);
    for (let commit = 1; commit < COMMITS; commit += 1) {
      for (let change = 0; change < FILES / 15; change += 1) {
        const at = random(FILES);
        const directory = Math.floor(at / 25);
        const path = join(dir, `part-${directory % 20}`, `dir-${directory}`, `file-${at}.txt`);
        await writeFile(path, makeText(random));
      }
      await appendFile(join(dir, 'journal'), `${commit}\n`);
      const remove = `git rm -qf part-${commit % 20}/dir-${commit}/file-${commit * 25}.txt`;
      await pair.prepare(`cd repo; ${remove}; git add -A; git commit -qm 'change ${commit}'`);
    }
    // Once here, not in every clone: finding deltas takes longer than all the rest.
    await pair.prepare('git -C repo gc -q');
  }, SETUP_TIMEOUT_MS);

  const clone = 'git clone -q "file://$IN/repo" clone; cd clone';

  test.skipIf(lacksTools('git'))('a clone is what it is on ext4, and whole', async () => {
    await pair.both(
      `${clone}; git fsck --full 2> /dev/null; rm -rf .git/index .git/logs .git/objects`,
    );
    expect(await pair.differences()).toBe('');
    expect(await pair.differencesFromNow()).toBe('');
  });

  test.skipIf(lacksTools('git'))('status is clean after every checkout', async () => {
    const statuses = await pair.onMount(`${clone}
for commit in main~20 main~3 main~12 main; do git checkout -q $commit; git status --porcelain; done`);
    expect(statuses).toBe('');
  });

  test.skipIf(lacksTools('git'))(
    'the files of an old commit are what they are on ext4',
    async () => {
      await pair.both(`${clone}; git checkout -q HEAD~15; rm -rf .git`);
      expect(await pair.differences()).toBe('');
    },
  );

  test.skipIf(lacksTools('git'))(
    'both contents of what a checkout changed are versions',
    async () => {
      await pair.onMount(`${clone}; git checkout -q HEAD~10`);
      if (!pair.target.isSessfs) return;
      const changed = (
        await pair.onMount('cd clone; git diff --name-only --diff-filter=M HEAD main')
      )
        .trim()
        .split('\n')
        .slice(0, 20);
      expect(changed.length).toBe(20);
      for (const path of changed) {
        const [dir, name] = [path.replace(/[^/]*$/, ''), path.replace(/^.*\//, '')];
        const history = `clone/${dir}.versions/${name}`;
        const [then, now] = [`git -C clone show main:${path}`, `git -C clone show HEAD:${path}`];
        await pair.onMount(`${then} | cmp - ${history}/~1; ${now} | cmp - ${history}/~0`);
      }
    },
  );

  test.skipIf(lacksTools('git'))(
    'commits, branches, merges, stash, gc and a push back work',
    async () => {
      const work = `${clone}; git config user.name test; git config user.email test@localhost
export GIT_AUTHOR_DATE='@1700000000 +0000' GIT_COMMITTER_DATE='@1700000000 +0000'
git checkout -qb topic; echo topic > topic; git add -A; git commit -qm topic
git checkout -q main; echo main >> journal; git commit -qam main; git merge -q --no-edit topic
echo stashed > journal; git stash -q; git stash pop -q; git checkout -q journal
git gc -q; git fsck --full 2> /dev/null; git rev-parse HEAD; git status --porcelain
git clone -q --bare . ../bare.git; git push -q ../bare.git topic:pushed; git -C ../bare.git rev-parse pushed`;
      const { mounted, plain } = await pair.both(work);
      expect(mounted).toBe(plain);
    },
  );

  test.skipIf(lacksTools('git'))('a worktree and a rebase work', async () => {
    const work = `${clone}; git config user.name test; git config user.email test@localhost
export GIT_AUTHOR_DATE='@1700000000 +0000' GIT_COMMITTER_DATE='@1700000000 +0000'
git worktree add -q ../tree HEAD~5; cd ../tree; git checkout -qb side; echo side > side; git add -A
git commit -qm side; git rebase -q main; git status --porcelain; git rev-parse HEAD`;
    const { mounted, plain } = await pair.both(work);
    expect(mounted).toBe(plain);
  });
});
