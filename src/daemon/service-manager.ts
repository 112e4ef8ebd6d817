/**
 * The service manager that started this process, through the protocol of sd_notify(3): readiness,
 * watchdog, and the store in which it keeps descriptors for the next start.
 *
 * Rule: telling it something never fails the work that is told about. What cannot be told is logged, and
 * a manager that does not read holds nobody up for longer than SEND_TIMEOUT_S.
 *
 * Source: sd_notify(3), sd_watchdog_enabled(3) of systemd 257
 */

import { execFile } from 'node:child_process';
import { closeSync } from 'node:fs';
import { Socket } from 'node:net';

import type { Logger } from 'pino';

import { addressOf, lastErrno, libc } from '../fuse/libc.ts';
import { errnoName } from '../shared/errno.ts';

/** A manager that is busy with something else (daemon-reload) may take this long, in seconds. */
const SEND_TIMEOUT_S = 2;
/** How long flushed() waits for the manager to have read everything, in milliseconds. */
const DEFAULT_FLUSH_TIMEOUT_MS = 5_000;
/** How long systemctl may take to tell the state of the host, in milliseconds. */
const STATE_TIMEOUT_MS = 2_000;
/** What a name in the store must look like; it also has to be free of ":", which separates them. */
const STORE_NAME = /^[!-9;-~]{1,255}$/;

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_SNDTIMEO = 21;
const SCM_RIGHTS = 1;
const MSG_NOSIGNAL = 0x4000;
/** struct sockaddr_un: two bytes of family, then the path. */
const SUN_PATH_OFFSET = 2;
const SUN_PATH_BYTES = 108;
/** struct msghdr, struct iovec and struct cmsghdr of 64-bit Linux. */
const MSGHDR_BYTES = 56;
const IOVEC_BYTES = 16;
const CMSG_LEN_ONE_FD = 20;
const CMSG_SPACE_ONE_FD = 24;
const CMSG_DATA_OFFSET = 16;

export interface ServiceManagerOptions {
  readonly logger: Logger;
  /** Whose watchdog it is; this process by default. */
  readonly pid?: number;
}

export class ServiceManager {
  /**
   * How long the manager waits for the next watchdog(), in milliseconds; undefined if it does not.
   *
   * Call that at least twice as often. A process that MAINPID made the main one gets no WATCHDOG_PID of
   * its own: whoever starts it takes that variable out of its environment.
   */
  readonly watchdogMs: number | undefined;

  readonly #address: Buffer;
  readonly #logger: Logger;

  private constructor(address: Buffer, watchdogMs: number | undefined, logger: Logger) {
    this.#address = address;
    this.watchdogMs = watchdogMs;
    this.#logger = logger;
  }

  /** @returns undefined if no service manager wants to be told anything. */
  static find(env: NodeJS.ProcessEnv, options: ServiceManagerOptions): ServiceManager | undefined {
    const path = env['NOTIFY_SOCKET'];
    if (path === undefined || path === '') return undefined;
    const { logger, pid = process.pid } = options;
    const address = encodeAddress(path);
    if (address === undefined) {
      logger.warn(
        { path },
        'NOTIFY_SOCKET is no path and no abstract name: nobody is told anything',
      );
      return undefined;
    }
    return new ServiceManager(address, watchdogMsOf(env, pid), logger);
  }

  /**
   * Start-up is over, or a reload is.
   *
   * @param mainPid The process that is the service from now on, if that is not the one that sends this.
   */
  ready(mainPid?: number): void {
    this.#tell(mainPid === undefined ? ['READY=1'] : [`MAINPID=${mainPid}`, 'READY=1']);
  }

  stopping(): void {
    this.#tell(['STOPPING=1']);
  }

  /** The configuration is being read again; ready() ends it. */
  reloading(): void {
    // libuv reads CLOCK_MONOTONIC, which is what the manager compares with its own.
    const monotonicUsec = process.hrtime.bigint() / 1000n;
    this.#tell(['RELOADING=1', `MONOTONIC_USEC=${monotonicUsec}`]);
  }

  /** One line for people, shown by systemctl status. */
  status(text: string): void {
    this.#tell([`STATUS=${text.replaceAll(/\s*\n\s*/g, ' ')}`]);
  }

  /** Still alive. */
  watchdog(): void {
    this.#tell(['WATCHDOG=1']);
  }

  /** What is under way (starting, stopping) takes so much longer than was configured, from now on. */
  extendTimeout(seconds: number): void {
    this.#tell([`EXTEND_TIMEOUT_USEC=${Math.round(seconds * 1e6)}`]);
  }

  /**
   * Has the manager keep a duplicate of a descriptor, and hand it to the next process of this service.
   *
   * It keeps several under one name: drop the old one first. It also keeps what was handed back after a
   * restart: that need not be stored again.
   *
   * @param name Printable ASCII without ":" and spaces, at most 255 bytes.
   * @returns Whether the manager was told; whether it had room (FileDescriptorStoreMax) nobody learns.
   */
  storeDescriptor(name: string, fd: number): boolean {
    if (!this.#isStoreName(name)) return false;
    // Not polled: /dev/fuse signals POLLERR once its mount is gone, and we are the ones to say so.
    return this.#tell(['FDSTORE=1', `FDNAME=${name}`, 'FDPOLL=0'], fd);
  }

  /** Has the manager close every descriptor that it keeps under this name. */
  dropDescriptor(name: string): boolean {
    return this.#isStoreName(name) && this.#tell(['FDSTOREREMOVE=1', `FDNAME=${name}`]);
  }

  /**
   * Resolves with true when the manager has read everything that it was told so far.
   *
   * Before an exit: what a process says whose pid is gone the manager cannot tell from a stranger's words.
   */
  async flushed(timeoutMs: number = DEFAULT_FLUSH_TIMEOUT_MS): Promise<boolean> {
    const pair = Buffer.alloc(8);
    if (libc().socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) !== 0) return false;
    const [ours, theirs] = [pair.readInt32LE(0), pair.readInt32LE(4)];
    // A socket that is closed at the other end once the message with that end has been read and freed.
    const wasTold = this.#tell(['BARRIER=1'], theirs);
    closeSync(theirs);
    const socket = new Socket({ fd: ours });
    const closed = new Promise<boolean>((resolve) => {
      socket.once('end', () => resolve(true)).once('error', () => resolve(false));
      setTimeout(() => resolve(false), timeoutMs).unref();
      socket.resume();
    });
    const isRead = wasTold && (await closed);
    socket.destroy();
    return isRead;
  }

  /** Whether the host shuts down: its services may be stopped in any order, and this one later. */
  async isHostStopping(): Promise<boolean> {
    const state = await new Promise<string>((resolve) => {
      const options = { timeout: STATE_TIMEOUT_MS };
      // It exits with 1 for whatever is not "running", and says it all the same.
      execFile('systemctl', ['is-system-running'], options, (_error, stdout) => resolve(stdout));
    });
    return state.trim() === 'stopping';
  }

  #isStoreName(name: string): boolean {
    if (STORE_NAME.test(name)) return true;
    this.#logger.error({ name }, 'The service manager would not keep a descriptor of this name');
    return false;
  }

  #tell(assignments: readonly string[], fd?: number): boolean {
    const errno = sendDatagram(this.#address, Buffer.from(assignments.join('\n')), fd);
    if (errno === 0) return true;
    this.#logger.warn(
      { errno: errnoName(errno), message: assignments },
      'The service manager could not be told',
    );
    return false;
  }
}

function watchdogMsOf(env: NodeJS.ProcessEnv, pid: number): number | undefined {
  const usec = Number(env['WATCHDOG_USEC']);
  if (!Number.isSafeInteger(usec) || usec <= 0) return undefined;
  const meant = env['WATCHDOG_PID'];
  return meant === undefined || meant === String(pid) ? usec / 1000 : undefined;
}

/** Lays out struct sockaddr_un; undefined for what is neither a path nor an abstract name ("@..."). */
function encodeAddress(path: string): Buffer | undefined {
  const name = Buffer.from(path);
  const isAbstract = path.startsWith('@');
  if ((!isAbstract && !path.startsWith('/')) || name.length >= SUN_PATH_BYTES) return undefined;
  // A path is as long as its NUL, an abstract name as long as it is said to be.
  const address = Buffer.allocUnsafeSlow(SUN_PATH_OFFSET + name.length + (isAbstract ? 0 : 1));
  address.fill(0).writeUInt16LE(AF_UNIX, 0);
  name.copy(address, SUN_PATH_OFFSET);
  if (isAbstract) address[SUN_PATH_OFFSET] = 0;
  return address;
}

/** @returns 0, or an errno. */
function sendDatagram(address: Buffer, text: Buffer, fd: number | undefined): number {
  // A socket each time: messages are few, and the manager may have been started anew in between.
  const socket = libc().socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (socket < 0) return lastErrno();
  try {
    const timeout = Buffer.alloc(16);
    timeout.writeBigInt64LE(BigInt(SEND_TIMEOUT_S), 0);
    libc().setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, timeout, timeout.length);
    const message = encodeMessage(address, text, fd);
    return libc().sendmsg(socket, message, MSG_NOSIGNAL) < 0 ? lastErrno() : 0;
  } finally {
    closeSync(socket);
  }
}

/**
 * Lays out struct msghdr and all that it points to in one buffer, which the call keeps alive.
 *
 * @param fd A descriptor to go with the text.
 */
function encodeMessage(address: Buffer, text: Buffer, fd: number | undefined): Buffer {
  const addressAt = MSGHDR_BYTES + IOVEC_BYTES + CMSG_SPACE_ONE_FD;
  const textAt = addressAt + address.length;
  const message = Buffer.allocUnsafeSlow(textAt + text.length).fill(0);
  const base = addressOf(message);
  const setWord = (at: number, value: number): void => {
    message.writeBigUInt64LE(BigInt(value), at);
  };
  setWord(0, base + addressAt);
  setWord(8, address.length);
  setWord(16, base + MSGHDR_BYTES);
  setWord(24, 1);
  setWord(MSGHDR_BYTES, base + textAt);
  setWord(MSGHDR_BYTES + 8, text.length);
  address.copy(message, addressAt);
  text.copy(message, textAt);
  if (fd === undefined) return message;
  const controlAt = MSGHDR_BYTES + IOVEC_BYTES;
  setWord(32, base + controlAt);
  setWord(40, CMSG_SPACE_ONE_FD);
  setWord(controlAt, CMSG_LEN_ONE_FD);
  message.writeInt32LE(SOL_SOCKET, controlAt + 8);
  message.writeInt32LE(SCM_RIGHTS, controlAt + 12);
  message.writeInt32LE(fd, controlAt + CMSG_DATA_OFFSET);
  return message;
}
