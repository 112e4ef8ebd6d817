/**
 * Segments that are gone, cut, swapped, another's, wiped: found and named; a repair keeps all that can be
 * read, and the volume opens.
 */

import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { join } from 'node:path';

import { describe, expect, test } from 'vitest';

import type { FsckReport } from '../../src/fsck/report.ts';
import {
  bytesOf,
  compare,
  copyWorkplace,
  fsck,
  makeWorkplace,
  readContents,
  reopen,
  slotsOf,
} from './workplace.ts';
import type { Workplace } from './workplace.ts';

/** Of a volume with some dozen segments. */
const pathOf = (dir: string, id: number): string =>
  join(dir, 'log', `${id.toString(16).padStart(8, '0')}.seg`);

function overwrite(path: string, offset: number, bytes: Buffer): void {
  const fd = fs.openSync(path, 'r+');
  fs.writeSync(fd, bytes, 0, bytes.length, offset);
  fs.closeSync(fd);
}

function swap(a: string, b: string): void {
  fs.renameSync(a, `${a}.swap`);
  fs.renameSync(b, a);
  fs.renameSync(`${a}.swap`, b);
}

/** Of all segments. */
function digestOf(dir: string): string {
  const hash = createHash('sha256');
  for (const { path } of slotsOf(dir)) hash.update(fs.readFileSync(path));
  return hash.digest('hex');
}

const sizeOf = (path: string): number => fs.statSync(path).size;

interface Damage {
  readonly what: string;
  readonly harm: (dir: string, last: number) => void;
  /** Words of a problem that must be told. */
  readonly told: RegExp;
  /** Nothing is lost. */
  readonly isHarmless?: true;
  /** The log is not byte for byte what it was. */
  readonly isOther?: true;
}

const DAMAGES: readonly Damage[] = [
  {
    what: 'a missing segment',
    harm: (dir) => fs.rmSync(pathOf(dir, 3)),
    told: /Segment 3 .*missing/,
  },
  {
    what: 'the first segment missing',
    harm: (dir) => fs.rmSync(pathOf(dir, 0)),
    told: /Segment 0 .*missing/,
  },
  {
    what: 'the last segment missing',
    harm: (dir, last) => fs.rmSync(pathOf(dir, last)),
    told: /the segment is missing|the end of the file/,
  },
  {
    what: 'three segments missing in a row',
    harm: (dir) => [4, 5, 6].forEach((id) => fs.rmSync(pathOf(dir, id))),
    told: /Segment 5 .*missing/,
  },
  {
    what: 'all segments missing',
    harm: (dir, last) => {
      for (let id = 0; id <= last; id++) fs.rmSync(pathOf(dir, id));
    },
    told: /Segment 1 .*missing/,
  },
  {
    what: 'a segment cut in the middle',
    harm: (dir) => fs.truncateSync(pathOf(dir, 2), 7777),
    told: /Segment 2 .*(beyond the end|end of the file|incomplete)/,
  },
  {
    what: 'an empty segment',
    harm: (dir) => fs.truncateSync(pathOf(dir, 2), 0),
    told: /Segment 2 /,
  },
  {
    what: 'a segment with something behind its end',
    harm: (dir) => fs.appendFileSync(pathOf(dir, 2), bytesOf(1, 500)),
    told: /Segment 2 .*500 bytes beyond its end/,
    isHarmless: true,
  },
  {
    what: 'the last segment cut',
    harm: (dir, last) => fs.truncateSync(pathOf(dir, last), sizeOf(pathOf(dir, last)) - 300),
    told: /Segment \d+ .*(beyond the end|end of the file|incomplete)/,
  },
  {
    what: 'two segments swapped',
    harm: (dir) => swap(pathOf(dir, 2), pathOf(dir, 5)),
    told: /Segment 2 .*it is segment 5 of this volume.*its records are in/,
    isHarmless: true,
  },
  {
    what: 'three segments in a ring',
    harm: (dir) => {
      swap(pathOf(dir, 2), pathOf(dir, 5));
      swap(pathOf(dir, 2), pathOf(dir, 7));
    },
    told: /Segment 7 .*it is segment/,
    isHarmless: true,
  },
  {
    what: 'a copy of another segment in place of one',
    harm: (dir) => fs.copyFileSync(pathOf(dir, 5), pathOf(dir, 2)),
    told: /Segment 2 .*it is segment 5 of this volume/,
  },
  {
    what: 'a file that is no segment in place of one',
    harm: (dir) => fs.writeFileSync(pathOf(dir, 2), bytesOf(2, 9000)),
    told: /Segment 2 .*not a segment/,
  },
  {
    what: 'a file that is no segment behind the last',
    harm: (dir, last) => fs.writeFileSync(pathOf(dir, last + 1), bytesOf(2, 9000)),
    told: /no segment of this volume/,
    isHarmless: true,
  },
  {
    what: 'a header wiped',
    harm: (dir) => overwrite(pathOf(dir, 4), 0, Buffer.alloc(128)),
    told: /Segment 4 .*header/,
    isHarmless: true,
  },
  {
    what: 'the first header wiped',
    harm: (dir) => overwrite(pathOf(dir, 0), 0, bytesOf(3, 128)),
    told: /Segment 0 .*header/,
    isHarmless: true,
    // Nothing else tells when the log began.
    isOther: true,
  },
  {
    what: 'two headers wiped',
    harm: (dir) => [4, 5].forEach((id) => overwrite(pathOf(dir, id), 0, bytesOf(id, 128))),
    told: /Segment 5 .*header/,
    isHarmless: true,
  },
  {
    what: 'a header and the end of the segment before it wiped',
    harm: (dir) => {
      overwrite(pathOf(dir, 3), sizeOf(pathOf(dir, 3)) - 2000, bytesOf(8, 2000));
      overwrite(pathOf(dir, 4), 0, bytesOf(9, 600));
    },
    told: /Segment 4 .*header/,
  },
  {
    what: 'a sector wiped',
    harm: (dir) => overwrite(pathOf(dir, 4), 4096, Buffer.alloc(4096)),
    told: /Segment 4 .*(no record|checksum)/,
  },
  {
    what: 'rubbish over most of a segment',
    harm: (dir) => overwrite(pathOf(dir, 4), 700, bytesOf(4, 14_000)),
    told: /Segment 4 /,
  },
  {
    what: 'sectors wiped all over the log',
    harm: (dir, last) => {
      for (let id = 0; id <= last; id++) {
        const path = pathOf(dir, id);
        overwrite(path, Math.floor(sizeOf(path) / 3), Buffer.alloc(512));
      }
    },
    told: /Segment 6 /,
  },
];

async function damaged({ harm }: Damage): Promise<{ workplace: Workplace; dir: string }> {
  const workplace = await makeWorkplace();
  const dir = copyWorkplace(workplace);
  harm(dir, slotsOf(dir).length - 1);
  return { workplace, dir };
}

const messagesOf = ({ problems }: FsckReport): string =>
  problems.map(({ message }) => message).join('\n');

describe('is found and repaired, with the index kept:', () => {
  test.each(DAMAGES)('$what', async (damage) => {
    const { workplace, dir } = await damaged(damage);
    const before = fs.readdirSync(join(dir, 'log')).toSorted();
    const found = await fsck(dir);
    expect(found.status).toBe('damaged');
    expect(messagesOf(found)).toMatch(damage.told);
    expect(fs.readdirSync(join(dir, 'log')).toSorted()).toEqual(before);

    const repaired = await fsck(dir, { repair: true });
    expect(repaired).toMatchObject({ status: 'repaired', repair: { index: 'kept' } });
    const isSame = digestOf(dir) === digestOf(workplace.dir);
    expect(isSame).toBe(damage.isHarmless === true && damage.isOther !== true);
    const desk = await reopen(dir);
    const lost = compare(await readContents(desk), workplace.contents);
    expect(damage.isHarmless === true ? lost : []).toEqual([]);
    desk.save('after', 'the repair');
    await desk.leave();

    const again = await fsck(dir);
    expect([again.status, messagesOf(again)]).toEqual(['clean', '']);
    expect(again.knownCount > 0).toBe(damage.isHarmless !== true);
    // It goes on as every log does, also through more segments.
    const later = await reopen(dir);
    for (let i = 0; i < 8; i++) later.save(`later${i}`, bytesOf(i, 5000));
    await later.leave();
    expect((await fsck(dir)).status).toBe('clean');
  });
});

describe('with the index gone too, what is left of the log is a volume again:', () => {
  test.each(DAMAGES.filter(({ what }) => what !== 'all segments missing'))(
    '$what',
    async (damage) => {
      const { workplace, dir } = await damaged(damage);
      fs.writeFileSync(join(dir, 'index', 'CURRENT'), 'nonsense\n');
      const repaired = await fsck(dir, { repair: true });
      expect(repaired).toMatchObject({ status: 'repaired', repair: { index: 'rebuilt' } });
      const desk = await reopen(dir);
      const contents = await readContents(desk);
      if (damage.isHarmless === true) {
        const { contents: wanted } = workplace;
        const changed = [...wanted].filter(([what, content]) => contents.get(what) !== content);
        // eslint-disable-next-line vitest/no-conditional-expect
        expect(changed).toEqual([]);
      }
      desk.save('after', 'the repair');
      await desk.leave();
      const again = await fsck(dir);
      expect([again.status, messagesOf(again)]).toEqual(['clean', '']);
      // It follows from the log as it is, and can be made of it again.
      expect(await fsck(dir, { rebuildIndex: true })).toMatchObject({
        status: 'clean',
        repair: { index: 'rebuilt' },
      });
      expect((await fsck(dir)).status).toBe('clean');
      const later = await reopen(dir);
      const lostBefore = [...contents].filter(([, content]) => content === 'EIO');
      expect(compare(await readContents(later), contents).length).toBe(lostBefore.length);
      await later.leave();
    },
  );
});
