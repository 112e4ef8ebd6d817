/**
 * sessfs metrics: what the daemon and its volume servers count, as Prometheus reads it.
 */

import type { Command } from 'commander';

import { openClient, printJson, withCommon } from './context.ts';
import type { CommonOptions } from './context.ts';

/** A daemon that is well answers at once, and waits a second at most for servers that are not. */
const METRICS_TIMEOUT_MS = 10_000;

export function addMetrics(program: Command): void {
  const command = program
    .command('metrics')
    .description('Print measurements in the text format of Prometheus');
  withCommon(command, 'sessfs metrics > /var/lib/node_exporter/sessfs.prom').action(run);
}

async function run(options: CommonOptions): Promise<void> {
  const client = openClient(options);
  if (options.json === true) printJson(await client.metricFamilies(METRICS_TIMEOUT_MS));
  else process.stdout.write(await client.metrics(METRICS_TIMEOUT_MS));
}
