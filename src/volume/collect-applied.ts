/**
 * What a predecessor carried out and had written to the index, read from the log when a server resumes.
 *
 * Rule: it is never a reason not to serve.
 */

import { isGap } from '../log/gap.ts';
import type { Log } from '../log/log.ts';
import { SessfsError } from '../shared/errors.ts';
import type { IndexMeta } from '../index/records.ts';
import type { Answers } from './answers.ts';
import { decodeEvent } from './events.ts';

/**
 * What the index has already, though its answers may not have been sent.
 *
 * A record that cannot be read ends it, and is no reason not to serve: the index has what it did. A request
 * from there on that is sent again is then carried out again, and may fail (mkdir: EEXIST) or write
 * over what came after it; a rollback from there on is not told to the kernel.
 *
 * @returns Why it ended early, if it did.
 */
export async function collectApplied(
  log: Log,
  answers: Answers,
  meta: IndexMeta,
): Promise<string | undefined> {
  try {
    for await (const record of log.scan(meta.answered, meta.next)) {
      if (isGap(record)) continue;
      answers.note(record, decodeEvent(record.type, record.payload));
    }
    return undefined;
  } catch (error) {
    if (error instanceof SessfsError || error instanceof RangeError) return error.message;
    throw error;
  }
}
