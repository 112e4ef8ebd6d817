/**
 * The nodeids and names of `.versions`, and the layout of index.json.
 */

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Version } from '../../src/history/store.ts';
import {
  escapeName,
  extensionOf,
  unescapeName,
  versionName,
} from '../../src/mount/version-names.ts';
import { fillInIndex, layOutIndex } from '../../src/mount/versions-index.ts';
import { VirtualNodes, nodeIdOf } from '../../src/mount/virtual-nodes.ts';
import type { VirtualNode } from '../../src/mount/virtual-nodes.ts';
import type { Ino, Name, NodeId, Revision } from '../../src/shared/brands.ts';
import { ACTOR, START_SEC } from './versions-fake-history.ts';

const named = (i: number): VirtualNode => ({
  kind: 'past',
  dir: 1 as Ino,
  path: [`n${i}` as Name],
});

const past = (...path: string[]): NodeId =>
  nodeIdOf({ kind: 'past', dir: 1 as Ino, path: path as Name[] });

const moment = (ino: number, at: number, isTop: boolean): VirtualNode => ({
  kind: 'moment',
  ino: ino as Ino,
  at: at as Revision,
  isTop,
});

describe('VirtualNodes', () => {
  it('finds every node by its nodeid, packed or remembered', () => {
    const ino = fc.oneof(
      fc.integer({ min: 1, max: 2 ** 24 + 1 }),
      fc.maxSafeNat().map((n) => n % 2 ** 48),
    );
    const at = fc.oneof(fc.nat(2 ** 26 + 1), fc.maxSafeNat());
    fc.assert(
      fc.property(ino, at, fc.boolean(), (i, r, isTop) => {
        const nodes = new VirtualNodes();
        for (const node of [
          moment(i, r, isTop),
          { kind: 'past', dir: i as Ino, path: [] },
        ] as const) {
          const nodeid = nodes.register(node);
          expect(nodes.get(nodeid)).toEqual(node);
          expect(nodeid).toBe(nodeIdOf(node));
          expect(nodeid >= 2 ** 52 && nodeid < 2 ** 53 && Number.isSafeInteger(nodeid)).toBe(true);
        }
      }),
    );
  });

  it('needs no memory for the nodes of a moment', () => {
    const nodes = new VirtualNodes();
    for (let ino = 1; ino <= 1000; ino++) nodes.register(moment(ino, 5, false));
    expect(nodes.size).toBe(0);
  });

  it('remembers no more than it may, and drops what was not used for longest', () => {
    const nodes = new VirtualNodes(3);
    const ids = [1, 2, 3].map((i) => nodes.register(named(i)));
    nodes.get(ids[0] as NodeId);
    nodes.register(named(4));
    expect(nodes.size).toBe(3);
    expect(nodes.get(ids[0] as NodeId)).toEqual(named(1));
    expect(() => nodes.get(ids[1] as NodeId)).toThrow('ESTALE');
  });

  it('tells paths apart whose names join to the same text', () => {
    expect(past('a', 'b')).not.toBe(past('ab'));
    expect(nodeIdOf({ kind: 'past', dir: 11 as Ino, path: ['a' as Name] })).not.toBe(
      past('1', 'a'),
    );
  });
});

describe('extensionOf', () => {
  it.each([
    ['notes.md', '.md'],
    ['archive.tar.gz', '.gz'],
    ['Makefile', ''],
    ['.bashrc', ''],
    ['.bashrc.bak', '.bak'],
    ['..', ''],
    ['...a', ''],
    ['end.', ''],
    ['b.\xfc\xff', '.\xfc\xff'],
    [`a.${'x'.repeat(60)}`, ''],
  ])('of %j is %j', (name, extension) => {
    expect(extensionOf(name)).toBe(extension);
  });
});

describe('versionName', () => {
  it('fits into 255 bytes whatever the file is called', () => {
    const version = { revision: 123_456_789_012 as Revision, time: { sec: START_SEC, nsec: 0 } };
    const name = versionName(`${'a'.repeat(223)}.${'b'.repeat(31)}` as Name, version);
    expect(name).toBe(`r123456789012-20261122T100000Z.${'b'.repeat(31)}`);
    expect(name.length).toBeLessThanOrEqual(255);
  });
});

describe('escapeName', () => {
  it.each(['a', '@', '@@', '@now', '@@x'])('of %j leads back to it', (name) => {
    expect(unescapeName(escapeName(name as Name) as Name)).toEqual({ name });
  });

  it('gives no name longer than names may be', () => {
    expect(escapeName(`@${'x'.repeat(254)}` as Name)).toBeUndefined();
    expect(escapeName(`@${'x'.repeat(253)}` as Name)).toHaveLength(255);
  });
});

describe('fillInIndex', () => {
  it('is not led astray by a command that contains what it looks for', () => {
    const evil = `x "sha256": "${'?'.repeat(64)}" "sha256": null`;
    const version: Version = {
      revision: 4 as Revision,
      ino: 2 as Ino,
      time: { sec: START_SEC, nsec: 0 },
      size: 1,
      mode: 0o100644,
      uid: 0,
      gid: 0,
      mtime: { sec: START_SEC, nsec: 0 },
      actor: { ...ACTOR, command: evil },
      cause: 'close',
    };
    const versions = [version, { ...version, revision: 5 as Revision }];
    const file = { versions, liveIno: undefined, removed: undefined };
    const layout = layOutIndex(['dir' as Name, evil as Name], file, []);
    const filled = fillInIndex(layout, [undefined, 'a'.repeat(64)]);
    expect(filled.length).toBe(layout.sizeBytes);
    const index = JSON.parse(filled.toString());
    expect(index.name).toBe(evil);
    expect(index.versions[0]).toMatchObject({ sha256: null, actor: { command: evil } });
    expect(index.versions[1]).toMatchObject({ sha256: 'a'.repeat(64) });
  });
});
