/**
 * A device without a kernel: takes frames from a test, gives back the replies.
 */

import type { Device } from '../../src/fuse/device.ts';
import { Dispatcher } from '../../src/fuse/dispatcher.ts';
import type { DispatcherOptions } from '../../src/fuse/dispatcher.ts';
import type { ConnectionInfo, FileSystem } from '../../src/fuse/file-system.ts';
import type { Reply } from '../../src/fuse/reply.ts';
import { frame, parseReply } from './frames.ts';
import type { Answered, FrameOptions } from './frames.ts';

export class FakeDevice implements Device {
  readonly replies: Buffer[] = [];
  /** What the next writes come to, instead of 0. */
  failures: number[] = [];

  read(): number {
    throw new Error('Frames are handed to the dispatcher by the test');
  }

  write(reply: Reply, length: number): number {
    this.replies.push(Buffer.from(reply.bytes.subarray(0, length)));
    return -(this.failures.shift() ?? 0);
  }
}

export class Bench {
  readonly device = new FakeDevice();
  readonly dispatcher: Dispatcher;
  readonly log: { level: string; message: string; fields: object }[] = [];
  info: ConnectionInfo | undefined;

  constructor(
    fileSystem: FileSystem,
    init: DispatcherOptions['init'] = {},
    more: Pick<DispatcherOptions, 'poison' | 'pulse'> = {},
  ) {
    const keep =
      (level: string) =>
      (fields: object, message: string): void =>
        void this.log.push({ level, message, fields });
    this.dispatcher = new Dispatcher({
      device: this.device,
      fileSystem,
      logger: { warn: keep('warn'), error: keep('error') },
      init,
      ...more,
      onInit: (info) => (this.info = info),
    });
  }

  /** Hands one message over; its replies are in the device, now or later. */
  send(options: FrameOptions): void {
    this.sendBytes(frame(options));
  }

  sendBytes(bytes: Buffer): void {
    bytes.copy(this.dispatcher.frame.bytes);
    this.dispatcher.handle(bytes.length);
  }

  /** Sends one message and takes its one reply. */
  ask(options: FrameOptions): Answered {
    const before = this.device.replies.length;
    this.send(options);
    const replies = this.device.replies.slice(before);
    const [reply] = replies;
    if (replies.length !== 1 || reply === undefined) {
      throw new Error(`Expected one reply, got ${replies.length}`);
    }
    return parseReply(reply);
  }

  /** Waits until everything that was deferred has been answered. */
  async settled(): Promise<void> {
    while (this.dispatcher.pending > 0) {
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}
