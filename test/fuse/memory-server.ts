/**
 * A process that mounts and serves the memory file system: what the tests of real mounts start.
 *
 * Speaks JSON lines: prints {"mounted": true} and takes commands on stdin, one word and its arguments;
 * its arguments are one JSON object.
 */

import { createInterface } from 'node:readline';

import { Connection } from '../../src/fuse/connection.ts';
import type { ConnectionOptions } from '../../src/fuse/connection.ts';
import { mountFuse, unmount } from '../../src/fuse/mount.ts';
import type { MountOptions } from '../../src/fuse/mount.ts';
import { serveNative } from '../../src/fuse/native-driver.ts';
import type { Name, NodeId } from '../../src/shared/brands.ts';
import { Inode, MemoryFileSystem } from './memory-file-system.ts';

interface ServerArguments {
  readonly mount: MountOptions;
  readonly isAsync?: boolean;
  readonly init?: ConnectionOptions['init'];
  readonly spinMs?: number;
  readonly driver?: 'kernel' | 'fuse-native';
  /** Inherited, instead of mounting. */
  readonly fd?: number;
  readonly resume?: ConnectionOptions['resume'];
  /** Making a directory of this name kills the server, unless the kernel asks for the second time. */
  readonly crashOn?: string;
}

const say = (value: unknown): void => void process.stdout.write(`${JSON.stringify(value)}\n`);

const logger = {
  warn: (fields: object, message: string): void => say({ warn: message, ...fields }),
  error: (fields: object, message: string): void => say({ error: message, ...fields }),
};

async function main(options: ServerArguments): Promise<void> {
  const fileSystem = new MemoryFileSystem({
    uid: process.getuid?.() ?? 0,
    gid: process.getgid?.() ?? 0,
  });
  fileSystem.isAsync = options.isAsync ?? false;
  if (options.driver === 'fuse-native') {
    await serveNatively(options, fileSystem);
    return;
  }
  if (options.crashOn !== undefined) crashOn(fileSystem, options.crashOn);
  const fd = options.fd ?? (await mountFuse(options.mount));
  const server: Server = { fileSystem, connection: serve(options, fileSystem, fd), idles: 0 };
  server.restart = async () => {
    const { info } = server.connection;
    server.isRestarting = true;
    await server.connection.stop();
    server.isRestarting = false;
    server.connection = serve({ ...options, resume: info }, fileSystem, fd);
    watch(server);
  };
  watch(server);
  say({ mounted: true, pid: process.pid });
  const lines = createInterface({ input: process.stdin });
  lines.on('line', (line) => {
    void obey(line, server).catch((error: unknown) => say({ failed: String(error) }));
  });
  lines.on('close', () => void unmount(options.mount.mountPoint, { lazy: true }).catch(say));
}

interface Server {
  readonly fileSystem: MemoryFileSystem;
  connection: Connection;
  idles: number;
  isRestarting?: boolean;
  restart?: () => Promise<void>;
}

function serve(options: ServerArguments, fileSystem: MemoryFileSystem, fd: number): Connection {
  return new Connection({
    fd,
    fileSystem,
    logger,
    init: options.init ?? {},
    resume: options.resume,
    ...(options.spinMs === undefined ? {} : { spinMs: options.spinMs }),
  });
}

/** Runs the connection, and ends the process with it unless it is only replaced. */
function watch(server: Server): void {
  server.connection.onIdle = () => (server.idles += 1);
  void server.connection.run().then(() => {
    if (server.isRestarting === true) return;
    say({ ended: true });
    process.exit(0);
  });
}

function crashOn(fileSystem: MemoryFileSystem, fatal: string): void {
  const mkdir = fileSystem.mkdir.bind(fileSystem);
  fileSystem.mkdir = (request, parent, name, bits) => {
    if (name === fatal && !request.resent) process.kill(process.pid, 'SIGKILL');
    return mkdir(request, parent, name, bits);
  };
}

async function serveNatively(
  options: ServerArguments,
  fileSystem: MemoryFileSystem,
): Promise<void> {
  const native = await serveNative({ ...options.mount, fileSystem, logger });
  say({ mounted: true, pid: process.pid });
  process.stdin.on('end', () => {
    void native.unmount().then(() => {
      say({ ended: true });
      process.exit(0);
    }, say);
  });
  process.stdin.resume();
}

async function obey(line: string, server: Server): Promise<void> {
  const { fileSystem, connection } = server;
  const [command, argument = ''] = line.split(' ');
  if (command === 'stats') {
    const { idles } = server;
    say({ stats: connection.stats(), cpu: process.cpuUsage(), info: connection.info, idles });
  } else if (command === 'restart') {
    await server.restart?.();
    say({ restarted: true });
  } else if (command === 'change') {
    await changeBehind(fileSystem, argument);
    say({ changed: argument });
  } else if (command === 'flood') {
    await flood(fileSystem, Number(argument));
  }
}

/** Replaces the content of a file at the root, or makes it, without the kernel's knowledge; then tells. */
async function changeBehind(fileSystem: MemoryFileSystem, name: string): Promise<void> {
  const root = fileSystem.inodes.get(1);
  if (root === undefined) return;
  let inode = root.names.get(name);
  if (inode === undefined) {
    inode = new Inode(0o100644, { uid: 0, gid: 0 });
    inode.ino = (1000 + root.names.size) as NodeId;
    fileSystem.inodes.set(inode.ino, inode);
    root.names.set(name, inode);
  }
  inode.bytes = Buffer.from('changed behind the back');
  inode.size = inode.bytes.length;
  fileSystem.notifier?.invalidateInode(inode.ino, 0, 0);
  fileSystem.notifier?.invalidateEntry(1 as NodeId, name as Name);
  await fileSystem.notifier?.drained();
}

async function flood(fileSystem: MemoryFileSystem, count: number): Promise<void> {
  const beganAt = performance.now();
  for (let i = 0; i < count; i += 1) {
    fileSystem.notifier?.invalidateEntry(1 as NodeId, `name${i}` as Name);
  }
  await fileSystem.notifier?.drained();
  say({ flooded: count, us: ((performance.now() - beganAt) * 1000) / count });
}

await main(JSON.parse(process.argv[2] ?? '{}') as ServerArguments);
