/** stub */
import { Readable } from 'node:stream';
import type { History, Node } from '../history/store.ts';
import type { Name, Revision } from '../shared/brands.ts';

export function exportTar(
  _history: History,
  _options: { path: readonly Name[]; node: Node; revision: Revision; signal: AbortSignal },
): Readable {
  throw new Error('not yet');
}
