/**
 * Answers messages: finds the operation, runs it, sends its one reply, now or when its promise settles.
 *
 * INVARIANT: every message but FORGET, BATCH_FORGET and NOTIFY_REPLY gets exactly one reply. A caller
 * without one is stuck in the kernel and cannot even be killed.
 */

import { Errno } from '../shared/errno.ts';
import { FsError } from '../shared/errors.ts';
import {
  INIT_OUT_BYTES,
  InitFlag,
  Opcode,
  opcodeName,
  IN_HEADER_BYTES,
  OUT_HEADER_BYTES,
  PROTOCOL_MAJOR,
  PROTOCOL_MINOR,
  PROTOCOL_MINOR_MIN,
  UNIQUE_RESEND_HIGH,
} from './abi.ts';
import type { Device } from './device.ts';
import type { ConnectionInfo, FileSystem } from './file-system.ts';
import { DEFERRED, NO_REPLY } from './exchange.ts';
import type { Exchange } from './exchange.ts';
import { Frame } from './frame.ts';
import type { Logger } from './logger.ts';
import { MessageStats } from './message-stats.ts';
import { connectionInfo, MAX_WRITE_BYTES, negotiate } from './negotiate.ts';
import type { InitAnswer, InitOptions } from './negotiate.ts';
import { OPERATIONS } from './operations.ts';
import type { Pulse } from './pulse.ts';
import { DirReply, Reply } from './reply.ts';

/** Room for headers beside the data of the largest message. */
const HEADROOM_BYTES = 8192;
const DIR_REPLY_BYTES = 64 * 1024;
/** Directory buffers kept for the next readdir; more are made when more are read at once. */
const MAX_SPARE_DIR_REPLIES = 8;
/** Different unforeseen errors that are logged; after that something is so wrong that more say nothing. */
const MAX_LOGGED_FAULTS = 200;
/** In the upper half of a unique, as a number for bitwise operators. */
const RESEND_BIT = UNIQUE_RESEND_HIGH | 0;

/** The kernel takes no reply to these, whatever they hold. */
const UNANSWERED: ReadonlySet<number> = new Set([
  Opcode.FORGET,
  Opcode.BATCH_FORGET,
  Opcode.NOTIFY_REPLY,
]);

export interface DispatcherOptions {
  readonly device: Device;
  readonly fileSystem: FileSystem;
  readonly logger: Logger;
  readonly init: InitOptions;
  readonly pulse?: Pulse | undefined;
  readonly poison?: readonly number[] | undefined;
  /** Called when INIT has been answered. */
  readonly onInit: (info: ConnectionInfo) => void;
}

export class Dispatcher implements Exchange {
  readonly fileSystem: FileSystem;
  readonly frame = new Frame(MAX_WRITE_BYTES + HEADROOM_BYTES);
  readonly reply = new Reply(MAX_WRITE_BYTES + HEADROOM_BYTES);
  readonly options: InitOptions;
  readonly stats = new MessageStats();
  /** Replies that wait for a promise. */
  pending = 0;
  /** The device said that there is no connection any more. */
  hasEnded = false;
  /** Called each time the last pending reply has been sent. */
  onDrained: (() => void) | undefined;
  /** Requests that a predecessor has left unanswered may still come. */
  isTakingOver = false;

  readonly #device: Device;
  readonly #logger: Logger;
  readonly #onInit: (info: ConnectionInfo) => void;
  readonly #spareDirReplies: DirReply[] = [];
  readonly #loggedFaults = new Set<string>();
  readonly #pulse: Pulse | undefined;
  readonly #poison: ReadonlySet<number>;
  /** Of the message that is being handled, for an answer that comes later. */
  #beganAt = 0;
  /** Resent requests that wait for a promise. */
  #resentPending = 0;
  /** What was agreed at INIT is not known, because INIT may yet come. */
  #awaitsInit = true;

  constructor(options: DispatcherOptions) {
    this.fileSystem = options.fileSystem;
    this.options = options.init;
    this.#device = options.device;
    this.#logger = options.logger;
    this.#onInit = options.onInit;
    this.#pulse = options.pulse;
    this.#poison = new Set(options.poison);
  }

  /** Before the kernel is asked to send again what a predecessor did not answer. */
  takeOver(info: ConnectionInfo | undefined): void {
    this.isTakingOver = true;
    this.#awaitsInit = info === undefined;
  }

  /**
   * Every request that is sent again has been read.
   *
   * Linux 6.18 fs/fuse/dev.c fuse_resend() puts them in front of all that waits, before the write(2) that
   * asked for it returns: what comes without the bit, or nothing at all, comes after them. Forgets and
   * interrupts have queues of their own and prove nothing.
   */
  allResentRead(): void {
    this.isTakingOver = false;
    if (this.#awaitsInit) this.#assumeInit();
    if (this.#resentPending === 0) this.fileSystem.resendOver?.();
  }

  /** Answers the message of that many bytes which lies in the frame. */
  handle(length: number): void {
    const { frame } = this;
    const isWhole = frame.decodeHeader(length);
    const { opcode, uniqueLow, uniqueHigh } = frame;
    if (this.isTakingOver) this.#beforeMessage(opcode);
    const pulse = this.#pulse;
    pulse?.begin(uniqueLow, uniqueHigh & ~RESEND_BIT);
    const beganAt = this.stats.begin(opcode);
    this.#beganAt = beganAt;
    let result: number;
    try {
      result = isWhole ? this.#run(opcode, length) : this.#refuseMalformed(length);
    } catch (error) {
      result = -this.#errnoOf(error, opcode);
    }
    if (result !== DEFERRED && result !== NO_REPLY) {
      this.#send(this.reply, result, uniqueLow, uniqueHigh);
    }
    pulse?.end(result !== DEFERRED);
    if (result !== DEFERRED) this.stats.end(opcode, beganAt);
  }

  takeDirReply(sizeBytes: number): DirReply {
    if (sizeBytes > DIR_REPLY_BYTES) {
      return new DirReply(OUT_HEADER_BYTES + Math.min(sizeBytes, MAX_WRITE_BYTES));
    }
    return this.#spareDirReplies.pop() ?? new DirReply(OUT_HEADER_BYTES + DIR_REPLY_BYTES);
  }

  sendDirReply(reply: DirReply, done: Promise<void> | void): typeof DEFERRED {
    const { opcode, uniqueLow, uniqueHigh } = this.frame;
    const beganAt = this.#beganAt;
    const finish = (result: number): void => {
      this.#send(reply, result, uniqueLow, uniqueHigh);
      this.stats.end(opcode, beganAt);
      const isUsual = reply.bytes.length === OUT_HEADER_BYTES + DIR_REPLY_BYTES;
      if (isUsual && this.#spareDirReplies.length < MAX_SPARE_DIR_REPLIES) {
        this.#spareDirReplies.push(reply);
      }
    };
    if (done instanceof Promise) {
      this.#whenSent(
        done.then(
          () => finish(reply.length),
          (error: unknown) => finish(-this.#errnoOf(error, opcode)),
        ),
      );
    } else {
      finish(reply.length);
    }
    return DEFERRED;
  }

  defer<T>(promise: Promise<T>, encode: (reply: Reply, value: T) => number): typeof DEFERRED {
    const { opcode, uniqueLow, uniqueHigh } = this.frame;
    const beganAt = this.#beganAt;
    // There is one reply buffer: what is encoded in it is sent before anything else can run.
    const finish = (encodeResult: () => number): void => {
      let result: number;
      try {
        result = encodeResult();
      } catch (error) {
        result = -this.#errnoOf(error, opcode);
      }
      this.#send(this.reply, result, uniqueLow, uniqueHigh);
      this.stats.end(opcode, beganAt);
    };
    this.#whenSent(
      promise.then(
        (value) => finish(() => encode(this.reply, value)),
        (error: unknown) => finish(() => -this.#errnoOf(error, opcode)),
      ),
    );
    return DEFERRED;
  }

  /** Keeps the count of answers that are owed; the one of the message in the frame is among them now. */
  #whenSent(sent: Promise<void>): void {
    const { resent, uniqueLow } = this.frame;
    const uniqueHigh = this.frame.uniqueHigh & ~RESEND_BIT;
    this.pending += 1;
    if (resent) this.#resentPending += 1;
    this.#pulse?.deferred(uniqueLow, uniqueHigh);
    void sent.finally(() => {
      this.pending -= 1;
      this.#pulse?.settled(uniqueLow, uniqueHigh);
      if (resent) this.#resentAnswered();
      if (this.pending === 0) this.onDrained?.();
    });
  }

  #resentAnswered(): void {
    this.#resentPending -= 1;
    if (this.#resentPending === 0 && !this.isTakingOver) this.fileSystem.resendOver?.();
  }

  /** While taking over: what a message tells about where the connection is. */
  #beforeMessage(opcode: number): void {
    if (opcode === Opcode.FORGET || opcode === Opcode.BATCH_FORGET) return;
    if (opcode === Opcode.INTERRUPT) return;
    if (opcode === Opcode.INIT) this.#awaitsInit = false;
    // The kernel sends nothing else before INIT is answered: so it was.
    else if (this.#awaitsInit) this.#assumeInit();
    if (!this.frame.resent) this.allResentRead();
  }

  /** INIT was answered by a predecessor that died before it could tell: it answered as we would. */
  #assumeInit(): void {
    this.#awaitsInit = false;
    this.#onInit({
      maxWriteBytes: MAX_WRITE_BYTES,
      maxReadBytes: MAX_WRITE_BYTES,
      minor: PROTOCOL_MINOR,
    });
  }

  /** A request that killed who carried it out, again and again: it fails, so that all others go on. */
  #isPoisoned(): boolean {
    const { unique, opcode } = this.frame;
    if (!this.#poison.has(unique)) return false;
    const operation = opcodeName(opcode);
    this.#logFault(`poison ${unique}`, () => {
      this.#logger.error({ operation, unique }, 'A request that kills its server was answered EIO');
    });
    return true;
  }

  #run(opcode: number, received: number): number {
    if (this.frame.resent && this.#isPoisoned()) return -Errno.EIO;
    const operation = OPERATIONS[opcode];
    if (operation === undefined) return this.#runOther(opcode, received);
    if (this.frame.length < operation.minBytes) return this.#refuseMalformed(received);
    return operation.run(this);
  }

  #runOther(opcode: number, received: number): number {
    if (opcode === Opcode.INIT) return this.#init(received);
    this.#logFault(`unknown opcode ${opcode}`, () => {
      this.#logger.warn({ opcode }, 'The kernel sent an operation that is not known');
    });
    return -Errno.ENOSYS;
  }

  /** @param received Bytes that came, whatever the header says of them: whoever sent 40 waits. */
  #refuseMalformed(received: number): number {
    const operation = opcodeName(this.frame.opcode);
    this.#logFault(`malformed ${operation}`, () => {
      const fields = { operation, length: received };
      this.#logger.error(fields, 'The kernel sent a message of a wrong length');
    });
    // Too short to tell whom to answer, or a message that must not be answered.
    const isUnanswered = received < IN_HEADER_BYTES || UNANSWERED.has(this.frame.opcode);
    return isUnanswered ? NO_REPLY : -Errno.EIO;
  }

  #init(received: number): number {
    const { frame, reply } = this;
    if (frame.length < 56) return this.#refuseMalformed(received);
    const flags = frame.u32(52);
    const isExtended = (flags & InitFlag.INIT_EXT) !== 0 && frame.length >= 60;
    const [major, minor] = [frame.u32(40), frame.u32(44)];
    if (major < PROTOCOL_MAJOR || (major === PROTOCOL_MAJOR && minor < PROTOCOL_MINOR_MIN)) {
      this.#logger.error({ major, minor }, 'The kernel speaks too old a FUSE protocol');
      return -Errno.EPROTO;
    }
    const answer = negotiate(
      {
        major,
        minor,
        maxReadaheadBytes: frame.u32(48),
        flags,
        flags2: isExtended ? frame.u32(56) : 0,
      },
      this.options,
    );
    const length = encodeInit(reply, answer);
    // A kernel with a newer major asks again with ours; only then is anything agreed.
    if (major === PROTOCOL_MAJOR) this.#onInit(connectionInfo(answer));
    return length;
  }

  /** @param result Bytes of the body, or a negative errno. */
  #send(reply: Reply, result: number, uniqueLow: number, uniqueHigh: number): void {
    const length =
      result < 0
        ? reply.header(0, -result, uniqueLow, uniqueHigh)
        : reply.header(result, 0, uniqueLow, uniqueHigh);
    const failure = this.#device.write(reply, length);
    if (failure !== 0) this.#onSendFailed(reply, -failure, uniqueLow, uniqueHigh);
  }

  #onSendFailed(reply: Reply, errno: number, uniqueLow: number, uniqueHigh: number): void {
    // ENOENT: the request was aborted meanwhile, nobody waits.
    if (errno === Errno.ENOENT) return;
    if (errno === Errno.ENODEV) {
      this.hasEnded = true;
      return;
    }
    this.#logFault(`reply ${errno}`, () => {
      this.#logger.error({ errno, bytes: reply.view.getUint32(0, true) }, 'A reply was refused');
    });
    // What the kernel did not understand it may not have counted as an answer.
    this.#device.write(reply, reply.header(0, Errno.EIO, uniqueLow, uniqueHigh));
  }

  #errnoOf(error: unknown, opcode: number): number {
    if (error instanceof FsError) return error.errno;
    const message = error instanceof Error ? error.message : String(error);
    this.#logFault(message, () => {
      const fields = { err: error, operation: opcodeName(opcode) };
      this.#logger.error(fields, 'An operation failed unexpectedly and was answered EIO');
    });
    return Errno.EIO;
  }

  #logFault(key: string, log: () => void): void {
    if (this.#loggedFaults.has(key) || this.#loggedFaults.size >= MAX_LOGGED_FAULTS) return;
    this.#loggedFaults.add(key);
    log();
  }
}

/** Lays out fuse_init_out. */
function encodeInit(reply: Reply, answer: InitAnswer): number {
  const { view, bytes } = reply;
  const at = OUT_HEADER_BYTES;
  bytes.fill(0, at, at + INIT_OUT_BYTES);
  view.setUint32(at, PROTOCOL_MAJOR, true);
  view.setUint32(at + 4, answer.minor, true);
  view.setUint32(at + 8, answer.maxReadaheadBytes, true);
  view.setUint32(at + 12, answer.flags, true);
  view.setUint16(at + 16, answer.maxBackground, true);
  view.setUint16(at + 18, answer.congestionThreshold, true);
  view.setUint32(at + 20, answer.maxWriteBytes, true);
  view.setUint32(at + 24, answer.timeGranularityNs, true);
  view.setUint16(at + 28, answer.maxPages, true);
  view.setUint32(at + 32, answer.flags2, true);
  return INIT_OUT_BYTES;
}
