/**
 * git at work: commits, branches, a merge, gc, fsck, a clone. With fixed dates the same work gives the
 * same commit ids everywhere: the plain disk says what the mount must.
 */

export const processes = 1;

const SCRIPT = String.raw`
rm -rf repo clone
git init -q -b main repo
cd repo
commit() { git add -A; GIT_COMMITTER_DATE="2026-01-01T00:00:$1Z" GIT_AUTHOR_DATE="2026-01-01T00:00:$1Z" git commit -q -m "change $1"; }
i=10
while [ $i -lt 16 ]; do
  i=$((i + 1))
  for d in one two three; do
    mkdir -p $d/deep
    for f in a b c d; do echo "line $i of $d $f" >> $d/deep/$f; done
    echo "$i" > $d/last
  done
  rm -f two/deep/only-*; echo "$i" > two/deep/only-$i
  commit $i
done
git checkout -q -b side HEAD~3
echo side > side.txt; commit 21
git checkout -q main
GIT_COMMITTER_DATE="2026-01-01T00:00:22Z" GIT_AUTHOR_DATE="2026-01-01T00:00:22Z" git merge -q --no-edit side
git mv one uno; commit 23
git stash list
git gc -q --prune=now
git fsck --strict --no-progress 2>&1
git status --porcelain
git log --format='%H %s'
cd ..
git clone -q repo clone
cd clone
git status --porcelain
git fsck --strict --no-progress 2>&1
git checkout -q HEAD~2; git checkout -q main
find . -path ./.git -prune -o -type f -print | sort | xargs sha256sum
`;

const ENVIRONMENT = {
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_AUTHOR_NAME: 'Storm',
  GIT_AUTHOR_EMAIL: 'storm@example.com',
  GIT_COMMITTER_NAME: 'Storm',
  GIT_COMMITTER_EMAIL: 'storm@example.com',
  GIT_TERMINAL_PROMPT: '0',
};

const perform = (tally, cwd) => tally.shell('git', SCRIPT, { cwd, env: ENVIRONMENT });

export async function prepare(context) {
  context.keep('expected', perform(context.tally, context.plain));
}

export async function work(context) {
  const expected = context.recall('expected', 0);
  while (!context.isOver()) {
    const seen = perform(context.tally, context.dir);
    if (seen !== undefined) context.tally.expect('what git says', seen, expected);
  }
}

export async function verify(context) {
  const script = `cd repo; git fsck --strict --no-progress 2>&1; git status --porcelain; git rev-parse HEAD
cd ../clone; git fsck --strict --no-progress 2>&1; git status --porcelain; git rev-parse HEAD`;
  const ask = (cwd) => context.tally.shell('git', script, { cwd, env: ENVIRONMENT });
  context.tally.expect('the repositories', ask(context.dir), ask(context.plain));
}
