/**
 * All commands together, in the order in which help lists them.
 */

import { Command } from 'commander';

import { readVersion } from '../daemon/version.ts';
import { addAudit } from './audit.ts';
import { addCat } from './cat.ts';
import { addCheckpoint } from './checkpoint.ts';
import { addCreate } from './create.ts';
import { addDaemon } from './daemon.ts';
import { addDelete } from './delete.ts';
import { addDiff } from './diff.ts';
import { addDoctor } from './doctor.ts';
import { addEnd } from './end.ts';
import { addExport } from './export.ts';
import { addFsck } from './fsck.ts';
import { addGuard } from './guard.ts';
import { addHold } from './hold.ts';
import { addList } from './list.ts';
import { addLog } from './log.ts';
import { addMetrics } from './metrics.ts';
import { addMount } from './mount.ts';
import { addQuota } from './quota.ts';
import { addRenew } from './renew.ts';
import { addRollback } from './rollback.ts';
import { addShow } from './show.ts';
import { addStatus } from './status.ts';
import { addSweep } from './sweep.ts';
import { addTier } from './tier.ts';
import { addUndelete } from './undelete.ts';
import { addUnmount } from './unmount.ts';
import { addUpgrade } from './upgrade.ts';
import { addUsage } from './usage.ts';
import { addWhy } from './why.ts';

const EXIT_CODE_HELP = `
Exit codes: 0 done, 1 failed, 2 wrong usage, 3 partly done, 10 and up one for each error
(listed in the README), 130 interrupted.`;

export function makeProgram(): Command {
  const program = new Command('sessfs')
    .description('A file system that keeps every version of every file of a session')
    .version(readVersion())
    .showHelpAfterError('(see --help)')
    .addHelpText('after', EXIT_CODE_HELP);
  // Set before the commands are added: they inherit it.
  program.exitOverride();
  const commands = [
    [addDaemon, addStatus, addUpgrade, addMetrics, addDoctor],
    [addCreate, addList, addShow, addMount, addUnmount, addEnd, addDelete],
    [addLog, addCat, addDiff, addRollback, addUndelete, addExport, addFsck],
    [addCheckpoint, addGuard, addTier, addWhy, addRenew, addHold],
    [addSweep, addAudit, addUsage, addQuota],
  ];
  for (const add of commands.flat()) add(program);
  return program;
}
