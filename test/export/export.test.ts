/**
 * Archives of a real session, read back by tar(1) and by tar-stream: nothing is lost on the way, and the
 * same export is the same bytes.
 */

import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';

import { extract } from 'tar-stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { run, startDaemon } from '../harness/daemon.ts';
import type { TestDaemon } from '../harness/daemon.ts';
import { canRun } from '../harness/needs.ts';
import { shell } from '../harness/run.ts';

const SHORT_MS = 30_000;
/** Everything that a plain tar header cannot say. */
const STRANGE_TREE = `
  mkdir -p dir/sub 'with space'
  echo content > dir/file; ln dir/file dir/sub/second-name; ln -s ../dir/file dir/link
  ln -s "$(printf 'x%.0s' $(seq 200))" long-link
  mkfifo pipe
  : > empty
  printf x > "$(printf 'not-utf8-\\377')"
  deep=$(printf 'l%.0s' $(seq 150)); mkdir -p "$deep/$deep"; echo deep > "$deep/$deep/é"
  touch -d '1965-05-05 05:05:05.123456789Z' old; touch -d '2040-01-01 00:00:00.5Z' new
  chmod 0 new; chmod 6755 empty
  truncate -s 3M sparse; printf tail >> sparse
`;

const XATTRS = `setfattr -n user.note -v 'a value' dir/file
  setfattr -n user.bytes -v 0x00ff0a dir/file`;
const FOR_ROOT = 'mknod null c 1 3; chown 3000000:3000001 old';

const hasXattrs = canRun({ tools: ['setfattr', 'getfattr'] });

let daemon: TestDaemon;
let mount: string;
let out: string;

beforeAll(async () => {
  daemon = await startDaemon();
  ({ mount } = await daemon.createSession({ name: 'work' }));
  out = join(daemon.root, 'out');
  await shell(`mkdir ${out}`);
  const script = [
    STRANGE_TREE,
    ...(hasXattrs ? [XATTRS] : []),
    ...(canRun({ root: true }) ? [FOR_ROOT] : []),
  ].join('\n');
  await shell(script, { cwd: mount, timeoutMs: SHORT_MS });
});

afterAll(() => daemon.stop());

async function exportTo(file: string, ...args: string[]): Promise<Buffer> {
  const path = join(out, file);
  const result = await daemon.cli(['export', ...args, '-o', path]);
  expect(result).toMatchObject({ code: 0 });
  return readFileSync(path);
}

const XATTR_LISTING = "getfattr -R -h -d -m '^user\\\\.' -e hex . | grep -v sessfs | sort";

/** What stat, xattrs and content say of every file below a directory, times of directories included. */
function describeTree(dir: string): Promise<string> {
  return shell(
    `find . ! -name .sessfs-manifest.json -printf '%p %y %m %U:%G %n %l ' -exec stat -c '%Y %y %t,%T' {} \\; | sort
     find . -type f ! -name .sessfs-manifest.json -exec sha256sum {} + | sort
     ${hasXattrs ? XATTR_LISTING : ''}`,
    { cwd: dir, timeoutMs: SHORT_MS, env: { LC_ALL: 'C' } },
  );
}

describe('an archive', () => {
  test('unpacked by tar is the tree that was packed: types, links, modes, owners, times, xattrs', async () => {
    await exportTo('whole.tar', 'work');
    const dir = join(out, 'whole');
    await shell(`mkdir ${dir}; tar --xattrs -xpf ${out}/whole.tar -C ${dir} 2>/dev/null`);
    expect(await describeTree(dir)).toBe(await describeTree(mount));
  });

  test('is the same bytes each time, compressed or not', async () => {
    const plain = await exportTo('a.tar', 'work', '--at', '@now');
    expect((await exportTo('b.tar', 'work')).equals(plain)).toBe(true);
    const zipped = await exportTo('a.tar.gz', 'work:');
    expect((await exportTo('b.tar.gz', 'work:')).equals(zipped)).toBe(true);
    expect(gunzipSync(zipped).equals(plain)).toBe(true);
  });

  test('ends with a manifest that has the SHA-256 of every file', async () => {
    const entries = await readEntries(await exportTo('m.tar', 'work'));
    const last = entries.at(-1);
    expect(last?.name).toBe('.sessfs-manifest.json');
    const manifest: { entries: { path: string; sha256?: string }[] } = JSON.parse(
      last?.content.toString() ?? '',
    );
    const listed = new Map(manifest.entries.map(({ path, sha256 }) => [path, sha256]));
    for (const { name, type, content } of entries.slice(0, -1)) {
      if (type !== 'file' || name.includes('\uFFFD')) continue;
      expect([name, listed.get(name)]).toEqual([
        name,
        createHash('sha256').update(content).digest('hex'),
      ]);
    }
    expect(listed.size).toBe(entries.length - 1);
  });

  test('of an earlier moment has what was there then', async () => {
    const { revision } = await daemon.client.volumeInfo('work');
    const before = await exportTo('then.tar', 'work:dir');
    await shell('echo changed > dir/file; rm dir/link; echo new > dir/new', { cwd: mount });
    const then = await exportTo('again.tar', 'work:dir', '--at', `@r${revision}`);
    expect(then.equals(before)).toBe(true);
  });

  test('of one file has that file', async () => {
    const entries = await readEntries(await exportTo('one.tar', `${mount}/sparse`));
    expect(entries[0]).toMatchObject({ name: 'sparse', type: 'file' });
    expect(entries[0]?.content.length).toBe(3 * 1024 * 1024 + 4);
  });

  test('of a path that is not there leaves no file behind', async () => {
    const result = await daemon.cli(['export', 'work:nowhere', '-o', join(out, 'none.tar')]);
    expect(result.code).toBe(16);
    expect(readdirSync(out).filter((name) => name.startsWith('none'))).toEqual([]);
  });

  test('that is interrupted leaves no file behind', async () => {
    await shell('head -c 64M /dev/zero > big', { cwd: mount, timeoutMs: SHORT_MS });
    const script = `"$0" "$1" export work:big -o ${out}/big.tar.gz & pid=$!
      until [ -e ${out}/big.tar.gz.partial ]; do kill -0 $pid; done; kill $pid; wait $pid || true`;
    const sessfs = join(import.meta.dirname, '../../bin/sessfs');
    await run('/bin/sh', ['-ec', script, process.execPath, sessfs], {
      timeoutMs: SHORT_MS,
      env: { SESSFS_ROOT: daemon.root },
    });
    expect(existsSync(`${out}/big.tar.gz.partial`)).toBe(false);
    expect(existsSync(`${out}/big.tar.gz`)).toBe(false);
  });
});

interface Entry {
  readonly name: string;
  readonly type: string;
  readonly content: Buffer;
}

/** By another reader than tar(1). */
async function readEntries(archive: Buffer): Promise<Entry[]> {
  const entries: Entry[] = [];
  const reader = extract();
  reader.end(archive);
  for await (const entry of reader) {
    const parts: Buffer[] = [];
    entry.on('data', (part: unknown) => {
      if (part instanceof Buffer) parts.push(part);
    });
    await new Promise((resolve) => entry.on('end', () => resolve(undefined)));
    const { name, type } = entry.header;
    entries.push({ name, type, content: Buffer.concat(parts) });
  }
  return entries;
}
