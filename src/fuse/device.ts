/**
 * The open /dev/fuse of one connection: where requests come from and replies go.
 *
 * Rule: errors are values, negative errnos, because "nothing there yet" is the commonest answer of all
 * and a throw costs more than a whole request. The descriptor is made non-blocking here, whoever opened
 * it: a read that waits would stop the process that it shares with everything else.
 */

import type { Frame } from './frame.ts';
import { lastErrno, libc } from './libc.ts';
import type { Reply } from './reply.ts';

const O_NONBLOCK = 0o4000;

export interface Device {
  /** @returns The length of the message that is now in the frame, or a negative errno. */
  read(frame: Frame): number;
  /** @returns 0, or a negative errno. */
  write(reply: Reply, length: number): number;
}

export class KernelDevice implements Device {
  readonly #fd: number;
  readonly #libc = libc();

  constructor(fd: number) {
    this.#fd = fd;
    this.#libc.setStatusFlags(fd, O_NONBLOCK);
  }

  read(frame: Frame): number {
    const length = this.#libc.read(this.#fd, frame.address, frame.bytes.length);
    return length < 0 ? -lastErrno() : length;
  }

  write(reply: Reply, length: number): number {
    return this.#libc.write(this.#fd, reply.address, length) < 0 ? -lastErrno() : 0;
  }
}
