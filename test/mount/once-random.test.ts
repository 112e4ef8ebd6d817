/**
 * Random sequences of requests, served by servers that die at random moments, come to what they come to
 * without a death: the same answers, the same records, the same state.
 *
 * SESSFS_ONCE_RUNS makes more or fewer runs, of up to SESSFS_ONCE_LENGTH requests; SESSFS_ONCE_SEED
 * repeats them. All are printed.
 */

import fs from 'node:fs';
import { join } from 'node:path';

import * as fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';

import { Client } from './once-client.ts';
import type { Step } from './once-client.ts';
import type { Message } from './once-messages.ts';
import { DEATHS, SCRATCH, Server, Uniques } from './once-server.ts';

const RUNS = Number(process.env['SESSFS_ONCE_RUNS'] ?? 30);
const LENGTH = Number(process.env['SESSFS_ONCE_LENGTH'] ?? 30);
/** The short run is always the same; long ones look for what was not met yet. */
const NEW_SEED = process.env['SESSFS_ONCE_RUNS'] === undefined ? 7 : Date.now() % 2 ** 31;
const SEED = Number(process.env['SESSFS_ONCE_SEED'] ?? NEW_SEED);

const base = fs.mkdtempSync(join(SCRATCH, 'sessfs-once-'));
let count = 0;
let deaths = 0;
afterAll(() => fs.rmSync(base, { recursive: true, force: true }));

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.record({
    kind: fc.nat(1000),
    a: fc.nat(1000),
    b: fc.nat(1000),
    c: fc.nat(1000),
    // Undefined: nobody dies.
    death: fc.option(fc.nat(DEATHS.length - 1), { nil: undefined, freq: 3 }),
    isFlushed: fc.boolean(),
  }),
  { maxLength: LENGTH, size: 'max' },
);

/** Each message with the answer that it got where nobody dies. */
interface Asked {
  readonly message: Message;
  readonly answer: string;
}

async function withoutDeaths(server: Server, planned: readonly Step[]): Promise<Asked[]> {
  const client = new Client(server.volume);
  const uniques = new Uniques();
  const asked: Asked[] = [];
  for (const step of planned) {
    const message = client.choose(step);
    const answer = await server.ask({ ...message, unique: uniques.next() });
    client.told(message, answer);
    asked.push({ message, answer: `${answer.errno} ${answer.body.toString('hex')}` });
  }
  return asked;
}

/** @returns The server that is left. */
async function withDeaths(
  first: Server,
  planned: readonly Step[],
  asked: readonly Asked[],
): Promise<Server> {
  const uniques = new Uniques();
  let server = first;
  for (const [index, { message, answer: wanted }] of asked.entries()) {
    const step = planned[index];
    if (step?.isFlushed === true) await server.volume.flushed();
    const unique = uniques.next();
    const death = step?.death === undefined ? undefined : DEATHS[step.death];
    if (death !== undefined) {
      server = await death.carryOut(server, { ...message, unique });
      deaths += 1;
    }
    const { errno, body } = await server.ask({ ...message, unique, resent: death !== undefined });
    const what = `${index}: opcode ${message.opcode} of ${message.nodeid}, died ${death?.when}`;
    expect(`${what}: ${errno} ${body.toString('hex')}`).toBe(`${what}: ${wanted}`);
  }
  server.endResend();
  return server;
}

test('requests whose servers die come to the same as those whose servers do not', async () => {
  console.log(`SESSFS_ONCE_SEED=${SEED} SESSFS_ONCE_RUNS=${RUNS} SESSFS_ONCE_LENGTH=${LENGTH}`);
  const property = fc.asyncProperty(steps, async (planned) => {
    count += 1;
    const calm = await Server.open(join(base, `calm-${count}-0`));
    let server = await Server.open(join(base, `deadly-${count}-0`));
    try {
      const asked = await withoutDeaths(calm, planned);
      server = await withDeaths(server, planned, asked);
      expect(await server.records()).toEqual(await calm.records());
      expect(await server.state()).toEqual(await calm.state());
      expect([...calm.problems, ...server.problems]).toEqual([]);
    } finally {
      await calm.volume.close();
      await server.volume.close();
    }
  });
  await fc.assert(property, { seed: SEED, numRuns: RUNS, endOnFailure: true });
  expect(deaths).toBeGreaterThan(RUNS);
}, 3_600_000);
