/**
 * The log of the daemon and its volume servers: JSON lines on standard error.
 */

import { destination, pino } from 'pino';
import type { Logger } from 'pino';

import type { LogLevel } from './log-level.ts';

export function makeLogger(part: string, level: LogLevel, fields: object = {}): Logger {
  // Synchronous: the last lines before an exit are the ones that matter.
  const stderr = destination({ dest: 2, sync: true });
  // A terminal or supervisor that has gone must not end a server that still serves a mount.
  stderr.on('error', () => undefined);
  return pino(
    {
      level,
      base: { part, pid: process.pid, ...fields },
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    stderr,
  );
}
