/**
 * Reading /proc/self/mountinfo.
 */

import { expect, test } from 'vitest';

import { findMount, parseMountInfo } from '../../src/fuse/mount-table.ts';

test('parseMountInfo decodes octal escapes, skips optional fields, and finds the device', () => {
  const line =
    '36 35 0:98 / /mnt/with\\040space\\134x rw,noatime master:1 shared:2 - fuse.sessfs my\\011fs rw,user_id=5,group_id=6';
  expect(parseMountInfo(`${line}\n`)).toEqual([
    {
      mountPoint: '/mnt/with space\\x',
      type: 'fuse.sessfs',
      source: 'my\tfs',
      deviceMinor: 98,
      options: ['rw', 'noatime', 'rw', 'user_id=5', 'group_id=6'],
    },
  ]);
});

test('parseMountInfo decodes names in UTF-8 and leaves out lines that it does not understand', () => {
  const line = '36 35 0:98 / /mnt/\xc3\xa4 rw - ext4 /dev/sda rw';
  expect(parseMountInfo(`rubbish\n${line}\n\n`).map((entry) => entry.mountPoint)).toEqual([
    '/mnt/ä',
  ]);
});

test('findMount finds the root and not a plain directory', () => {
  expect(findMount('/proc')?.type).toBe('proc');
  expect(findMount('/proc/self')).toBeUndefined();
});
