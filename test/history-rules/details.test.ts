/**
 * What a version says of itself, how versions are named, and that nobody can change them.
 */

import { expect, test } from 'vitest';
import { useWorkspace } from './workspace.ts';

const work = useWorkspace();

test('versions have the size and the mode of their time', async () => {
  await work.sh('echo one > f; chmod 600 f; echo number two > f');
  const { versions } = await work.index('f');
  expect(versions.map(({ size, mode }) => [size, mode])).toEqual([
    [4, '0644'],
    [11, '0600'],
  ]);
  expect(await work.sh('stat -c "%s %a" .versions/f/~1 .versions/f/~0')).toBe('4 644\n11 600\n');
});

test('a version has the mtime that the file had', async () => {
  await work.sh('echo one > f; stat -c %.9Y f > times; echo two > f; stat -c %.9Y f >> times');
  expect(await work.sh('stat -c %.9Y .versions/f/~1 .versions/f/~0')).toBe(
    await work.sh('cat times'),
  );
});

test('the time of a version lies between the start and the end of its write', async () => {
  const [before = '', after = ''] = (
    await work.sh('date -u +%FT%T.%NZ; echo one > f; date -u +%FT%T.%NZ')
  )
    .trim()
    .split('\n');
  const time = (await work.index('f')).versions[0]?.time ?? '';
  // Node tells the wall clock to the millisecond.
  const slackMs = 2;
  expect(Date.parse(time), `${before} ${time}`).toBeGreaterThan(Date.parse(before) - slackMs);
  expect(Date.parse(time), `${time} ${after}`).toBeLessThan(Date.parse(after) + slackMs);
});

test('revisions rise from version to version', async () => {
  await work.sh('for i in 1 2 3 4 5; do echo $i > f; done');
  const revisions = (await work.index('f')).versions.map(({ revision }) => revision);
  expect(revisions).toEqual([...new Set(revisions)].toSorted((a, b) => a - b));
});

test('the hash in the index is that of the content', async () => {
  await work.sh('echo one > f');
  const { versions } = await work.index('f');
  expect(versions[0]?.sha256).toBe((await work.sh('sha256sum < f')).slice(0, 64));
});

test('a version knows who wrote it: uid, command, and the label in SESSFS_ACTOR', async () => {
  // Its environment is read a moment after its first write: one that is gone by then is only a name.
  await work.sh('(echo one; sleep 2) | tee f > /dev/null', { SESSFS_ACTOR: 'agent-7' });
  const actor = (await work.index('f')).versions[0]?.actor;
  expect(actor).toMatchObject({
    uid: process.getuid?.(),
    gid: process.getgid?.(),
    label: 'agent-7',
  });
  expect(actor?.command).toContain('tee');
});

test('~n counts back from the latest', async () => {
  await work.sh('for i in 1 2 3; do echo $i > f; done');
  expect(await work.sh('cd .versions/f; cat ~0 ~1 ~2'.replaceAll('~', './~'))).toBe('3\n2\n1\n');
  expect(await work.fails('cat .versions/f/~3')).toContain('No such file');
});

test('latest and previous are symlinks to the last two versions', async () => {
  await work.sh('for i in 1 2 3; do echo $i > f; done');
  expect(await work.sh('cat .versions/f/latest .versions/f/previous')).toBe('3\n2\n');
  expect(await work.sh('test -L .versions/f/latest && test -L .versions/f/previous')).toBe('');
});

test('a revision names a version as r42, as 42 and by its full name', async () => {
  await work.sh('echo one > f; echo two > f');
  const [first] = (await work.index('f')).versions;
  for (const name of [`r${first?.revision}`, `${first?.revision}`, first?.name]) {
    expect(await work.sh(`cat '.versions/f/${name}'`)).toBe('one\n');
  }
});

test('@time is the version of that time', async () => {
  await work.sh('echo one > f');
  const [first] = (await work.index('f')).versions;
  await work.sh('sleep 0.05; echo two > f');
  expect(await work.sh(`cat '.versions/f/@${first?.time}'`)).toBe('one\n');
  expect(await work.sh('cat .versions/f/@now')).toBe('two\n');
});

test('the name of a version keeps the extension', async () => {
  await work.sh('echo one > notes.md');
  expect((await work.index('notes.md')).versions[0]?.name).toMatch(/^r\d{8}-\d{8}T\d{6}Z\.md$/);
});

test('versions have the attributes of the file and those of sessfs', async () => {
  await work.sh('echo one > f; setfattr -n user.note -v first f; echo two > f');
  const [first, second] = (await work.index('f')).versions;
  const get = (name: string, path: string): Promise<string> =>
    work.sh(`getfattr --only-values -n ${name} '${path}'`);
  expect(await get('user.note', '.versions/f/~0')).toBe('first');
  expect(await get('user.sessfs.revision', '.versions/f/~1')).toBe(String(first?.revision));
  expect(await get('user.sessfs.revision', 'f')).toBe(String(second?.revision));
  expect(await get('user.sessfs.hash', '.versions/f/~1')).toBe(first?.sha256);
});

test('nothing lists .versions, and it is there', async () => {
  await work.sh('mkdir d; echo one > d/f');
  expect(await work.sh('ls -a d; find . -name .versions; du -a . | grep -c versions || true')).toBe(
    '.\n..\nf\n0\n',
  );
  expect(await work.sh('test -d .versions && test -d d/.versions')).toBe('');
});

test('.versions cannot be made, removed, renamed or written', async () => {
  await work.sh('echo one > f');
  expect(await work.fails('mkdir .versions')).toContain('File exists');
  expect(await work.fails('rmdir .versions')).toContain('Read-only');
  expect(await work.fails('mv .versions v')).toContain('Read-only');
  expect(await work.fails('echo x > .versions/new')).toContain('Read-only');
  expect(await work.fails('echo x > .versions/f/latest')).toContain('Read-only');
  expect(await work.fails('rm .versions/f/latest')).toContain('Read-only');
  expect(await work.fails('touch .versions/f/~0')).toContain('Read-only');
  expect(await work.fails('chmod 600 .versions/f/~0')).toContain('Read-only');
  expect(await work.fails('mkdir .versions/@now/d')).toContain('Read-only');
  expect(await work.fails('ln f .versions/g')).toMatch(/Read-only|cross-device/i);
});

test('unknown versions and moments are not there', async () => {
  await work.sh('echo one > f');
  for (const name of [
    'f/r99999999',
    'f/~7',
    'f/nonsense',
    '@r99999999',
    '@nonsense',
    'none/latest',
  ]) {
    expect(await work.fails(`stat '.versions/${name}'`)).toContain('No such file');
  }
});

test('cp -a of a directory of versions works', async () => {
  await work.sh('echo one > f; echo two > f; cp -a .versions/f ../copied-versions');
  expect(await work.sh('cat ../copied-versions/latest ../copied-versions/previous')).toBe(
    'two\none\n',
  );
});
