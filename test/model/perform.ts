/**
 * What each command of commands.ts means in the state that it meets.
 */

import type { Ino, Name, Revision } from '../../src/shared/brands.ts';
import { timeToMs } from '../../src/shared/time.ts';
import { removeXattr, setAttributes, setXattr } from '../../src/volume/attributes.ts';
import { allocateFile, cloneFileRange, truncateFile, writeFile } from '../../src/volume/files.ts';
import {
  linkNode,
  makeNode,
  makeUnnamed,
  removeDirectory,
  renameNode,
  unlinkNode,
} from '../../src/volume/names.ts';
import type { Command, CommandKind } from './commands.ts';
import * as files from './model-files.ts';
import * as names from './model-names.ts';
import type { Place } from './model-names.ts';
import { isDir } from './model.ts';
import { listPaths } from './lineage.ts';
import { restart, rollback, undelete } from './perform-history.ts';
import type { Restart } from './perform-history.ts';
import { pick } from './run.ts';
import type { Handle, Run } from './run.ts';

type Numbers = (index: number) => number;
type Perform = (run: Run, n: Numbers) => void | Promise<void>;

const O_WRONLY = 1;
const O_RDONLY = 0;
const MODES = [0o644, 0o600, 0o755, 0o4755, 0o2755, 0o2644, 0o6777, 0];

export async function perform(run: Run, command: Command): Promise<void> {
  const n: Numbers = (index) => command.n[index] ?? 0;
  await PERFORM[command.kind](run, n);
}

const PERFORM: Record<CommandKind, Perform> = {
  create: async (run, n) => {
    const handle = await create(run, run.newPlace(n(0), n(1)), n);
    if (handle === undefined || n(2) % 3 !== 0) return;
    if (n(3) % 2 === 0) await write(run, handle, n);
    await close(run, handle);
  },
  open: async (run, n) => {
    const ino = run.file(n(0));
    if (ino !== undefined)
      await open(run, ino, { canWrite: n(1) % 4 !== 0, truncate: n(2) % 4 === 0, by: n(3) });
  },
  write: async (run, n) => {
    const handle = run.handle(n(0), { canWrite: true });
    if (handle !== undefined) await write(run, handle, n);
  },
  close: async (run, n) => {
    const handle = run.handle(n(0), { canWrite: false });
    if (handle !== undefined) await close(run, handle);
  },
  save: async (run, n) => {
    const ino = run.file(n(0));
    if (ino === undefined) return;
    const handle = await open(run, ino, { canWrite: true, truncate: n(1) % 2 === 0, by: n(4) });
    if (handle === undefined) return;
    await write(run, handle, n);
    await close(run, handle);
  },
  rewrite: async (run, n) => {
    const ino = run.file(n(0));
    if (ino === undefined) return;
    const bytes = run.model.get(ino).content.bytes();
    const handle = await open(run, ino, { canWrite: true, truncate: n(1) % 2 === 0, by: n(2) });
    if (handle === undefined) return;
    for (let offset = 0; offset < bytes.length; offset += 1 << 20) {
      await writeBytes(run, handle, {
        offset,
        data: bytes.subarray(offset, offset + (1 << 20)),
        by: n(2),
      });
    }
    await close(run, handle);
  },
  replace: async (run, n) => {
    const to = pick(run.places(), n(0));
    if (to === undefined) return;
    const from = { dir: to.dir, name: 'f.tmp' as Name };
    const handle = await create(run, from, n);
    if (handle === undefined) return;
    await write(run, handle, n);
    await close(run, handle);
    await rename(run, from, to, { flags: 0, by: n(2) });
  },
  truncate: async (run, n) => {
    const ino = run.file(n(0));
    if (ino === undefined) return;
    const { size } = run.model.get(ino).content;
    const hasHandle = run.handles.some((handle) => handle.ino === ino && handle.canWrite);
    const wanted = n(3) % 5 === 0 ? size : run.offset(n(1), size);
    await truncate(run, ino, { size: wanted, hasHandle: hasHandle && n(2) % 2 === 0, by: n(4) });
  },
  rename: async (run, n) => {
    const from = pick(run.places(), n(0));
    if (from === undefined) return;
    const to = n(1) % 2 === 0 ? run.newPlace(n(2), n(3)) : (pick(run.places(), n(2)) ?? from);
    const flags = pick([0, 0, 0, 0, names.NOREPLACE, names.WHITEOUT], n(4)) ?? 0;
    await rename(run, from, to, { flags, by: n(5) });
  },
  exchange: async (run, n) => {
    const from = pick(run.places(), n(0));
    const to = pick(run.places(), n(1));
    if (from === undefined || to === undefined) return;
    await rename(run, from, to, { flags: names.EXCHANGE, by: n(5) });
  },
  link: async (run, n) => {
    const ino = pick(run.live(), n(0))?.ino;
    if (ino !== undefined) await link(run, ino, run.newPlace(n(1), n(2)), n(3));
  },
  unlink: async (run, n) => {
    const place = pick(run.places(), n(0));
    if (place !== undefined) await unlink(run, place, n(1));
  },
  mkdir: async (run, n) => {
    await make(run, run.newPlace(n(0), n(1)), { mode: 0o040000 | mode(n(2)), by: n(3) });
  },
  rmdir: async (run, n) => {
    const place = pick(run.places(), n(0));
    if (place !== undefined) await rmdir(run, place, n(1));
  },
  symlink: async (run, n) => {
    const node = { mode: 0o120777, target: `to/${n(2)}`, by: n(3) };
    await make(run, run.newPlace(n(0), n(1)), node);
  },
  mknod: async (run, n) => {
    await make(run, run.newPlace(n(0), n(1)), { mode: 0o010644, by: n(2) });
  },
  chmod: (run, n) => setAttribute(run, n, { mode: mode(n(2)) }),
  chown: (run, n) =>
    setAttribute(run, n, n(2) % 2 === 0 ? { uid: n(3) } : { uid: n(3), gid: n(4) }),
  utimens: async (run, n) => {
    const time = { sec: 1_700_000_000 + n(2), nsec: n(3) };
    await setAttribute(run, n, n(4) % 2 === 0 ? { atime: time, mtime: 'now' } : { mtime: time });
  },
  setXattr: async (run, n) => {
    const ino = pick(run.live(), n(0))?.ino;
    if (ino === undefined) return;
    const name = pick(['user.a', 'user.b', 'security.capability'], n(1)) as string;
    const value = `value ${n(2) % 3}`;
    const flags = pick([0, 0, 1, 2], n(3)) as number;
    await run.step(
      `setxattr ${ino} ${name}=${value} ${flags}`,
      ({ volume }) =>
        setXattr(volume, run.caller(n(4)), ino, { name, value: Buffer.from(value), flags }),
      (steps) => files.setXattr(run.model, steps, ino, { name, value, flags }),
    );
  },
  removeXattr: async (run, n) => {
    const inode = pick(run.live(), n(0));
    const name = n(1) % 2 === 0 ? 'user.a' : 'user.b';
    if (inode === undefined) return;
    await run.step(
      `removexattr ${inode.ino} ${name}`,
      ({ volume }) => removeXattr(volume, run.caller(n(2)), inode.ino, name),
      (steps) => files.removeXattr(run.model, steps, inode.ino, name),
    );
  },
  allocate: async (run, n) => {
    const ino = run.file(n(0));
    if (ino === undefined) return;
    const offset = run.offset(n(1), run.model.get(ino).content.size);
    const modes = [
      0,
      1,
      files.PUNCH_HOLE | 1,
      files.PUNCH_HOLE | 1,
      files.ZERO_RANGE,
      files.ZERO_RANGE | 1,
    ];
    const range = { offset, length: run.data(n(2), 0).length, mode: pick(modes, n(3)) as number };
    await run.step(
      `fallocate ${ino} ${JSON.stringify(range)}`,
      ({ volume }) => allocateFile(volume, run.caller(n(4)), ino, range),
      (steps) => files.allocate(run.model, steps, ino, range, run.caller(n(4)).uid),
    );
  },
  copyRange: async (run, n) => {
    const source = run.file(n(0));
    const target = run.handle(n(1), { canWrite: true })?.ino;
    if (source === undefined || target === undefined) return;
    const from = { ino: source, offset: run.offset(n(2), run.model.get(source).content.size) };
    const length = run.data(n(4), 0).length;
    const offset = run.offset(n(3), run.model.get(target).content.size);
    // The kernel refuses ranges of one file that overlap.
    if (source === target && Math.abs(offset - from.offset) < length) return;
    const to = { ino: target, offset, length };
    await run.step(
      `copy_file_range ${JSON.stringify({ from, to })}`,
      ({ volume }) => cloneFileRange(volume, run.caller(n(5)), from, to),
      (steps) => files.copyRange(run.model, steps, from, to, run.caller(n(5)).uid),
    );
  },
  tmpfile: async (run, n) => {
    const dir = run.directory(n(0));
    const { uid, gid } = run.caller(n(1));
    let ino = 0 as Ino;
    await run.step(
      `O_TMPFILE in ${dir}`,
      ({ volume }) => {
        ino = makeUnnamed(volume, run.caller(n(1)), dir, 0o100600).ino;
        volume.cuts.opened(ino, O_WRONLY);
      },
      (steps) => {
        names.make(run.model, steps, dir, undefined, { mode: 0o100600, uid, gid });
        files.opened(run.model, ino, true);
      },
    );
    const handle = { ino, canWrite: true };
    run.handles.push(handle);
    if (n(2) % 2 === 0) await write(run, handle, n);
  },
  linkOpen: async (run, n) => {
    // linkat(2) refuses files that once had a name.
    const unnamed = run.handles.filter(
      ({ ino }) =>
        run.model.get(ino).nlink === 0 && !run.model.placements.some((p) => p.ino === ino),
    );
    const handle = pick(unnamed, n(0));
    if (handle !== undefined) await link(run, handle.ino, run.newPlace(n(1), n(2)), n(3));
  },
  removeTree: async (run, n) => {
    const place = pick(run.places(), n(0));
    if (place !== undefined) await removeTree(run, place, n(1));
  },
  tick: async (run, n) => {
    const steps = [1, 1, 3, 7, 100, 400, 1000, 1500, 61_000, 7_200_000, -30, -5000];
    run.clock.ms += pick(steps, n(0)) as number;
  },
  flush: (run, n) => (n(0) % 2 === 0 ? run.keepIndex() : run.system.volume.flushed()),
  sync: (run) => run.system.volume.sync(),
  cutOld: async (run) => {
    await run.step(
      'cut what is old',
      ({ volume }) => volume.cuts.cutOld(),
      (steps) => run.model.cutEach(steps, listOld(run), 'interval'),
    );
  },
  checkpoint: async (run) => {
    await run.step(
      'checkpoint',
      ({ volume }) => volume.cuts.cutAll('checkpoint'),
      (steps) => run.model.cutEach(steps, [...run.model.dirty.keys()], 'checkpoint'),
    );
  },
  rollback: (run, n) => {
    const past = run.revision(n(1));
    const from = n(2) % 4 === 0 ? run.model : run.model.getState(past);
    const path = n(2) % 4 === 1 ? [] : (pick(listPaths(from), n(3))?.path ?? []);
    return rollback(
      run,
      { path, to: past, exact: n(4) % 2 === 0 },
      { by: n(5), isUndone: n(6) % 3 === 0 },
    );
  },
  undelete: (run, n) => {
    const removed = pick(
      run.model.placements.filter(({ to }) => to !== undefined),
      n(0),
    );
    if (removed?.to === undefined) return undefined;
    const state = run.model.getState((removed.to - 1) as Revision);
    const paths = listPaths(state).filter(({ ino, path }) => {
      return ino === removed.ino && path.at(-1) === removed.name;
    });
    const path = pick(paths, n(1))?.path;
    return path === undefined ? undefined : undelete(run, path, n(2));
  },
  restart: (run, n) => restart(run, pick(['close', 'crash', 'resume', 'rebuild'], n(0)) as Restart),
  look: async (run, n) => {
    await run.compareMoment(n(0));
    await run.compareLive();
  },
};

const mode = (n: number): number => pick(MODES, n) as number;

async function create(run: Run, place: Place, n: Numbers): Promise<Handle | undefined> {
  const ino = await make(run, place, { mode: 0o100000 | mode(n(6)), by: n(4) });
  if (ino === undefined) return undefined;
  return open(run, ino, { canWrite: true, truncate: false, by: n(4) });
}

async function make(
  run: Run,
  place: Place,
  node: { readonly mode: number; readonly by: number; readonly target?: string },
): Promise<Ino | undefined> {
  const caller = run.caller(node.by);
  const { uid, gid } = caller;
  const { target, mode: wanted } = node;
  const made = target === undefined ? { mode: wanted } : { mode: wanted, target };
  let ino: Ino | undefined;
  await run.step(
    `make ${place.dir}/${place.name} ${wanted.toString(8)}`,
    ({ volume }) => {
      makeNode(volume, caller, { parent: place.dir, name: place.name }, made);
    },
    (steps) => {
      ino = names.make(run.model, steps, place.dir, place.name, { ...made, uid, gid });
    },
  );
  return ino;
}

async function open(
  run: Run,
  ino: Ino,
  how: { readonly canWrite: boolean; readonly truncate: boolean; readonly by: number },
): Promise<Handle | undefined> {
  const { canWrite } = how;
  if (how.truncate && canWrite) await truncate(run, ino, { size: 0, hasHandle: true, by: how.by });
  await run.step(
    `open ${ino} ${canWrite ? 'rw' : 'ro'}`,
    ({ volume }) => volume.cuts.opened(ino, canWrite ? O_WRONLY : O_RDONLY),
    () => files.opened(run.model, ino, canWrite),
  );
  const handle = { ino, canWrite };
  run.handles.push(handle);
  return handle;
}

async function close(run: Run, handle: Handle): Promise<void> {
  run.handles.splice(run.handles.indexOf(handle), 1);
  const { ino, canWrite } = handle;
  await run.step(
    `close ${ino}`,
    ({ volume }) => volume.cuts.released(ino, canWrite ? O_WRONLY : O_RDONLY),
    (steps) => files.released(run.model, steps, ino, canWrite),
  );
}

async function write(run: Run, handle: Handle, n: Numbers): Promise<void> {
  const offset = run.offset(n(5), run.model.get(handle.ino).content.size);
  await writeBytes(run, handle, {
    offset,
    data: run.data(n(6), n(7)),
    by: n(4),
    killSuidGid: n(3) % 3 === 0,
  });
}

async function writeBytes(
  run: Run,
  { ino }: Handle,
  how: {
    readonly offset: number;
    readonly data: Buffer;
    readonly by: number;
    readonly killSuidGid?: boolean;
  },
): Promise<void> {
  const change = { offset: how.offset, data: how.data, killSuidGid: how.killSuidGid === true };
  await run.step(
    `write ${ino} at ${how.offset}: ${how.data.length} bytes of ${how.data[0]}`,
    ({ volume }) => {
      writeFile(volume, run.caller(how.by), ino, change);
    },
    (steps) => files.write(run.model, steps, ino, change),
  );
}

async function truncate(
  run: Run,
  ino: Ino,
  how: { readonly size: number; readonly hasHandle: boolean; readonly by: number },
): Promise<void> {
  const { size, hasHandle } = how;
  const caller = run.caller(how.by);
  const killSuidGid = how.by % 2 === 0;
  await run.step(
    `truncate ${ino} to ${size}${hasHandle ? ' (open)' : ''}`,
    ({ volume }) => {
      if (size === 0) truncateFile(volume, caller, ino, { size, hasHandle, killSuidGid });
      else setAttributes(volume, caller, ino, { size, hasHandle, killSuidGid });
    },
    (steps) => {
      const change = { size, hasHandle, killSuidGid, actor: caller.actor ?? 0 };
      files.setAttributes(run.model, steps, ino, change);
    },
  );
}

async function setAttribute(run: Run, n: Numbers, change: files.AttributeChange): Promise<void> {
  const ino = pick(run.live(), n(0))?.ino;
  if (ino === undefined) return;
  const caller = run.caller(n(1));
  await run.step(
    `setattr ${ino} ${JSON.stringify(change)}`,
    ({ volume }) => {
      setAttributes(volume, caller, ino, change);
    },
    (steps) => files.setAttributes(run.model, steps, ino, { ...change, actor: caller.actor ?? 0 }),
  );
}

async function rename(
  run: Run,
  from: Place,
  to: Place,
  how: { readonly flags: number; readonly by: number },
): Promise<boolean> {
  const { flags } = how;
  const caller = run.caller(how.by);
  const source = run.model.find(from.dir, from.name);
  // The kernel answers this by itself.
  if (source !== undefined && source === run.model.find(to.dir, to.name)) return false;
  return run.step(
    `rename ${from.dir}/${from.name} ${to.dir}/${to.name} ${flags}`,
    ({ volume }) => {
      const pair = { parent: from.dir, name: from.name, newParent: to.dir, newName: to.name };
      renameNode(volume, caller, { ...pair, flags });
    },
    (steps) =>
      names.rename(run.model, steps, from, to, { flags, uid: caller.uid, gid: caller.gid }),
  );
}

async function link(run: Run, ino: Ino, place: Place, by: number): Promise<void> {
  await run.step(
    `link ${ino} ${place.dir}/${place.name}`,
    ({ volume }) => {
      linkNode(volume, run.caller(by), ino, { parent: place.dir, name: place.name });
    },
    (steps) => names.link(run.model, steps, ino, place),
  );
}

async function unlink(run: Run, place: Place, by: number): Promise<void> {
  await run.step(
    `unlink ${place.dir}/${place.name}`,
    ({ volume }) => {
      unlinkNode(volume, run.caller(by), place.dir, place.name);
    },
    (steps) => names.unlink(run.model, steps, place),
  );
}

async function rmdir(run: Run, place: Place, by: number): Promise<void> {
  await run.step(
    `rmdir ${place.dir}/${place.name}`,
    ({ volume }) => removeDirectory(volume, run.caller(by), place.dir, place.name),
    (steps) => names.rmdir(run.model, steps, place),
  );
}

async function removeTree(run: Run, place: Place, by: number): Promise<void> {
  const inode = run.model.find(place.dir, place.name);
  if (inode === undefined) return;
  if (!isDir(inode)) {
    await unlink(run, place, by);
    return;
  }
  for (const name of inode.entries.keys()) await removeTree(run, { dir: inode.ino, name }, by);
  await rmdir(run, place, by);
}

function listOld({ model }: Run): Ino[] {
  const beforeMs = timeToMs(model.now) - 60_000;
  return [...model.dirty]
    .filter(([, { since }]) => timeToMs(since) <= beforeMs)
    .map(([ino]) => ino);
}
