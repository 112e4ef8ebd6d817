/**
 * Names made, linked, moved and removed in a tight loop. Each step is one that must succeed the first
 * time: EEXIST or ENOENT then is an effect that came twice.
 */

import {
  closeSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  symlinkSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';

export const processes = 2;

const DIRECTORIES = ['a', 'b', 'c'];
const NAMES_EACH = 30;

/**
 * What a name stands for; names of one file share it.
 *
 * @typedef {{ kind: 'file' | 'directory' | 'symlink', label: string, links: number }} Node
 */

export async function work(context) {
  const { tally, random, worker } = context;
  const root = join(context.dir, `names-${worker}`);
  tally.attempt('mkdir root', () => mkdirSync(root));
  for (const dir of DIRECTORIES) tally.attempt('mkdir', () => mkdirSync(join(root, dir)));
  /** @type {Map<string, Node>} */
  const tree = new Map();
  let count = 0;
  while (!context.isOver()) {
    count += 1;
    const place = `${random.pick(DIRECTORIES)}/n${random.whole(0, NAMES_EACH)}`;
    step({ context, root, tree, place, label: `${worker}.${count}` });
  }
  context.keep('tree', [...tree]);
}

function step({ context, root, tree, place, label }) {
  const { tally, random } = context;
  const path = join(root, place);
  const node = tree.get(place);
  if (node === undefined) {
    if (random.chance(0.2)) checkAbsent(tally, path, place);
    make({ context, root, tree, place, label });
    return;
  }
  if (random.chance(0.3)) checkPresent(tally, path, node);
  if (random.chance(0.5)) move({ context, root, tree, place, node });
  else remove(tally, path, { tree, place, node });
}

function make({ context, root, tree, place, label }) {
  const { tally, random } = context;
  const path = join(root, place);
  const kind = random.pick(['file', 'file', 'directory', 'symlink', 'link']);
  if (kind === 'link') {
    const files = [...tree].filter(([, { kind: other }]) => other === 'file');
    if (files.length === 0) return;
    const [from, node] = random.pick(files);
    tally.attempt(`link ${from} ${place}`, () => linkSync(join(root, from), path));
    node.links += 1;
    tree.set(place, node);
    return;
  }
  tally.attempt(`make ${kind} ${place}`, () => {
    if (kind === 'directory') mkdirSync(path);
    else if (kind === 'symlink') symlinkSync(label, path);
    else {
      const fd = openSync(path, 'wx');
      try {
        writeSync(fd, label);
      } finally {
        closeSync(fd);
      }
    }
  });
  tree.set(place, { kind, label, links: 1 });
}

function move({ context, root, tree, place, node }) {
  const { tally, random } = context;
  const target = `${random.pick(DIRECTORIES)}/n${random.whole(0, NAMES_EACH)}`;
  const replaced = tree.get(target);
  // Both names of one file: rename(2) does nothing then. And only like replaces like.
  if (replaced === node) return;
  if (replaced !== undefined && (replaced.kind === 'directory') !== (node.kind === 'directory')) {
    return;
  }
  tally.attempt(`rename ${place} ${target}`, () =>
    renameSync(join(root, place), join(root, target)),
  );
  if (replaced !== undefined) replaced.links -= 1;
  tree.delete(place);
  tree.set(target, node);
}

function remove(tally, path, { tree, place, node }) {
  tally.attempt(`remove ${node.kind} ${place}`, () =>
    node.kind === 'directory' ? rmdirSync(path) : unlinkSync(path),
  );
  node.links -= 1;
  tree.delete(place);
}

function checkAbsent(tally, path, place) {
  const found = tally.attempt(`lstat ${place}`, () => lstatSync(path, { throwIfNoEntry: false }));
  if (found !== undefined) tally.fail(`lstat ${place}`, 'it is there, and was removed');
}

function checkPresent(tally, path, { kind, label, links }) {
  const what = `check ${kind} ${path}`;
  const seen = tally.attempt(what, () => {
    const stat = lstatSync(path);
    if (stat.isDirectory()) return 'directory';
    if (stat.isSymbolicLink()) return `symlink ${readlinkSync(path)}`;
    return `file ${readFileSync(path, 'utf8')} ${stat.nlink}`;
  });
  const wanted = {
    directory: 'directory',
    symlink: `symlink ${label}`,
    file: `file ${label} ${links}`,
  };
  if (seen !== undefined) tally.expect(what, seen, wanted[kind]);
}

export async function verify(context) {
  const { tally } = context;
  for (let worker = 0; worker < processes; worker += 1) {
    const root = join(context.dir, `names-${worker}`);
    const entries = new Map(context.recall('tree', worker));
    const seen = tally.attempt('list', () =>
      DIRECTORIES.flatMap((dir) => readdirSync(join(root, dir)).map((name) => `${dir}/${name}`)),
    );
    const wanted = [...entries.keys()];
    tally.expect(`names of ${root}`, sorted(seen ?? []), sorted(wanted));
    for (const [place, node] of entries) checkPresent(tally, join(root, place), node);
  }
}

/** @param {string[]} names */
const sorted = (names) => names.toSorted().join(' ');
