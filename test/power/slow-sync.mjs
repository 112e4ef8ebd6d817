/**
 * Loaded before a program (node --import): its fdatasync returns later than the disk's.
 *
 * Why not the disk itself: the kernel keeps writers out of a file on FUSE for as long as its fsync takes,
 * which other file systems do not, and what is written meanwhile is just what no sync covers.
 * SESSFS_TEST_SYNC_MS is the least and the most, in milliseconds, with a comma.
 */

import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

const [least, most] = (process.env.SESSFS_TEST_SYNC_MS ?? '0,0').split(',').map(Number);
const { fdatasync } = fs;

fs.fdatasync = (fd, callback) => {
  fdatasync(fd, (error) => {
    setTimeout(() => callback(error), least + Math.random() * (most - least));
  });
};
syncBuiltinESMExports();
