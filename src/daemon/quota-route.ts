/**
 * The quota of a session, set by whoever runs it: the daemon writes it down, the volume server keeps to it.
 *
 * Rule: the server goes first, because only it knows what is used; what cannot be written down afterwards is
 * taken back.
 */

import { callJson } from '../control/http-client.ts';
import type { Route } from '../control/http-server.ts';
import type { QuotaInfo } from '../control/promise-protocol.ts';
import type { SessionRecord } from '../control/protocol.ts';
import { parseQuotaRequest } from '../control/quota-request.ts';
import type { SessionCommands } from './session-commands.ts';

const TIMEOUT_MS = 10_000;

export function quotaRoute(commands: SessionCommands): Route {
  return {
    on: 'PUT /v1/sessions/:id/quota',
    handle: async ({ params, body }) => {
      const { change, isForced } = parseQuotaRequest(body);
      const json = await commands.amend(params['id'] ?? '', {
        change: (record) => ({ ...record, quota: { ...record.quota, ...change } }),
        tell: (record, socketPath) => tellQuota(socketPath, record, isForced),
        takeBack: (record, socketPath) => tellQuota(socketPath, record, true),
      });
      return { json };
    },
  };
}

function tellQuota(
  socketPath: string,
  record: SessionRecord,
  isForced: boolean,
): Promise<QuotaInfo> {
  return callJson<QuotaInfo>({
    socketPath,
    method: 'PUT',
    path: '/v1/quota',
    body: { own: record.quota ?? {}, force: isForced },
    timeoutMs: TIMEOUT_MS,
  });
}
