/**
 * A sequence of calls on files that all succeed, and what the tree is after each of them.
 *
 * Rule: the plan is made before it is carried out, so that after a power cut the state of the tree after
 * any call is known, without having looked at it.
 */

import { createHash } from 'node:crypto';

import { makeRandom } from './disk-image.ts';

export interface Step {
  readonly op: string;
  readonly path: string;
  readonly to?: string;
  readonly offset?: number;
  readonly length?: number;
  readonly tag?: string;
  readonly size?: number;
  readonly mode?: number;
  readonly ms?: number;
}

/** Of a tree: what stands at each path. A file's content may be shared by several names. */
export type Tree = Map<string, Leaf>;

export interface Leaf {
  readonly kind: 'file' | 'directory' | 'symlink';
  mode: number;
  content: Buffer;
  digest: string | undefined;
}

export interface Plan {
  readonly steps: readonly Step[];
  /** The digest of the tree before the first step, and after each. */
  readonly digests: readonly string[];
}

export interface PlanOptions {
  readonly seed: number;
  readonly steps: number;
  /** One step in so many is a sync; 0 is none. */
  readonly syncEvery: number;
  /** The longest pause between two steps, in milliseconds. */
  readonly pauseMs: number;
}

const MAX_FILES = 40;
const MAX_FILE_BYTES = 300_000;

export function makePlan(options: PlanOptions): Plan {
  const random = makeRandom(options.seed);
  const tree: Tree = new Map();
  const steps: Step[] = [];
  const digests = [digestTree(tree)];
  while (steps.length < options.steps) {
    const step = chooseStep(tree, { ...options, random, number: steps.length });
    if (step === undefined) continue;
    applyStep(tree, step);
    steps.push(step);
    digests.push(isChange(step) ? digestTree(tree) : (digests.at(-1) ?? ''));
  }
  return { steps, digests };
}

const isChange = ({ op }: Step): boolean => !['pause', 'fsync', 'fdatasync'].includes(op);

/** The tree after so many steps. */
export function treeAfter(plan: Plan, count: number): Tree {
  const tree: Tree = new Map();
  for (const step of plan.steps.slice(0, count)) applyStep(tree, step);
  return tree;
}

export function digestTree(tree: Tree): string {
  return createHash('sha1').update(describeTree(tree).join('\n')).digest('hex');
}

export function describeTree(tree: Tree): string[] {
  return [...tree.entries()]
    .map(([path, leaf]) => {
      leaf.digest ??= createHash('sha1').update(leaf.content).digest('hex');
      const size = leaf.content.length;
      return `${path} ${leaf.kind} ${leaf.mode.toString(8)} ${size} ${leaf.digest}`;
    })
    .toSorted();
}

interface Choice extends PlanOptions {
  readonly random: () => number;
  readonly number: number;
}

/** @returns undefined if there is nothing for what chance would have; it is asked again. */
function chooseStep(tree: Tree, choice: Choice): Step | undefined {
  const { random, syncEvery, pauseMs, number } = choice;
  const pick = <T>(from: readonly T[]): T | undefined => from[Math.floor(random() * from.length)];
  const paths = (kind: Leaf['kind']): string[] =>
    [...tree].filter(([, leaf]) => leaf.kind === kind).map(([path]) => path);
  const newPath = (): string => {
    const dir = random() < 0.4 ? undefined : pick(paths('directory'));
    const name = `n${Math.floor(random() * 60)}`;
    return dir === undefined ? name : `${dir}/${name}`;
  };
  if (syncEvery > 0 && random() < 1 / syncEvery) {
    const path = random() < 0.8 ? pick(paths('file')) : pick(paths('directory'));
    const op = random() < 0.5 ? 'fsync' : 'fdatasync';
    return path === undefined ? undefined : { op, path };
  }
  if (pauseMs > 0 && random() < 0.4) {
    return { op: 'pause', path: '', ms: Math.floor(random() ** 3 * pauseMs) };
  }
  const tag = `${number}-${Math.floor(random() * 1e6)} `;
  const file = pick(paths('file'));
  const size = file === undefined ? 0 : (tree.get(file)?.content.length ?? 0);
  const length = Math.ceil(random() ** 3 * (random() < 0.05 ? 120_000 : 9000));
  const what = random();
  if (file === undefined || what < 0.15) {
    const path = newPath();
    return tree.has(path) || tree.size > MAX_FILES ? undefined : { op: 'create', path };
  }
  if (what < 0.4) {
    const offset = Math.floor(random() * (size + 5000));
    return offset + length > MAX_FILE_BYTES
      ? undefined
      : { op: 'write', path: file, offset, length, tag };
  }
  if (what < 0.55) {
    return size + length > MAX_FILE_BYTES ? undefined : { op: 'append', path: file, length, tag };
  }
  if (what < 0.61) return { op: 'truncate', path: file, size: Math.floor(random() * size * 1.2) };
  if (what < 0.73) return chooseRename(tree, file, newPath());
  if (what < 0.79) {
    const to = newPath();
    return tree.has(to) ? undefined : { op: 'link', path: file, to };
  }
  if (what < 0.82) {
    const path = newPath();
    return tree.has(path) ? undefined : { op: 'symlink', path, to: `to ${tag}` };
  }
  if (what < 0.87) {
    const path = newPath();
    if (tree.has(path) || path.split('/').length > 3) return undefined;
    return { op: 'mkdir', path };
  }
  if (what < 0.9) return { op: 'chmod', path: file, mode: 0o600 + Math.floor(random() * 0o100) };
  if (what < 0.97) return { op: 'unlink', path: pick([...paths('symlink'), file]) ?? file };
  const empty = paths('directory').filter(
    (dir) => ![...tree.keys()].some((path) => path.startsWith(`${dir}/`)),
  );
  const dir = pick(empty);
  return dir === undefined ? undefined : { op: 'rmdir', path: dir };
}

function chooseRename(tree: Tree, path: string, to: string): Step | undefined {
  const target = tree.get(to);
  // Renaming one name of a file over another of the same does nothing.
  if (to === path || target?.kind === 'directory' || target === tree.get(path)) return undefined;
  return { op: 'rename', path, to };
}

export function applyStep(tree: Tree, step: Step): void {
  const { op, path, to = '', offset = 0, length = 0, tag = '', size = 0, mode = 0 } = step;
  const leaf = tree.get(path);
  switch (op) {
    case 'create':
      tree.set(path, { kind: 'file', mode: 0o644, content: Buffer.alloc(0), digest: undefined });
      break;
    case 'mkdir':
      tree.set(path, {
        kind: 'directory',
        mode: 0o755,
        content: Buffer.alloc(0),
        digest: undefined,
      });
      break;
    case 'symlink':
      tree.set(path, { kind: 'symlink', mode: 0o777, content: Buffer.from(to), digest: undefined });
      break;
    case 'link':
      if (leaf !== undefined) tree.set(to, leaf);
      break;
    case 'rename':
      tree.delete(path);
      if (leaf !== undefined) tree.set(to, leaf);
      break;
    case 'unlink':
    case 'rmdir':
      tree.delete(path);
      break;
    case 'chmod':
      if (leaf !== undefined) leaf.mode = mode;
      break;
    case 'write':
      setContent(leaf, offset, Buffer.alloc(length, tag));
      break;
    case 'append':
      setContent(leaf, leaf?.content.length ?? 0, Buffer.alloc(length, tag));
      break;
    case 'truncate':
      if (leaf === undefined) break;
      leaf.content = Buffer.concat([leaf.content, Buffer.alloc(Math.max(0, size))]).subarray(
        0,
        size,
      );
      leaf.digest = undefined;
      break;
  }
}

function setContent(leaf: Leaf | undefined, offset: number, data: Buffer): void {
  if (leaf === undefined) return;
  const content = Buffer.alloc(Math.max(leaf.content.length, offset + data.length));
  leaf.content.copy(content);
  data.copy(content, offset);
  leaf.content = content;
  leaf.digest = undefined;
}
