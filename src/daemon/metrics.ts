/**
 * What the supervisor answers to those who watch over it: measurements, and whether all is well.
 */

import type { Route } from '../control/http-server.ts';
import type { DaemonStatus } from '../control/protocol.ts';
import { judgeHealth } from './health.ts';
import { listFamilies } from './metrics-families.ts';
import { formatMetrics, METRICS_CONTENT_TYPE } from './metrics-text.ts';
import { survey } from './survey.ts';

export function metricsRoutes(source: { status(): DaemonStatus }): Route[] {
  return [
    {
      on: 'GET /metrics',
      handle: async () => ({
        text: formatMetrics(listFamilies(await survey(source))),
        contentType: METRICS_CONTENT_TYPE,
      }),
    },
    {
      on: 'GET /v1/metrics',
      handle: async () => ({ json: listFamilies(await survey(source)) }),
    },
    {
      on: 'GET /health',
      handle: async () => {
        const health = judgeHealth(await survey(source));
        return { json: health, status: health.ok ? 200 : 503 };
      },
    },
  ];
}
