/**
 * A rollback that is planned while the volume changes: the plan is made anew, never carried out half.
 */

import { expect, test } from 'vitest';

import { ROOT_INO } from '../../src/shared/brands.ts';
import type { ActorId, Name } from '../../src/shared/brands.ts';
import { Volume } from '../../src/volume/volume.ts';
import { Desk } from '../volume/desk.ts';

/** Does something at each of the first turns of the event loop while a rollback is planned. */
async function meanwhile<T>(work: Promise<T>, change: (turn: number) => void): Promise<T> {
  for (let turn = 0; turn < 20; turn++) {
    await new Promise((resolve) => setImmediate(resolve));
    change(turn);
  }
  return work;
}

async function namesAtTop(volume: Volume): Promise<string[]> {
  return (await volume.listings.listAll(ROOT_INO)).map(({ name }) => name);
}

test('an exact rollback leaves nothing behind of what comes while it is planned', async () => {
  for (let at = 0; at < 12; at++) {
    const desk = await Desk.open();
    desk.save('kept', 'kept');
    const to = desk.volume.state.revision;
    desk.mkdir('d');
    desk.mkdir('d/below');
    desk.save('d/below/f', 'f');
    desk.save('x', 'x');
    const rollback = desk.history.rollback({ path: [], to, exact: true, actor: 0 as ActorId });
    const { steps } = await meanwhile(rollback, (turn) => {
      if (turn !== at) return;
      try {
        desk.save('d/fresh', 'fresh');
        desk.rm('x');
      } catch {
        // The rollback was faster: there is no d any more.
      }
    });
    const names = await namesAtTop(desk.volume);
    expect(names, `change at turn ${at}`).toEqual(['kept']);
    expect(steps.some(({ action }) => action === 'remove')).toBe(true);
    // What was logged can be replayed.
    const { revision } = desk.volume.state;
    await desk.volume.flushed();
    expect(desk.volume.status()).toMatchObject({ revision, readOnly: undefined, inodes: 2 });
  }
});

test('what takes a name while an exact rollback is planned keeps its content as a version', async () => {
  const desk = await Desk.open();
  desk.mkdir('p');
  const to = desk.volume.state.revision;
  desk.mkdir('p/d');
  desk.save('p/d/f', 'f');
  desk.save('p/x', 'old');
  const options = { path: ['p' as Name], to, exact: true, actor: 0 as ActorId };
  await meanwhile(desk.history.rollback(options), (turn) => {
    if (turn !== 0) return;
    const ino = desk.open('p/x.new');
    desk.write(ino, 'new');
    desk.mv('p/x.new', 'p/x');
  });
  const lineage = await desk.history.findLineage(desk.ino('p'));
  const found = await desk.history.findFileHistory(lineage, 'x' as Name);
  const contents = await Promise.all(
    (found?.versions ?? []).map(async ({ ino, revision }) =>
      (await desk.history.read(ino, revision, 0, 100)).toString(),
    ),
  );
  expect(contents).toContain('new');
  expect(contents).toContain('old');
});
