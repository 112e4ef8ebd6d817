/**
 * What the kernel was told of `.versions` is known to the next server.
 */

import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, test } from 'vitest';

import { NodeMemory } from '../../src/mount/node-memory.ts';
import { VirtualNodes } from '../../src/mount/virtual-nodes.ts';
import type { VirtualNode } from '../../src/mount/virtual-nodes.ts';
import type { Ino, Name, NodeId } from '../../src/shared/brands.ts';

let dir = '';
let path = '';
beforeEach(() => {
  dir = fs.mkdtempSync(join(tmpdir(), 'sessfs-nodes-'));
  path = join(dir, 'nodes');
});
afterEach(() => fs.rmSync(dir, { recursive: true }));

const named = (i: number): VirtualNode => ({
  kind: 'past',
  dir: 1 as Ino,
  path: [`n${i}` as Name],
});

const note: VirtualNode = {
  kind: 'text',
  parent: 7 as NodeId,
  name: '.status.json' as Name,
  content: Buffer.from('{"a": 1}\n'),
  ownership: { permissions: 0o400, uid: 1, gid: 2, time: { sec: 3, nsec: 4 } },
};

function serve(isResumed: boolean, maxBytes?: number): VirtualNodes {
  const options = maxBytes === undefined ? { isResumed } : { isResumed, maxBytes };
  return new VirtualNodes(undefined, new NodeMemory(path, options));
}

function tell(nodes: VirtualNodes, node: VirtualNode): NodeId {
  const nodeid = nodes.register(node);
  nodes.retain(nodeid);
  return nodeid;
}

test('a node that the kernel was told is known to every later server', () => {
  const first = serve(false);
  const ids = [named(1), note].map((node) => tell(first, node));
  const second = serve(true);
  expect(ids.map((nodeid) => second.get(nodeid))).toEqual([named(1), note]);
  const added = tell(second, named(2));
  const third = serve(true);
  expect([...ids, added].map((nodeid) => third.get(nodeid))).toEqual([named(1), note, named(2)]);
});

test('a node that the kernel was not told is not, nor one that it has forgotten', () => {
  const first = serve(false);
  const untold = first.register(named(1));
  const forgotten = tell(first, named(2));
  const second = serve(true);
  expect(() => second.get(untold)).toThrow('ESTALE');
  second.forget(forgotten, 1);
  expect(() => second.get(forgotten)).toThrow('ESTALE');
});

test('a new connection knows nothing of an earlier one', () => {
  const nodeid = tell(serve(false), named(1));
  expect(() => serve(false).get(nodeid)).toThrow('ESTALE');
  expect(() => serve(true).get(nodeid)).toThrow('ESTALE');
});

test('half a record at the end is cut off, and what is appended then is found', () => {
  const first = serve(false);
  const [whole, half] = [tell(first, named(1)), tell(first, named(2))];
  fs.truncateSync(path, fs.statSync(path).size - 1);
  const second = serve(true);
  const added = tell(second, named(3));
  for (const server of [second, serve(true)]) {
    expect([server.get(whole), server.get(added)]).toEqual([named(1), named(3)]);
    expect(() => server.get(half)).toThrow('ESTALE');
  }
});

test('a file that is full begins anew with what the kernel still knows', () => {
  const first = serve(false, 2000);
  const kept = tell(first, named(0));
  for (let i = 1; i < 500; i += 1) first.forget(tell(first, named(i)), 1);
  expect(fs.statSync(path).size).toBeLessThan(2500);
  const second = serve(true, 2000);
  for (let i = 500; i < 1000; i += 1) second.forget(tell(second, named(i)), 1);
  expect(fs.statSync(path).size).toBeLessThan(2500);
  expect(serve(true).get(kept)).toEqual(named(0));
});

test('a store that cannot be written costs the memory, and nothing else', () => {
  path = join(dir, 'missing', 'nodes');
  const nodes = serve(true);
  const nodeid = tell(nodes, named(1));
  expect(nodes.get(nodeid)).toEqual(named(1));
});
