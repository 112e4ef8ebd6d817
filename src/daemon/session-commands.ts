/**
 * What commands do to a session: create, mount, unmount, end, delete, and use its volume.
 */

import { rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';

import type { CreateRequest, SessionInfo, SessionRecord } from '../control/protocol.ts';
import { SessfsError } from '../shared/errors.ts';
import { SystemClock, timeToIso } from '../shared/time.ts';
import { prepareMountPoint } from './mount-point.ts';
import { planSession } from './new-session.ts';
import { SESSION_NAME } from './registry.ts';
import { findLastChange, laterOf } from './session-end.ts';
import type { Sessions } from './sessions.ts';
import { volumeDir, volumeSocket } from './store-layout.ts';

export interface Amendment<T> {
  readonly change: (record: SessionRecord) => SessionRecord;
  readonly tell: (record: SessionRecord, socketPath: string) => Promise<T>;
  readonly takeBack: (record: SessionRecord, socketPath: string) => Promise<unknown>;
}

export class SessionCommands {
  readonly #sessions: Sessions;
  readonly #clock = new SystemClock();

  constructor(sessions: Sessions) {
    this.#sessions = sessions;
  }

  list(): SessionInfo[] {
    return this.#sessions.registry.list().map((record) => this.#sessions.describe(record));
  }

  /** @throws {SessfsError} SESSION_UNKNOWN */
  get(session: string): SessionInfo {
    return this.#sessions.describe(this.#sessions.getRecord(session));
  }

  async create(request: CreateRequest): Promise<SessionInfo> {
    const { name } = request;
    this.#assertRunning();
    if (name !== undefined) this.#assertNameFree(name);
    // One after the other as far as the name and the mount point are concerned.
    const record = await this.#sessions.inTurn('create', async () => {
      if (name !== undefined) this.#assertNameFree(name);
      const made = await planSession(request, {
        layout: this.#sessions.options.layout,
        mounts: this.#sessions.options.mounts,
        defaults: this.#sessions.config.sessionDefaults,
        taken: this.#sessions.registry.list(),
        created: this.#now(),
      });
      await this.#sessions.registry.put(made);
      return made;
    });
    return this.#sessions.inTurn(record.id, async () => {
      try {
        this.#assertRunning();
        return await this.#sessions.mountRecord(record);
      } catch (error) {
        await this.#forget(record);
        throw error;
      }
    });
  }

  /** @param mountPoint Another one than before, from now on. */
  async mount(session: string, mountPoint?: string): Promise<SessionInfo> {
    const { id } = this.#sessions.getRecord(session);
    return this.#sessions.inTurn(id, async () => {
      const record = this.#sessions.getRecord(id);
      this.#assertActive(record, 'mount');
      const server = this.#sessions.server(id);
      const isElsewhere = mountPoint !== undefined && mountPoint !== record.mountPoint;
      this.#assertRunning();
      if (server.isMounted && isElsewhere) {
        throw new SessfsError(
          'SESSION_STATE',
          `Cannot mount session ${id} at "${mountPoint}": it is mounted at "${record.mountPoint}"`,
          { hint: `Unmount it first: sessfs unmount ${id}` },
        );
      }
      const place = isElsewhere
        ? await prepareMountPoint(mountPoint, this.#sessions.options.mounts)
        : record.mountPoint;
      const changed = { ...record, mounted: true, mountPoint: place };
      const info = await this.#sessions.mountRecord(changed);
      await this.#sessions.registry.put(changed);
      return { ...info, ...changed };
    });
  }

  async unmount(session: string): Promise<SessionInfo & { warning?: string }> {
    const { id } = this.#sessions.getRecord(session);
    return this.#sessions.inTurn(id, async () => {
      const before = this.#sessions.getRecord(id);
      const warning = await this.#sessions.server(id).unmount(before);
      const record = { ...before, mounted: false };
      // A full disk must not keep anybody from unmounting.
      const unwritten = await this.#tryToPut(record);
      return withWarning(this.#sessions.describe(record), unwritten ?? warning);
    });
  }

  /** Ends a session: unmounted for good, its history stays. */
  async end(session: string): Promise<SessionInfo & { warning?: string }> {
    const { id } = this.#sessions.getRecord(session);
    return this.#sessions.inTurn(id, async () => {
      const record = this.#sessions.getRecord(id);
      if (record.state === 'ended') return this.#sessions.describe(record);
      const server = this.#sessions.server(id);
      const lastChange = await findLastChange(server, record);
      const warning = await server.unmount(record);
      // From then on nobody but the sweeper changes anything.
      const time = laterOf(this.#now(), lastChange);
      const ended = { ...record, state: 'ended' as const, ended: time, mounted: false };
      await this.#sessions.registry.put(ended);
      return withWarning(this.#sessions.describe(ended), warning);
    });
  }

  /** Removes a session with all its history. */
  async delete(session: string): Promise<SessionInfo> {
    const { id } = this.#sessions.getRecord(session);
    return this.#sessions.inTurn(id, async () => {
      const record = this.#sessions.getRecord(id);
      const info = this.#sessions.describe(record);
      await this.#sessions.server(id).unmount(record);
      await this.#forget(info);
      return info;
    });
  }

  /**
   * The socket of a session's volume server, started if need be, for as long as `release` is not called.
   *
   * @param options.mayChange The request changes files: refused for a session that has ended.
   */
  async borrowVolume(
    session: string,
    options: { mayChange: boolean },
  ): Promise<{ socketPath: string; release: () => void }> {
    const { id } = this.#sessions.getRecord(session);
    return this.#sessions.inTurn(id, async () => {
      const record = this.#sessions.getRecord(id);
      if (options.mayChange) this.#assertActive(record, 'change');
      const server = this.#sessions.server(id);
      await server.ensureRunning(record);
      return { socketPath: server.socketPath, release: server.use() };
    });
  }

  /**
   * Changes what the registry keeps of a session once its volume server, started if need be, has taken it.
   *
   * @param amendment.tell Rejects if the server does not.
   * @param amendment.takeBack Tells it what held before: what is new cannot be written down.
   */
  async amend<T>(session: string, amendment: Amendment<T>): Promise<T> {
    const { id } = this.#sessions.getRecord(session);
    return this.#sessions.inTurn(id, async () => {
      this.#assertRunning();
      const before = this.#sessions.getRecord(id);
      const after = amendment.change(before);
      const server = this.#sessions.server(id);
      await server.ensureRunning(before);
      const release = server.use();
      try {
        const told = await amendment.tell(after, server.socketPath);
        try {
          await this.#sessions.registry.put(after);
        } catch (error) {
          // What it cannot be told any more it has forgotten with its next start.
          await amendment.takeBack(before, server.socketPath).catch(() => undefined);
          throw error;
        }
        return told;
      } finally {
        release();
      }
    });
  }

  /**
   * Runs work that needs a volume alone; who uses the mount waits meanwhile.
   *
   * @param changesTree What the kernel has cached of the mount may be wrong after it: it is made anew.
   */
  async maintain<T>(
    session: string,
    work: (record: SessionRecord) => Promise<T>,
    changesTree: (result: T) => boolean,
  ): Promise<T> {
    const { id } = this.#sessions.getRecord(session);
    return this.#sessions.inTurn(id, async () => {
      const record = this.#sessions.getRecord(id);
      const server = this.#sessions.server(id);
      const result = await server.withServerStopped(record, () => work(record));
      if (server.isMounted && changesTree(result)) {
        await server.unmount(record);
        await this.#sessions.mountRecord(record);
      }
      return result;
    });
  }

  /** @returns A warning if the registry cannot be written. */
  async #tryToPut(record: SessionRecord): Promise<string | undefined> {
    try {
      await this.#sessions.registry.put(record);
      return undefined;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      return `It will be mounted again when the daemon is started: ${reason}`;
    }
  }

  async #forget(record: SessionRecord): Promise<void> {
    const { layout, mounts } = this.#sessions.options;
    this.#sessions.forget(record.id);
    await this.#sessions.registry.remove(record.id);
    await rm(volumeDir(layout, record.id), { recursive: true, force: true });
    await rm(volumeSocket(layout, record.id), { force: true });
    const own = join(layout.mountsDir, record.id);
    // rmdir and never rm: if the mount were still there, that would empty the session.
    if (!mounts.isMounted(own)) await rmdir(own).catch(() => undefined);
  }

  /** A session that is mounted while the others are unmounted would outlive the daemon. */
  #assertRunning(): void {
    if (!this.#sessions.isStopping) return;
    throw new SessfsError('DAEMON_UNREACHABLE', 'Cannot mount: the daemon is stopping', {
      hint: 'Try again once it is started anew',
    });
  }

  #assertActive(record: SessionRecord, action: string): void {
    if (this.#sessions.isStopping) {
      throw new SessfsError('DAEMON_UNREACHABLE', `Cannot ${action}: the daemon is stopping`);
    }
    if (record.state === 'active') return;
    throw new SessfsError(
      'SESSION_STATE',
      `Cannot ${action} session ${record.id}: it ended at ${record.ended ?? 'an unknown time'}`,
      { hint: 'Its history can still be read: sessfs log, cat, diff, export' },
    );
  }

  #assertNameFree(name: string): void {
    if (!SESSION_NAME.test(name)) {
      throw new SessfsError(
        'USAGE',
        `Cannot name a session "${name}": the name has other characters`,
        {
          hint: 'Use up to 64 letters, digits, ".", "_" and "-", and begin with a letter or digit',
        },
      );
    }
    const holder = this.#sessions.registry.find(name);
    if (holder === undefined) return;
    throw new SessfsError(
      'SESSION_EXISTS',
      `Cannot create session "${name}": ${holder.id} has that name`,
      {
        hint: 'Choose another name, or delete that session',
      },
    );
  }

  #now(): string {
    return timeToIso(this.#clock.now());
  }
}

function withWarning(
  info: SessionInfo,
  warning: string | undefined,
): SessionInfo & { warning?: string } {
  return warning === undefined ? info : { ...info, warning };
}
