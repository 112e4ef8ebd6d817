/**
 * When a version is cut, rule by rule, on a bare volume.
 */

import { expect, test } from 'vitest';

import { FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE, allocateFile } from '../../src/volume/files.ts';
import { setAttributes, setXattr } from '../../src/volume/attributes.ts';
import { RENAME_EXCHANGE } from '../../src/volume/names.ts';
import { Desk } from './desk.ts';

/** More than is compared at once. */
const LARGE_BYTES = 3 << 20;

test('closing a file that was written cuts a version', async () => {
  const desk = await Desk.open();
  desk.save('f', 'one');
  expect(await desk.versions('f')).toEqual(['close "one"']);
});

test('a write alone cuts nothing', async () => {
  const desk = await Desk.open();
  desk.write(desk.open('f'), 'one');
  expect(await desk.versions('f')).toEqual([]);
});

test('the last of several writers cuts', async () => {
  const desk = await Desk.open();
  const ino = desk.open('f');
  desk.open('f');
  desk.write(ino, 'one');
  desk.close(ino);
  expect(await desk.versions('f')).toEqual([]);
  desk.close(ino);
  expect(await desk.versions('f')).toEqual(['close "one"']);
});

test('a file that was made and left empty has no version', async () => {
  const desk = await Desk.open();
  desk.close(desk.open('f'));
  expect(await desk.versions('f')).toEqual([]);
});

test('a command that fills a file through the shell leaves no empty version', async () => {
  const desk = await Desk.open();
  desk.save('f', 'one');
  desk.save('f', 'two');
  expect(await desk.versions('f')).toEqual(['close "one"', 'close "two"']);
});

test('a file that is emptied and closed has an empty version', async () => {
  const desk = await Desk.open();
  desk.save('f', 'one');
  desk.close(desk.open('f', { truncate: true }));
  expect(await desk.versions('f')).toEqual(['close "one"', 'close ""']);
});

test('writing the same bytes again makes no version', async () => {
  const desk = await Desk.open();
  desk.save('f', 'one');
  desk.save('f', 'one');
  expect(await desk.versions('f')).toEqual(['close "one"']);
});

test('bytes that come back after others are a version again', async () => {
  const desk = await Desk.open();
  for (const text of ['one', 'two', 'one']) desk.save('f', text);
  expect(await desk.contents('f')).toEqual(['one', 'two', 'one']);
});

test('a change that is undone before the close makes no version', async () => {
  const desk = await Desk.open();
  desk.save('f', 'one');
  const ino = desk.open('f');
  desk.write(ino, 'xxx and more');
  desk.truncate('f', 3);
  desk.write(ino, 'one');
  desk.close(ino);
  expect(await desk.versions('f')).toEqual(['close "one"']);
});

test('the same bytes of a large file make no version, compared off the serving path', async () => {
  const desk = await Desk.open();
  desk.save('f', Buffer.alloc(LARGE_BYTES, 'a'));
  // Two writes: other extents than one, so that checksums do not tell.
  const ino = desk.open('f', { truncate: true });
  desk.write(ino, Buffer.alloc(LARGE_BYTES - 1000, 'a'));
  desk.write(ino, Buffer.alloc(1000, Buffer.alloc(1, 'a')), LARGE_BYTES - 1000);
  desk.close(ino);
  expect(await desk.versions('f')).toEqual([`close ${LARGE_BYTES} bytes`]);
});

test('one byte of a large file makes a version', async () => {
  const desk = await Desk.open();
  desk.save('f', Buffer.alloc(LARGE_BYTES, 'a'));
  const ino = desk.open('f', { truncate: true });
  desk.write(ino, Buffer.alloc(LARGE_BYTES - 1000, 'a'));
  desk.write(ino, Buffer.alloc(1000, 'b'), LARGE_BYTES - 1000);
  desk.close(ino);
  expect((await desk.versions('f')).length).toBe(2);
});

test('a large file that is changed while it is compared has its version first', async () => {
  const desk = await Desk.open();
  desk.save('f', Buffer.alloc(LARGE_BYTES, 'a'));
  const ino = desk.open('f', { truncate: true });
  desk.write(ino, Buffer.alloc(LARGE_BYTES - 1, 'a'));
  desk.write(ino, 'b', LARGE_BYTES - 1);
  desk.close(ino);
  desk.save('f', 'short');
  expect(await desk.versions('f')).toEqual([
    `close ${LARGE_BYTES} bytes`,
    `close ${LARGE_BYTES} bytes`,
    'close "short"',
  ]);
});

test('attributes and times make no version', async () => {
  const desk = await Desk.open();
  const ino = desk.save('f', 'one');
  setAttributes(desk.volume, desk.caller, ino, { mode: 0o600, mtime: 'now' });
  setXattr(desk.volume, desk.caller, ino, { name: 'user.a', value: Buffer.from('b'), flags: 0 });
  desk.close(desk.open('f'));
  expect(await desk.versions('f')).toEqual(['close "one"']);
});

test('unlinking an open file cuts what was written', async () => {
  const desk = await Desk.open();
  const ino = desk.open('f');
  desk.write(ino, 'one');
  desk.rm('f');
  desk.write(ino, 'lost, for nobody can name it');
  desk.close(ino);
  expect(await desk.versions('f')).toEqual(['unlinked "one"']);
});

test('renaming over an open file cuts what was written', async () => {
  const desk = await Desk.open();
  desk.write(desk.open('f'), 'one');
  desk.save('g', 'two');
  desk.mv('g', 'f');
  // By revision: what replaced it was closed before.
  expect(await desk.versions('f')).toEqual(['close "two"', 'replaced "one"']);
});

test('exchanging names cuts nothing', async () => {
  const desk = await Desk.open();
  desk.write(desk.open('f'), 'one');
  desk.save('g', 'two');
  desk.mv('f', 'g', RENAME_EXCHANGE);
  expect(await desk.versions('f')).toEqual(['close "two"']);
});

test('truncating what somebody else has not closed yet cuts it', async () => {
  const desk = await Desk.open();
  desk.write(desk.open('f'), 'one');
  desk.become('two');
  desk.open('f', { truncate: true });
  expect(await desk.versions('f')).toEqual(['truncated "one"']);
});

test('truncating what one has written oneself cuts nothing', async () => {
  const desk = await Desk.open();
  desk.write(desk.open('f'), 'one');
  desk.open('f', { truncate: true });
  expect(await desk.versions('f')).toEqual([]);
});

test('making a file longer is no loss, whoever does it', async () => {
  const desk = await Desk.open();
  const ino = desk.open('f');
  desk.write(ino, 'one');
  desk.become('two');
  desk.truncate('f', 5);
  expect(await desk.versions('f')).toEqual([]);
});

test('truncating by path a file that nobody has open cuts at once', async () => {
  const desk = await Desk.open();
  desk.save('f', 'one');
  desk.truncate('f', 1);
  expect(await desk.versions('f')).toEqual(['close "one"', 'close "o"']);
});

test('a hole is a change like any other', async () => {
  const desk = await Desk.open();
  const ino = desk.save('f', 'one');
  const mode = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE;
  desk.open('f');
  allocateFile(desk.volume, desk.caller, ino, { offset: 1, length: 1, mode });
  desk.close(ino);
  expect(await desk.contents('f')).toEqual(['one', 'o\0e']);
});

test('a file that stays open is cut when it has been changed for a minute', async () => {
  const desk = await Desk.open();
  const ino = desk.open('f');
  desk.write(ino, 'one');
  desk.clock.ms += 59_000;
  desk.volume.cuts.cutOld();
  expect(await desk.versions('f')).toEqual([]);
  desk.clock.ms += 1000;
  desk.volume.cuts.cutOld();
  expect(await desk.versions('f')).toEqual(['interval "one"']);
  desk.close(ino);
  expect(await desk.versions('f')).toEqual(['interval "one"']);
});

test('a checkpoint cuts what is open', async () => {
  const desk = await Desk.open();
  desk.write(desk.open('f'), 'one');
  desk.volume.cuts.cutAll('checkpoint');
  expect(await desk.versions('f')).toEqual(['checkpoint "one"']);
});

test('a file without a name has a version once it has one', async () => {
  const desk = await Desk.open();
  const ino = desk.openUnnamed();
  desk.write(ino, 'one');
  desk.ln(ino, 'f');
  desk.close(ino);
  expect(await desk.versions('f')).toEqual(['close "one"']);
});

test('a version is by whoever wrote last, also when somebody else cuts it', async () => {
  const desk = await Desk.open();
  const ino = desk.open('f');
  desk.become('writer');
  desk.write(ino, 'one');
  desk.become('remover');
  desk.rm('f');
  const history = await desk.history.findFileHistory({ inos: [desk.ino('')] }, 'f' as never);
  expect(history?.versions.map(({ actor }) => actor.command)).toEqual(['writer']);
  expect(history?.removed?.actor.command).toBe('remover');
});
