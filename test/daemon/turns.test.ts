/**
 * One thing at a time for each key.
 */

import { describe, expect, test } from 'vitest';

import { Turns } from '../../src/daemon/turns.ts';

describe('Turns', () => {
  test('runs what has the same key one after the other, and other keys beside it', async () => {
    const turns = new Turns();
    const seen: string[] = [];
    let release: (() => void) | undefined;
    const gate = new Promise<void>((resolve) => (release = resolve));
    const first = turns.run('a', async () => {
      await gate;
      seen.push('first');
    });
    const second = turns.run('a', async () => seen.push('second'));
    await turns.run('b', async () => seen.push('other'));
    release?.();
    await Promise.all([first, second]);
    expect(seen).toEqual(['other', 'first', 'second']);
  });

  test('goes on after a failure, which belongs to its asker alone', async () => {
    const turns = new Turns();
    const failing = turns.run('a', () => Promise.reject(new Error('no')));
    const next = turns.run('a', () => Promise.resolve('yes'));
    await expect(failing).rejects.toThrow('no');
    await expect(next).resolves.toBe('yes');
  });
});
