/**
 * Descriptors that the service manager kept from the process before this one: sd_listen_fds(3).
 *
 * Rule: they are taken once, and only if they are meant for this process: the variables that tell of them
 * are inherited by children, the descriptors are not.
 */

import { libc } from '../fuse/libc.ts';

/** The first descriptor that is handed over. */
const LISTEN_FDS_START = 3;
const FD_CLOEXEC = 1;
/** What the manager calls a descriptor that was stored without a name. */
const UNNAMED = 'unknown';

/**
 * Takes over what the manager hands to this process, and removes the variables that told so.
 *
 * A name that comes several times is told apart by "#2", "#3": no descriptor is lost from sight.
 *
 * @returns The descriptors by the names under which they were stored; empty if there are none.
 */
export function takeInherited(
  env: NodeJS.ProcessEnv,
  pid: number = process.pid,
  startFd: number = LISTEN_FDS_START,
): Map<string, number> {
  const taken = new Map<string, number>();
  const isMeant = env['LISTEN_PID'] === String(pid);
  const count = Number(env['LISTEN_FDS']);
  const names = (env['LISTEN_FDNAMES'] ?? '').split(':');
  for (const name of ['LISTEN_PID', 'LISTEN_PIDFDID', 'LISTEN_FDS', 'LISTEN_FDNAMES']) {
    delete env[name];
  }
  if (!isMeant || !Number.isSafeInteger(count) || count < 1) return taken;
  for (let index = 0; index < count; index += 1) {
    const fd = startFd + index;
    // Said to be there and is not: nobody's to use.
    if (libc().setDescriptorFlags(fd, FD_CLOEXEC) < 0) continue;
    taken.set(freeName(taken, names[index]), fd);
  }
  return taken;
}

function freeName(taken: ReadonlyMap<string, number>, name: string | undefined): string {
  const wanted = name === undefined || name === '' ? UNNAMED : name;
  let free = wanted;
  for (let copy = 2; taken.has(free); copy += 1) free = `${wanted}#${copy}`;
  return free;
}
