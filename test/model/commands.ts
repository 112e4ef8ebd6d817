/**
 * Random commands: a kind and a few numbers, which are given a meaning only when they are carried out.
 *
 * So a sequence stays meaningful when commands are left out of it, which is what shrinking does.
 */

import * as fc from 'fast-check';

/** How often each is drawn, compared with the others. */
const WEIGHTS = {
  create: 8,
  open: 6,
  write: 16,
  close: 12,
  save: 10,
  rewrite: 4,
  replace: 6,
  truncate: 6,
  rename: 10,
  exchange: 3,
  link: 4,
  unlink: 6,
  mkdir: 5,
  rmdir: 3,
  symlink: 2,
  mknod: 1,
  chmod: 2,
  chown: 2,
  utimens: 2,
  setXattr: 3,
  removeXattr: 1,
  allocate: 5,
  copyRange: 4,
  tmpfile: 2,
  linkOpen: 2,
  removeTree: 3,
  tick: 12,
  flush: 3,
  sync: 1,
  cutOld: 2,
  checkpoint: 1,
  rollback: 4,
  undelete: 3,
  restart: 1,
  look: 3,
} as const;

export type CommandKind = keyof typeof WEIGHTS;

export interface Command {
  readonly kind: CommandKind;
  readonly n: readonly number[];
}

const NUMBERS = 8;

const kind = fc.oneof(
  ...Object.entries(WEIGHTS).map(([name, weight]) => ({
    weight,
    arbitrary: fc.constant(name as CommandKind),
  })),
);

const numbers = fc.array(fc.nat(999), { minLength: NUMBERS, maxLength: NUMBERS });

export const commands = (maxLength: number): fc.Arbitrary<Command[]> =>
  fc.array(fc.record({ kind, n: numbers }), { minLength: 1, maxLength, size: 'max' });
