/**
 * How much the daemon and its volume servers log. A file of its own: a volume server needs nothing else of
 * the configuration, and starts the sooner the less it loads.
 */

export const LOG_LEVELS = ['silent', 'fatal', 'error', 'warn', 'info', 'debug', 'trace'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export function isLogLevel(value: unknown): value is LogLevel {
  return LOG_LEVELS.some((level) => level === value);
}
