/**
 * What a process of ours tells of itself.
 *
 * Rule: nothing is measured while nobody asks: a timer that samples the event loop would wake a server
 * that has nothing to do.
 */

import { readdirSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

import type { ProcessMetrics } from '../control/protocol.ts';

/** The delay of the event loop is the worst of so many turns with a timer of so many milliseconds. */
const PROBE_TURNS = 5;
const PROBE_MS = 1;

export async function readProcessMetrics(): Promise<ProcessMetrics> {
  const loopDelaySeconds = await measureLoopDelay();
  const { user, system } = process.cpuUsage();
  const loop = performance.eventLoopUtilization();
  return {
    pid: process.pid,
    startTimeSeconds: Date.now() / 1000 - process.uptime(),
    rssBytes: process.memoryUsage.rss(),
    cpuSeconds: (user + system) / 1e6,
    openDescriptors: countDescriptors(),
    loopDelaySeconds,
    loopActiveSeconds: loop.active / 1000,
    loopIdleSeconds: loop.idle / 1000,
  };
}

/** How much later than asked for the event loop runs a timer right now, in seconds. */
async function measureLoopDelay(): Promise<number> {
  let worstMs = 0;
  for (let turn = 0; turn < PROBE_TURNS; turn += 1) {
    const beganAt = performance.now();
    await delay(PROBE_MS);
    worstMs = Math.max(worstMs, performance.now() - beganAt - PROBE_MS);
  }
  return worstMs / 1000;
}

function countDescriptors(): number {
  // Less the one through which they are listed.
  return readdirSync('/proc/self/fd').length - 1;
}
