/**
 * tar both ways: what was unpacked is packed again, and the two archives are the same, byte for byte.
 */

import { mkdirSync, symlinkSync, linkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { labelledText } from '../random.js';

export const processes = 1;

const DIRECTORIES = 20;
const FILES_EACH = 60;

const PACK =
  'tar c --sort=name --numeric-owner --format=pax --pax-option=delete=atime,delete=ctime,exthdr.name=%f';

export async function prepare(context) {
  const { plain, tally, random } = context;
  const tree = join(plain, 'tree');
  mkdirSync(tree);
  for (let dir = 0; dir < DIRECTORIES; dir += 1) {
    const path = join(tree, `d${dir}`);
    mkdirSync(path);
    for (let file = 0; file < FILES_EACH; file += 1) {
      const name = join(path, `f${file}`);
      const size = random.chance(0.05) ? random.whole(60_000, 300_000) : random.whole(0, 6000);
      writeFileSync(name, labelledText(`${dir}/${file}`, size), {
        mode: random.pick([0o644, 0o755]),
      });
      utimesSync(name, 1_700_000_000 + file, 1_700_000_000 + dir * 1000 + file);
    }
    linkSync(join(path, 'f0'), join(path, 'linked'));
    symlinkSync('f1', join(path, 'symlink'));
  }
  tally.shell('pack', `${PACK} -f '${plain}/tree.tar' tree; sha256sum < tree.tar`, { cwd: plain });
}

export async function work(context) {
  const { tally, plain, dir } = context;
  while (!context.isOver()) {
    tally.shell('unpack', `rm -rf tree; tar xf '${plain}/tree.tar'`, { cwd: dir });
    compare(context);
    tally.shell('copy', 'rm -rf copy; cp -a tree copy; diff -r --no-dereference tree copy', {
      cwd: dir,
    });
  }
}

function compare({ tally, plain, dir }) {
  const seen = tally.shell('pack', `${PACK} tree | cmp - '${plain}/tree.tar' 2>&1 || true`, {
    cwd: dir,
  });
  if (seen === undefined || seen === '') return;
  const difference = tally.shell(
    'compare',
    `diff -r --no-dereference '${plain}/tree' tree 2>&1 | head -20; ${PACK} tree | tar tvf - > '${plain}/seen'; tar tvf '${plain}/tree.tar' | diff - '${plain}/seen' | head -20 || true`,
    { cwd: dir },
  );
  tally.fail('the archives differ', `${seen} ${difference}`);
}

export async function verify(context) {
  compare(context);
  context.tally.shell('compare the copy', 'diff -r --no-dereference tree copy', {
    cwd: context.dir,
  });
}
