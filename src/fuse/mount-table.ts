/**
 * What is mounted, and the way out when a mount does not answer.
 *
 * Rule: nothing here touches a mount from this process but through the kernel's tables: a system call
 * on a mount whose server hangs would hang here for ever. What must touch it is a child with a deadline.
 */

import { spawn } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';

import { errnoName } from '../shared/errno.ts';
import { SessfsError } from '../shared/errors.ts';
import { lastErrno, libc } from './libc.ts';

export interface MountEntry {
  readonly mountPoint: string;
  /** "fuse.sessfs" */
  readonly type: string;
  readonly source: string;
  /** The minor number of its device: the number of the connection in fusectl. */
  readonly deviceMinor: number;
  /** As in "user_id=1000". */
  readonly options: readonly string[];
}

const MOUNTINFO = '/proc/self/mountinfo';
const CONNECTIONS = '/sys/fs/fuse/connections';
/** A statfs(2) that takes longer than this means a server that hangs, not one that is gone. */
const STALE_TIMEOUT_MS = 3000;

/** The mount that is on top of this directory, or undefined. Symbolic links are not followed. */
export function findMount(mountPoint: string): MountEntry | undefined {
  const wanted = resolve(mountPoint);
  return parseMountInfo(readFileSync(MOUNTINFO, 'latin1')).findLast(
    (entry) => entry.mountPoint === wanted,
  );
}

/**
 * Parses the lines of /proc/PID/mountinfo, in the order of mounting.
 *
 * Source: proc_pid_mountinfo(5): optional fields end with a "-"; space, tab, newline and backslash are
 * octal.
 */
export function parseMountInfo(text: string): MountEntry[] {
  const entries: MountEntry[] = [];
  for (const line of text.split('\n')) {
    const fields = line.split(' ');
    const separator = fields.indexOf('-', 6);
    const [device, mountPoint] = [fields[2], fields[4]];
    if (separator < 0 || device === undefined || mountPoint === undefined) continue;
    entries.push({
      mountPoint: unescape(mountPoint),
      type: fields[separator + 1] ?? '',
      source: unescape(fields[separator + 2] ?? ''),
      deviceMinor: Number(device.slice(device.indexOf(':') + 1)),
      options: `${fields[5] ?? ''},${fields[separator + 3] ?? ''}`.split(','),
    });
  }
  return entries;
}

function unescape(field: string): string {
  const bytes = field.replaceAll(/\\([0-7]{3})/g, (_all, octal: string) =>
    String.fromCodePoint(Number.parseInt(octal, 8)),
  );
  return Buffer.from(bytes, 'latin1').toString();
}

/**
 * True if a FUSE mount is left behind there whose server is gone (ENOTCONN).
 *
 * A server that merely hangs is not gone: false.
 */
export async function isStale(mountPoint: string): Promise<boolean> {
  const entry = findMount(mountPoint);
  if (entry === undefined || !entry.type.startsWith('fuse')) return false;
  const { stderr } = await statfsAs(mountPoint, ownerOf(entry));
  return stderr.includes('not connected');
}

/** Only its owner may look into a mount without allow_other: root is told EACCES, dead or alive. */
function ownerOf(entry: MountEntry): { uid?: number; gid?: number } {
  if (process.geteuid?.() !== 0) return {};
  const [uid, gid] = [findOption(entry, 'user_id='), findOption(entry, 'group_id=')];
  return { ...(uid === undefined ? {} : { uid }), ...(gid === undefined ? {} : { gid }) };
}

function findOption(entry: MountEntry, prefix: string): number | undefined {
  const word = entry.options.find((option) => option.startsWith(prefix));
  return word === undefined ? undefined : Number(word.slice(prefix.length));
}

function statfsAs(path: string, who: { uid?: number; gid?: number }): Promise<{ stderr: string }> {
  return new Promise((done, reject) => {
    // statfs and not stat: attributes may be in the kernel's cache for long after the server is gone.
    const child = spawn('stat', ['-f', '--', path], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, LC_ALL: 'C' },
      ...who,
    });
    let stderr = '';
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    const timer = setTimeout(() => {
      // It may be stuck in the kernel, where no signal reaches it: nobody waits for it.
      child.kill('SIGKILL');
      child.unref();
      child.stderr.destroy();
      done({ stderr });
    }, STALE_TIMEOUT_MS);
    child.on('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.on('close', () => {
      clearTimeout(timer);
      done({ stderr });
    });
  });
}

/**
 * Ends the connection of a mount: every request fails with ECONNABORTED, whoever waits is freed.
 *
 * The last resort for a server that hangs; the mount itself stays, stale, until it is unmounted.
 *
 * @throws {SessfsError} MOUNT_POINT If no FUSE file system is mounted there.
 * @throws {SessfsError} MOUNT_FAILED If fusectl cannot be reached: root, or the owner of the mount.
 */
export function abortConnection(mountPoint: string): void {
  const entry = findMount(mountPoint);
  if (entry === undefined || !entry.type.startsWith('fuse')) {
    throw new SessfsError('MOUNT_POINT', `Cannot abort "${mountPoint}": no FUSE mount is there`);
  }
  mountFusectl();
  try {
    writeFileSync(`${CONNECTIONS}/${entry.deviceMinor}/abort`, '1');
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new SessfsError('MOUNT_FAILED', `Cannot abort "${mountPoint}": ${code ?? 'unknown'}`, {
      hint: `As root: mount -t fusectl none ${CONNECTIONS}; echo 1 > ${CONNECTIONS}/${entry.deviceMinor}/abort`,
      cause,
    });
  }
}

/** Where fusectl is not mounted its directory is empty; while a FUSE mount exists it cannot be. */
function mountFusectl(): void {
  try {
    if (readdirSync(CONNECTIONS).length > 0) return;
  } catch {
    return;
  }
  if (libc().mount('none', CONNECTIONS, 'fusectl', 0, '') === 0) return;
  throw new SessfsError('MOUNT_FAILED', `Cannot mount fusectl: ${errnoName(lastErrno())}`, {
    hint: `As root: mount -t fusectl none ${CONNECTIONS}`,
  });
}
