/**
 * Who may do what: mode bits, owners, groups, sticky and setgid directories, suid and sgid.
 */

import { expect, test } from 'vitest';
import { O_CREAT, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY } from './constants.ts';
import { behaviour, OTHER_USER, USER } from './stage.ts';
import { errnoOf } from './syscalls.ts';

const PERMISSION_BITS = 0o7777;

behaviour('Permissions', (stage) => {
  test('a file without bits for others cannot be read by them', stage.needs('root'), async () => {
    await stage.sys.writeFile(stage.path('f'), 'secret', 0o600);
    const user = await stage.another(USER);
    expect(await errnoOf(user.open(stage.path('f')))).toBe('EACCES');
  });

  test('a read-only file cannot be opened for writing by others', stage.needs('root'), async () => {
    await stage.sys.writeFile(stage.path('f'), 'text', 0o644);
    const user = await stage.another(USER);
    expect(await errnoOf(user.open(stage.path('f'), O_WRONLY))).toBe('EACCES');
    expect(String(await user.readFile(stage.path('f')))).toBe('text');
  });

  test('a supplementary group counts', stage.needs('root'), async () => {
    await stage.sys.writeFile(stage.path('f'), 'text', 0o640);
    await stage.sys.chown(stage.path('f'), 0, 1234);
    const member = await stage.another({ ...USER, groups: [1234] });
    expect(String(await member.readFile(stage.path('f')))).toBe('text');
  });

  test('a directory without x for others hides what is in it', stage.needs('root'), async () => {
    await stage.sys.mkdir(stage.path('d'), 0o744);
    await stage.sys.writeFile(stage.path('d/f'), 'text');
    const user = await stage.another(USER);
    expect(await errnoOf(user.stat(stage.path('d/f')))).toBe('EACCES');
  });

  test(
    'a directory without w for others takes no names from them',
    stage.needs('root'),
    async () => {
      const user = await stage.another(USER);
      expect(await errnoOf(user.mkdir(stage.path('d')))).toBe('EACCES');
      expect(await errnoOf(user.open(stage.path('f'), O_CREAT | O_WRONLY))).toBe('EACCES');
      expect(await errnoOf(user.symlink('x', stage.path('l')))).toBe('EACCES');
    },
  );

  test(
    'a sticky directory keeps others from removing or renaming what is not theirs',
    stage.needs('root', 'caller'),
    async () => {
      await stage.sys.chmod(stage.dir, 0o1777);
      const owner = await stage.another(USER);
      const other = await stage.another(OTHER_USER);
      await owner.writeFile(stage.path('f'), 'mine', 0o666);
      expect(await errnoOf(other.unlink(stage.path('f')))).toBe('EPERM');
      expect(await errnoOf(other.rename(stage.path('f'), stage.path('g')))).toBe('EPERM');
      expect(await errnoOf(owner.unlink(stage.path('f')))).toBe('ok');
    },
  );

  test('what a user makes belongs to that user', stage.needs('root', 'caller'), async () => {
    await stage.sys.chmod(stage.dir, 0o777);
    const user = await stage.another(USER);
    await user.writeFile(stage.path('f'), '');
    await user.mkdir(stage.path('d'));
    await user.symlink('x', stage.path('l'));
    for (const name of ['f', 'd', 'l']) {
      expect(await stage.sys.lstat(stage.path(name))).toMatchObject(USER);
    }
  });

  test('only the owner may change mode and times', stage.needs('root'), async () => {
    await stage.sys.writeFile(stage.path('f'), 'text', 0o666);
    const user = await stage.another(USER);
    expect(await errnoOf(user.chmod(stage.path('f'), 0o777))).toBe('EPERM');
    const times = { atimeNs: 1n, mtimeNs: 2n };
    expect(await errnoOf(user.utimens(stage.path('f'), times))).toBe('EPERM');
    expect(await errnoOf(user.chown(stage.path('f'), USER.uid, -1))).toBe('EPERM');
  });

  test(
    'an owner may give a file to a group of theirs and to no other',
    stage.needs('root'),
    async () => {
      await stage.sys.writeFile(stage.path('f'), 'text');
      await stage.sys.chown(stage.path('f'), USER.uid, USER.gid);
      const owner = await stage.another({ ...USER, groups: [1234] });
      expect(await errnoOf(owner.chown(stage.path('f'), -1, 1234))).toBe('ok');
      expect(await errnoOf(owner.chown(stage.path('f'), -1, 4321))).toBe('EPERM');
      expect((await owner.stat(stage.path('f'))).gid).toBe(1234);
    },
  );

  test('the umask applies to files and directories', async () => {
    await stage.sys.umask(0o027);
    await stage.sys.writeFile(stage.path('f'), '', 0o666);
    await stage.sys.mkdir(stage.path('d'), 0o777);
    expect((await stage.sys.stat(stage.path('f'))).mode & PERMISSION_BITS).toBe(0o640);
    expect((await stage.sys.stat(stage.path('d'))).mode & PERMISSION_BITS).toBe(0o750);
  });

  test('a file made without write permission is written through the descriptor that made it', async () => {
    const fd = await stage.sys.open(stage.path('f'), O_CREAT | O_RDWR, 0o444);
    expect(await stage.sys.write(fd, 'text')).toBe(4);
  });

  test('access(2) answers for the caller', stage.needs('root'), async () => {
    await stage.sys.writeFile(stage.path('f'), 'text', 0o640);
    const user = await stage.another(USER);
    expect(await errnoOf(user.access(stage.path('f'), 0))).toBe('ok');
    expect(await errnoOf(user.access(stage.path('f'), 4))).toBe('EACCES');
    expect(await errnoOf(stage.sys.access(stage.path('f'), 4))).toBe('ok');
  });

  test(
    'a new file in a setgid directory has the group of the directory, a new directory the bit too',
    stage.needs('root'),
    async () => {
      await stage.sys.chown(stage.dir, 0, 1234);
      await stage.sys.chmod(stage.dir, 0o2777);
      const user = await stage.another(USER);
      await user.writeFile(stage.path('f'), '');
      await user.mkdir(stage.path('d'), 0o755);
      expect((await user.stat(stage.path('f'))).gid).toBe(1234);
      const made = await user.stat(stage.path('d'));
      expect([made.gid, made.mode & PERMISSION_BITS]).toEqual([1234, 0o2755]);
    },
  );

  const killers: [
    string,
    (path: string, user: Awaited<ReturnType<typeof stage.another>>) => Promise<void>,
  ][] = [
    [
      'a write',
      async (path, user) => {
        const fd = await user.open(path, O_WRONLY);
        await user.write(fd, 'x');
      },
    ],
    ['truncate', (path, user) => user.truncate(path, 1)],
    [
      'an open with O_TRUNC',
      async (path, user) => {
        await user.open(path, O_WRONLY | O_TRUNC);
      },
    ],
  ];
  for (const [what, kill] of killers) {
    test(`${what} by another user clears suid and sgid`, stage.needs('root'), async () => {
      const path = stage.path('f');
      await stage.sys.writeFile(path, 'program');
      await stage.sys.chmod(path, 0o6777);
      const user = await stage.another(USER);
      await kill(path, user);
      expect((await stage.sys.stat(path)).mode & PERMISSION_BITS).toBe(0o777);
    });
  }

  test('a change of owner clears suid and sgid of a program', stage.needs('root'), async () => {
    const path = stage.path('f');
    await stage.sys.writeFile(path, 'program');
    await stage.sys.chmod(path, 0o6755);
    await stage.sys.chown(path, USER.uid, USER.gid);
    expect((await stage.sys.stat(path)).mode & PERMISSION_BITS).toBe(0o755);
  });

  test('a chmod by a user outside of the group drops sgid', stage.needs('root'), async () => {
    const path = stage.path('f');
    await stage.sys.writeFile(path, 'program');
    await stage.sys.chown(path, USER.uid, 1234);
    const owner = await stage.another(USER);
    await owner.chmod(path, 0o2755);
    expect((await owner.stat(path)).mode & PERMISSION_BITS).toBe(0o755);
  });

  test('the suid bit survives a read', async () => {
    const path = stage.path('f');
    await stage.sys.writeFile(path, 'program');
    await stage.sys.chmod(path, 0o4755);
    await stage.sys.pread(await stage.sys.open(path, O_RDONLY), 4, 0);
    expect((await stage.sys.stat(path)).mode & PERMISSION_BITS).toBe(0o4755);
  });
});
