/**
 * Two contents compared: a unified patch for text, a sentence for everything else.
 *
 * Text is compared as bytes (one char per byte), so that no encoding is assumed and none is changed.
 */

import { createTwoFilesPatch } from 'diff';

import type { NodeInfo } from '../control/protocol.ts';
import { nameFromText } from '../shared/names.ts';
import { formatSize } from './text.ts';

/** Larger contents are compared as wholes only, in bytes. */
const TEXT_MAX_BYTES = 16 * 1024 * 1024;
/** A NUL in so many first bytes makes it binary, as for grep and git. */
const BINARY_PROBE_BYTES = 8000;
/** Two texts that have little in common take for ever line by line, in milliseconds. */
const LINES_TIMEOUT_MS = 10_000;

export interface ContentSide {
  readonly name: string;
  readonly node: NodeInfo;
  readonly content: () => Promise<Buffer>;
}

export interface ContentDiff {
  readonly kind: 'text' | 'binary';
  readonly isSame: boolean;
  /** For a text that differs. */
  readonly patch: Buffer | undefined;
  readonly sentence: string;
}

export async function compareContent(from: ContentSide, to: ContentSide): Promise<ContentDiff> {
  if (from.node.size > TEXT_MAX_BYTES || to.node.size > TEXT_MAX_BYTES) {
    return unlike(from, to, 'are too large to compare line by line');
  }
  const before = await from.content();
  const after = await to.content();
  const isBinary = hasNul(before) || hasNul(after);
  const kind = isBinary ? 'binary' : 'text';
  if (before.equals(after)) {
    const sentence = `"${from.name}" and "${to.name}" are the same`;
    return { kind, isSame: true, patch: undefined, sentence };
  }
  if (isBinary) return unlike(from, to, 'are binary and differ');
  const patch = createTwoFilesPatch(
    nameFromText(from.name),
    nameFromText(to.name),
    before.toString('latin1'),
    after.toString('latin1'),
    from.node.time,
    to.node.time,
    { timeout: LINES_TIMEOUT_MS },
  );
  if (patch === undefined) return unlike(from, to, 'have too little in common for a list of lines');
  return {
    kind: 'text',
    isSame: false,
    // Its first line is a rule that patch(1) ignores and nobody reads.
    patch: Buffer.from(patch.replace(/^=+\n/, ''), 'latin1'),
    sentence: `"${from.name}" and "${to.name}" differ`,
  };
}

function unlike(from: ContentSide, to: ContentSide, how: string): ContentDiff {
  const sizes = `${formatSize(from.node.size)} and ${formatSize(to.node.size)}`;
  const sentence = `"${from.name}" and "${to.name}" ${how} (${sizes})`;
  return { kind: 'binary', isSame: false, patch: undefined, sentence };
}

function hasNul(content: Buffer): boolean {
  return content.subarray(0, BINARY_PROBE_BYTES).includes(0);
}
