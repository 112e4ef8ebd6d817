/**
 * flock(2) and fcntl(2) locks between processes.
 */

import { expect, test } from 'vitest';
import {
  F_RDLCK,
  F_UNLCK,
  F_WRLCK,
  LOCK_EX,
  LOCK_NB,
  LOCK_SH,
  LOCK_UN,
  O_CREAT,
  O_RDWR,
} from './constants.ts';
import { behaviour } from './stage.ts';
import type { Stage } from './stage.ts';
import { errnoOf } from './syscalls.ts';

async function openTwice(stage: Stage) {
  const other = await stage.another();
  const mine = await stage.sys.open(stage.path('f'), O_CREAT | O_RDWR);
  const theirs = await other.open(stage.path('f'), O_RDWR);
  return { other, mine, theirs };
}

behaviour('Locks', (stage) => {
  test('an exclusive flock keeps others out until it is given back', async () => {
    const { other, mine, theirs } = await openTwice(stage);
    await stage.sys.flock(mine, LOCK_EX);
    expect(await errnoOf(other.flock(theirs, LOCK_EX | LOCK_NB))).toBe('EAGAIN');
    expect(await errnoOf(other.flock(theirs, LOCK_SH | LOCK_NB))).toBe('EAGAIN');
    await stage.sys.flock(mine, LOCK_UN);
    expect(await errnoOf(other.flock(theirs, LOCK_EX | LOCK_NB))).toBe('ok');
  });

  test('shared flocks go together', async () => {
    const { other, mine, theirs } = await openTwice(stage);
    await stage.sys.flock(mine, LOCK_SH);
    expect(await errnoOf(other.flock(theirs, LOCK_SH | LOCK_NB))).toBe('ok');
    expect(await errnoOf(other.flock(theirs, LOCK_EX | LOCK_NB))).toBe('EAGAIN');
  });

  test('a waiter gets the flock when its holder dies', async () => {
    const { other, mine, theirs } = await openTwice(stage);
    await other.flock(theirs, LOCK_EX);
    const waiting = stage.sys.flock(mine, LOCK_EX);
    await other.stop();
    expect(await errnoOf(waiting)).toBe('ok');
  });

  test('an fcntl lock covers its range and no more', async () => {
    const { other, mine, theirs } = await openTwice(stage);
    await stage.sys.setLock(mine, F_WRLCK, 0, 100);
    expect(await errnoOf(other.setLock(theirs, F_RDLCK, 50, 10))).toMatch(/^(EAGAIN|EACCES)$/);
    expect(await errnoOf(other.setLock(theirs, F_WRLCK, 100, 10))).toBe('ok');
    await stage.sys.setLock(mine, F_UNLCK, 0, 100);
    expect(await errnoOf(other.setLock(theirs, F_WRLCK, 50, 10))).toBe('ok');
  });

  test('closing any descriptor of the file gives the fcntl locks of its process back', async () => {
    const { other, mine, theirs } = await openTwice(stage);
    const second = await stage.sys.open(stage.path('f'), O_RDWR);
    await stage.sys.setLock(mine, F_WRLCK, 0, 10);
    expect(await errnoOf(other.setLock(theirs, F_WRLCK, 0, 10))).toMatch(/^(EAGAIN|EACCES)$/);
    await stage.sys.close(second);
    expect(await errnoOf(other.setLock(theirs, F_WRLCK, 0, 10))).toBe('ok');
  });
});
