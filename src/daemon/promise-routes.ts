/**
 * The requests about promises that a volume server answers: which they are; how is loaded with the first.
 *
 * Rule: none of it costs anything where nobody asks: a server that is woken by a request starts the sooner.
 */

import type { ControlReply, ControlRequest, Route } from '../control/http-server.ts';
import type { ServedVolume } from './open-volume.ts';

const tiers = (): Promise<typeof import('./tier-api.ts')> => import('./tier-api.ts');
const pledges = (): Promise<typeof import('./pledge-api.ts')> => import('./pledge-api.ts');
const sweeps = (): Promise<typeof import('./sweep-api.ts')> => import('./sweep-api.ts');

type Handle = (served: ServedVolume, request: ControlRequest) => Promise<ControlReply>;

export function promiseRoutes(served: ServedVolume): Route[] {
  const on = (what: string, find: () => Promise<Handle>): Route => ({
    on: what,
    handle: async (request) => (await find())(served, request),
  });
  return [
    on('GET /v1/tier', async () => (await tiers()).readTier),
    on('PUT /v1/tier', async () => (await tiers()).setTier),
    on('GET /v1/tiers', async () => (await tiers()).listTiers),
    on('POST /v1/renew', async () => (await tiers()).renew),
    on('GET /v1/why', async () => (await import('./why-api.ts')).explainWhy),
    on('GET /v1/checkpoints', async () => (await pledges()).listCheckpoints),
    on('POST /v1/checkpoints', async () => (await pledges()).addCheckpoint),
    on('DELETE /v1/checkpoints', async () => (await pledges()).removeCheckpoint),
    on('GET /v1/holds', async () => (await pledges()).listHolds),
    on('POST /v1/holds', async () => (await pledges()).addHold),
    on('DELETE /v1/holds', async () => (await pledges()).releaseHold),
    on('POST /v1/sweep', async () => (await sweeps()).sweep),
    on('GET /v1/audit', async () => (await sweeps()).readAuditLog),
    on('GET /v1/usage', async () => (await sweeps()).readUsage),
  ];
}
