/**
 * The checks of doctor: each looks at one thing and says how to get it.
 */

import { execFile } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync, statfsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { release } from 'node:os';
import { promisify } from 'node:util';

import { CAPABILITIES } from '../fuse/capabilities.ts';

export interface HostCheck {
  readonly name: string;
  /** `missing` is needed; `optional` is needed for something that not everybody does. */
  readonly state: 'ok' | 'missing' | 'optional';
  readonly detail: string;
  readonly remedy?: string;
}

/** The first release with everything that the kernel driver uses; older ones lack parts. */
const KERNEL_WANTED = [6, 6] as const;
/** The oldest that this was made for. */
const KERNEL_NEEDED = [5, 4] as const;
const NODE_NEEDED = [20, 19] as const;
const FUSECTL_MAGIC = 0x65735543;

export async function examineHost(): Promise<HostCheck[]> {
  const isRoot = process.geteuid?.() === 0;
  return [
    checkNode(process.versions.node),
    checkKernel(release()),
    checkDevice(),
    checkMounting(isRoot),
    await checkFusermount(isRoot),
    checkUserAllowOther(isRoot),
    checkFusectl(),
    await checkKoffi(),
    checkFuseNative(),
  ];
}

export function checkNode(version: string): HostCheck {
  const name = 'Node.js';
  if (isAtLeast(version, NODE_NEEDED)) return { name, state: 'ok', detail: version };
  return {
    name,
    state: 'missing',
    detail: `${version}, want ${NODE_NEEDED.join('.')} or newer`,
    remedy: 'install a newer one from nodejs.org',
  };
}

export function checkKernel(version: string): HostCheck {
  const name = 'kernel';
  if (isAtLeast(version, KERNEL_WANTED)) return { name, state: 'ok', detail: version };
  const wanted = KERNEL_WANTED.join('.');
  if (isAtLeast(version, KERNEL_NEEDED)) {
    return {
      name,
      state: 'optional',
      detail: `${version}, without some of what ${wanted} has (resend after a crash, O_TMPFILE)`,
      remedy: 'boot a newer kernel',
    };
  }
  return {
    name,
    state: 'missing',
    detail: `${version}, want ${wanted}`,
    remedy: 'boot a newer kernel',
  };
}

function checkDevice(): HostCheck {
  const name = '/dev/fuse';
  try {
    accessSync('/dev/fuse', constants.R_OK | constants.W_OK);
    return { name, state: 'ok', detail: 'there, and may be opened' };
  } catch (error) {
    const isThere = existsSync('/dev/fuse');
    return {
      name,
      state: 'missing',
      detail: isThere ? `may not be opened (${codeOf(error)})` : 'not there',
      remedy: isThere
        ? 'chmod 0666 /dev/fuse; in a container --device /dev/fuse'
        : 'modprobe fuse; in a container --device /dev/fuse --cap-add SYS_ADMIN',
    };
  }
}

function checkMounting(isRoot: boolean): HostCheck {
  const name = 'mounting';
  if (!isRoot) return { name, state: 'ok', detail: 'as a user, through fusermount3' };
  // CAP_SYS_ADMIN is bit 21 of the effective capabilities in proc(5).
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  if (effective !== undefined && (BigInt(`0x${effective}`) & (1n << 21n)) !== 0n) {
    return { name, state: 'ok', detail: 'as root, through mount(2)' };
  }
  return {
    name,
    state: 'missing',
    detail: 'root without CAP_SYS_ADMIN may not mount',
    remedy: 'in a container --cap-add SYS_ADMIN',
  };
}

async function checkFusermount(isRoot: boolean): Promise<HostCheck> {
  const name = 'fusermount3';
  try {
    const { stdout } = await promisify(execFile)('fusermount3', ['--version'], { timeout: 5000 });
    return { name, state: 'ok', detail: stdout.trim() };
  } catch (error) {
    return {
      name,
      state: isRoot ? 'optional' : 'missing',
      detail: isRoot
        ? `not there (${codeOf(error)}); root does without`
        : `not there (${codeOf(error)})`,
      remedy: 'apt install fuse3',
    };
  }
}

function checkUserAllowOther(isRoot: boolean): HostCheck {
  const name = 'user_allow_other';
  if (isRoot) return { name, state: 'ok', detail: 'not needed by root' };
  const text = existsSync('/etc/fuse.conf') ? readFileSync('/etc/fuse.conf', 'utf8') : '';
  if (/^\s*user_allow_other\s*$/m.test(text)) {
    return { name, state: 'ok', detail: 'set in /etc/fuse.conf' };
  }
  return {
    name,
    state: 'optional',
    detail: 'not set in /etc/fuse.conf, so --allow-other is refused',
    remedy: 'add the line user_allow_other there',
  };
}

function checkFusectl(): HostCheck {
  const name = 'fusectl';
  const dir = '/sys/fs/fuse/connections';
  try {
    if (statfsSync(dir).type === FUSECTL_MAGIC) return { name, state: 'ok', detail: dir };
  } catch {
    // Not there, without the module: the same remedy.
  }
  return {
    name,
    state: 'optional',
    detail: 'not mounted; the daemon of root mounts it when a dead connection has to be aborted',
    remedy: `mount -t fusectl fusectl ${dir}`,
  };
}

async function checkKoffi(): Promise<HostCheck> {
  const name = 'koffi';
  try {
    const { default: koffi } = await import('koffi');
    koffi.load('libc.so.6').func('int getpid()');
    return { name, state: 'ok', detail: koffi.version };
  } catch (error) {
    const detail = `cannot be loaded (${error instanceof Error ? error.message : String(error)})`;
    return { name, state: 'missing', detail, remedy: 'npm install, on a system with glibc' };
  }
}

function checkFuseNative(): HostCheck {
  const name = 'fuse-native';
  try {
    // By require: it has no types, and is not there everywhere.
    createRequire(import.meta.url)('fuse-native');
    return { name, state: 'ok', detail: 'there, for --driver fuse-native' };
  } catch {
    return {
      name,
      state: 'optional',
      detail: 'cannot be loaded; only --driver fuse-native needs it',
      remedy: 'npm install --include=optional, and apt install libfuse2',
    };
  }
}

/** Rows of the table of capabilities. */
export function listCapabilities(): string[][] {
  return CAPABILITIES.map(({ title, support, note }) => [
    title,
    support.kernel,
    support['fuse-native'],
    note ?? '',
  ]);
}

function isAtLeast(version: string, wanted: readonly [number, number]): boolean {
  const [major = 0, minor = 0] = version.split('.').map((part) => Number.parseInt(part, 10));
  return major > wanted[0] || (major === wanted[0] && minor >= wanted[1]);
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error);
}
