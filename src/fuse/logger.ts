/**
 * What this layer asks of a logger: the two calls of pino that it uses, so that pino fits as it is.
 */

export interface Logger {
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}
