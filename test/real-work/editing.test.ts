/**
 * Small everyday work: editors, shell redirections, links, odd names, sparse files.
 */

import { expect, test } from 'vitest';
import { lacksTools, realWork } from './pair.ts';

const needs = lacksTools('ex', 'sed', 'perl', 'python3', 'dd');

/** Title and script; afterwards the directory must be what it is on ext4. */
const CASES: readonly (readonly [string, string])[] = [
  ['ex', 'seq 100 > f; printf "%%s/1/one/g\\n10,20d\\nwq\\n" | ex -s f'],
  [
    'ex with a backup',
    'seq 100 > f; printf "set backup backupcopy=no backupskip=\\n%%s/2/two/\\nwq\\n" | ex -s f',
  ],
  [
    'sed -i on many files',
    'for i in $(seq 300); do seq $i > f$i; done; sed -i s/1/one/ f*; sed -i.bak 1d f1*',
  ],
  ['mv over', 'echo one > a; echo two > b; mv b a; mkdir d; mv a d; mv d/a d/b'],
  ['>>', 'for i in $(seq 2000); do echo $i >> log; done'],
  ['> f', 'for i in $(seq 100); do seq $i > f; done; : > empty; echo x > y; : > y'],
  [
    'truncate',
    'seq 10000 > f; truncate -s 100 f; truncate -s 100000 f; truncate -s +5 f; echo end >> f',
  ],
  [
    'hard links',
    'echo one > a; ln a b; ln b c; echo two >> c; rm a; mkdir d; ln c d/e; chmod 600 d/e',
  ],
  [
    'symlinks',
    'ln -s target dangling; mkdir d; ln -s d e; echo x > e/f; ln -sfn e g; mv g h; ln -s "$(printf "%02000d" 1)" long',
  ],
  [
    'a name that is not UTF-8',
    'n=$(printf "\\377\\376 name"); echo x > "$n"; mv "$n" "$n.2"; mkdir "d$n"; cp "$n.2" "d$n/"',
  ],
  ['odd names', `touch -- -rf ' ' '*' 'a\nb' '"' "'" '\\' @at ~1 r42 latest; mkdir '@x' '...'`],
  [
    'dd in pieces',
    'dd if=/dev/zero of=f bs=1000 count=10 seek=3 status=none; printf abc | dd of=f bs=1 seek=5000 conv=notrunc status=none',
  ],
  [
    'python',
    `python3 -c "
import os, mmap
f = open('f', 'w+b'); f.truncate(100000); m = mmap.mmap(f.fileno(), 0); m[50000:50005] = b'hello'; m.flush(); m.close(); f.close()
os.replace('f', 'g'); open('h', 'x').close()
with open('g', 'r+b') as g: g.seek(99990); g.write(b'x' * 100)
"`,
  ],
  ['perl -i', 'seq 1000 > f; perl -i.orig -ne "print unless /7/" f'],
  [
    'umask, chmod and chown',
    'umask 077; echo x > a; mkdir d; umask 002; echo y > b; chmod 4755 a; chmod g+s d; echo z > d/c',
  ],
  [
    'a patch',
    'seq 50 > f; seq 50 | sed s/25/changed/ > g; diff -u --label f --label g f g > p || true; patch -s f p; cmp f g; rm -f f.orig',
  ],
  ['many small renames', 'for i in $(seq 500); do echo $i > t; mv t f$((i % 7)); done'],
  ['split and cat', 'seq 100000 > f; split -b 10000 f part-; cat part-* | cmp - f'],
  [
    'cp --sparse',
    'truncate -s 10M s; printf mid | dd of=s bs=1 seek=5000000 conv=notrunc status=none; cp --sparse=always s t; cp --sparse=never s u; cp --reflink=auto s v',
  ],
];

realWork('Editing', (pair) => {
  test.skipIf(needs).each(CASES)('%s', async (_title, script) => {
    await pair.both(script);
    expect(await pair.differences()).toBe('');
    expect(await pair.differencesFromNow()).toBe('');
  });

  test.skipIf(needs)('a sparse file of 5 GiB keeps its holes through cp', async () => {
    const work = `truncate -s 5G s; printf middle | dd of=s bs=1 seek=3000000000 conv=notrunc status=none; printf end >> s
cp --sparse=always s t; stat -c %s s t; dd if=t bs=1 skip=3000000000 count=6 status=none; tail -c 4 t | od -An -c
cmp s t && echo same; test "$(du -k t | cut -f1)" -lt 4096 && echo sparse; rm s t`;
    expect(await pair.onMount(work)).toBe(
      '5368709123\n5368709123\nmiddle  \\0   e   n   d\nsame\nsparse\n',
    );
  });

  test.skipIf(needs)('a pipe of tools gives the same sums', async () => {
    const work = `seq 300000 > f; sort -R --random-source=f f > g; sort -n g | cmp - f && echo sorted; gzip -k f; gunzip -c f.gz | sha256sum
tac f | sort -n | uniq | wc -l; tar c f g | tar t; sha256sum f g | sha256sum; comm -12 f f | wc -l`;
    const { mounted, plain } = await pair.both(work);
    expect(mounted).toBe(plain);
  });
});
