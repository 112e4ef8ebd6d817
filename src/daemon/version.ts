/**
 * Which sessfs this is.
 */

import { readFileSync } from 'node:fs';

import { decodeTrusted } from '../control/json.ts';

export function readVersion(): string {
  // Two directories up from src/daemon as from dist/daemon.
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return decodeTrusted<{ version: string }>(text).version;
}
