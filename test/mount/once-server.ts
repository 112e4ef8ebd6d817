/**
 * A volume served on a device without a kernel, which can die at a chosen moment and be taken over.
 *
 * A death is a copy of what the page cache holds at that moment: whatever the dead server goes on to do
 * is done to the other copy, and nobody sees it.
 */

import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { VolumeHistory } from '../../src/history/volume-history.ts';
import { versionKey } from '../../src/index/keys.ts';
import { decodeVersion } from '../../src/index/records.ts';
import { OnceFileSystem } from '../../src/mount/once-file-system.ts';
import { VersionsTree } from '../../src/mount/versions-tree.ts';
import type { Ino, LogPos, Revision } from '../../src/shared/brands.ts';
import { timeFromMs } from '../../src/shared/time.ts';
import { EVENT_TYPES } from '../../src/volume/events.ts';
import { readFile } from '../../src/volume/files.ts';
import { Volume } from '../../src/volume/volume.ts';
import { MemoryWriters } from '../../src/volume/writers.ts';
import { Bench } from '../fuse/fake-device.ts';
import { parseReply } from '../fuse/frames.ts';
import type { Answered, FrameOptions } from '../fuse/frames.ts';

const INFO = { maxWriteBytes: 1 << 20, maxReadBytes: 1 << 20, minor: 45 };
const VOLUME_ID = '5e55f5000000000000000000000000cc';
/** Small, so that some tests fill several. */
const SEGMENT_BYTES = 1 << 20;

/** In memory where the host has such a place: nothing here is about disks, and each opening syncs. */
export const SCRATCH = fs.existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

export interface Connected {
  /** The revision when the connection was made. */
  readonly since: Revision;
  /** Outlives every server, as shared memory does. */
  readonly writers: MemoryWriters;
}

export class Server {
  readonly dir: string;
  readonly volume: Volume;
  readonly bench: Bench;
  readonly fileSystem: OnceFileSystem;
  readonly connected: Connected;
  readonly history: VolumeHistory;
  readonly problems: string[] = [];
  /** What the kernel was told by this server. */
  readonly told: string[] = [];

  private constructor(dir: string, volume: Volume, connected: Connected) {
    this.dir = dir;
    this.volume = volume;
    this.connected = connected;
    volume.report = (message, error) => void this.problems.push(`${message}: ${String(error)}`);
    const history = new VolumeHistory(volume);
    this.history = history;
    const clock = { now: () => volume.clock.now() };
    const versions = new VersionsTree({ history, clock, status: () => ({}) });
    this.fileSystem = new OnceFileSystem({ volume, history, versions });
    this.bench = new Bench(this.fileSystem);
  }

  /** Serves a new connection. */
  static async open(dir: string): Promise<Server> {
    const writers = new MemoryWriters();
    const volume = await openVolume(dir, { writers });
    return new Server(dir, volume, { since: volume.state.revision, writers });
  }

  /** Serves a connection whose server died. */
  static async resume(dir: string, connected: Connected): Promise<Server> {
    const volume = await openVolume(dir, { writers: connected.writers, resumed: connected });
    const server = new Server(dir, volume, connected);
    server.fileSystem.connected(INFO, {
      invalidateInode: (nodeid) => void server.told.push(`inode ${nodeid}`),
      invalidateEntry: (parent, name) => void server.told.push(`name ${parent}/${name}`),
      drained: () => Promise.resolve(),
    });
    server.bench.dispatcher.takeOver(INFO);
    return server;
  }

  async ask(message: FrameOptions): Promise<Answered> {
    const { replies } = this.bench.device;
    const before = replies.length;
    this.bench.send(message);
    await this.bench.settled();
    await this.volume.cuts.settled();
    const [reply] = replies.slice(before);
    if (replies.length !== before + 1 || reply === undefined) throw new Error('Not one reply');
    return parseReply(reply);
  }

  /**
   * Dies at this moment, and another one takes the connection over.
   *
   * @param options.losesIndex Which is then made anew from all of the log.
   */
  async die(options: { readonly losesIndex?: boolean } = {}): Promise<Server> {
    const dir = nextDir(this.dir);
    fs.cpSync(join(this.dir, 'log'), join(dir, 'log'), { recursive: true });
    if (options.losesIndex !== true) {
      fs.cpSync(join(this.dir, 'index'), join(dir, 'index'), { recursive: true });
    }
    await this.volume.close();
    fs.rmSync(this.dir, { recursive: true });
    return Server.resume(dir, this.connected);
  }

  /** Dies in the middle of a request, where it makes a change. */
  dieAtCommit(
    request: FrameOptions,
    at: (commit: () => void, unique: number) => void,
  ): Promise<Server> {
    const commit = this.volume.commit.bind(this.volume);
    let isDead = false;
    this.volume.commit = (event, caller, data) => {
      if (isDead) throw new Error('dead');
      isDead = true;
      at(() => commit(event, caller, data), caller.unique);
      isDead = false;
    };
    this.bench.send(request);
    return this.die();
  }

  /** The kernel says that there is nothing more to read. */
  endResend(): void {
    if (this.bench.dispatcher.isTakingOver) this.bench.dispatcher.allResentRead();
  }

  /** What the log holds, but for who did it: a new server meets every process anew. */
  async records(): Promise<string[]> {
    const told: string[] = [];
    for await (const record of this.volume.log.scan(0 as LogPos)) {
      if (record.type === EVENT_TYPES.actor) continue;
      const data = record.dataLength === 0 ? '' : ` + ${record.dataLength}`;
      told.push(`${record.unique} ${record.type} ${record.payload.toString('hex')}${data}`);
    }
    return told;
  }

  /** Everything that can be seen of every inode there ever was, and who has it open. */
  async state(): Promise<object> {
    const { volume } = this;
    await volume.flushed();
    const inodes: object[] = [];
    for (let ino = 1 as Ino; ino < volume.state.nextIno; ino = (ino + 1) as Ino) {
      const inode = volume.state.findInode(ino);
      if (inode === undefined) continue;
      const { mode, nlink, uid, gid, rdev, size, mtime, ctime, target } = inode;
      const isFile = (mode & 0o170000) === 0o100000;
      const isDir = (mode & 0o170000) === 0o040000;
      const bytes = Buffer.alloc(isFile ? size : 0);
      if (isFile) readFile(volume, ino, 0, bytes);
      const names = isDir && nlink > 0 ? await volume.listings.listAll(ino) : [];
      inodes.push({
        attributes: { ino, mode, nlink, uid, gid, rdev, size, mtime, ctime, target },
        xattrs: [...(inode.xattrs ?? [])].map(([name, value]) => `${name}=${value.toString()}`),
        content: bytes.toString('base64'),
        names: names.map((each) => `${each.name} ${each.ino}`),
        versions: await this.#versions(ino),
        isDirty: volume.state.dirtyFiles.has(ino),
        writers: this.connected.writers.get(ino),
      });
    }
    const { inodes: count, liveBytes, versions } = volume.state;
    return { inodes, count, liveBytes, versions };
  }

  async #versions(ino: Ino): Promise<string[]> {
    const versions: string[] = [];
    const prefix = Buffer.from(versionKey(ino, 0).subarray(0, 7));
    for await (const [, value] of this.volume.index.scanPrefix(prefix)) {
      const { size, cause } = decodeVersion(value);
      versions.push(`${cause} ${size}`);
    }
    return versions;
  }
}

/** The kernel's numbers: even, ascending. */
export class Uniques {
  #last = 0;

  next(): number {
    this.#last += 2;
    return this.#last;
  }
}

export interface Death {
  readonly when: string;
  /** Hands a request to a server that dies of it. @returns The one that will be asked again. */
  readonly carryOut: (server: Server, request: FrameOptions) => Promise<Server>;
}

export const DEATHS: readonly Death[] = [
  { when: 'before it', carryOut: (server) => server.die() },
  {
    when: 'after it',
    carryOut: (server, request) => {
      server.bench.send(request);
      return server.die();
    },
  },
  {
    when: 'before its first record, whatever that is',
    carryOut: (server, request) =>
      server.dieAtCommit(request, () => {
        throw new Error('dead');
      }),
  },
  {
    when: 'after its first record, whatever that is',
    carryOut: (server, request) =>
      server.dieAtCommit(request, (commit) => {
        commit();
        throw new Error('dead');
      }),
  },
  {
    when: 'right after its own record',
    carryOut: (server, request) =>
      server.dieAtCommit(request, (commit, unique) => {
        commit();
        if (unique !== 0) throw new Error('dead');
      }),
  },
  {
    when: 'after it, and again before it was asked',
    carryOut: async (server, request) => {
      server.bench.send(request);
      return (await server.die()).die();
    },
  },
  {
    when: 'after it, and again after it was answered',
    carryOut: async (server, request) => {
      server.bench.send(request);
      const second = await server.die();
      second.bench.send({ ...request, resent: true });
      return second.die();
    },
  },
  {
    when: 'before it, and again after it',
    carryOut: async (server, request) => {
      const second = await server.die();
      second.bench.send({ ...request, resent: true });
      return second.die();
    },
  },
];

function openVolume(
  dir: string,
  more: { readonly writers: MemoryWriters; readonly resumed?: { readonly since: Revision } },
): Promise<Volume> {
  fs.mkdirSync(dir, { recursive: true });
  return Volume.open({
    dir,
    volumeId: VOLUME_ID,
    clock: { now: () => timeFromMs(Date.UTC(2026, 10, 22, 10, 15)) },
    create: { uid: 1000, gid: 1001, mode: 0o755 },
    segmentBytes: SEGMENT_BYTES,
    ...more,
  });
}

function nextDir(dir: string): string {
  const match = /^(.*?)(\d*)$/.exec(dir);
  return `${match?.[1] ?? dir}${Number(match?.[2] ?? 0) + 1}`;
}
