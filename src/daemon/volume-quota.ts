/**
 * The quota on the volume's socket: what the session says itself, checked against what is used.
 */

import type { Route } from '../control/http-server.ts';
import type { QuotaInfo, QuotaReply } from '../control/promise-protocol.ts';
import { readOwnQuota } from '../control/quota-request.ts';
import type { Quota } from '../policy/retention-policy.ts';
import { SessfsError } from '../shared/errors.ts';
import { QUOTA_KINDS } from '../volume/quota-watch.ts';
import type { OwnQuota, QuotaControl, QuotaKind } from '../volume/quota.ts';
import type { VolumeControl } from '../volume/store.ts';

const NAMES: Readonly<Record<QuotaKind, string>> = {
  liveBytes: 'bytes in live files',
  historyBytes: 'bytes in the history',
  inodes: 'inodes',
  versions: 'versions',
};

export function volumeQuotaRoutes({ quota }: VolumeControl): Route[] {
  return [
    { on: 'GET /v1/quota', handle: async () => ({ json: describeQuota(quota) }) },
    {
      // `own` is all that the session says itself.
      on: 'PUT /v1/quota',
      handle: async ({ body }) => {
        const own = readOwnQuota(body['own']);
        if (own === undefined) throw new SessfsError('USAGE', 'Cannot set a quota: it is not one');
        if (body['force'] !== true) checkUse(quota, own);
        quota.setOwn(own);
        return { json: encodeQuota(quota.limits) };
      },
    },
  ];
}

export function describeQuota(quota: QuotaControl): QuotaReply {
  return {
    quota: encodeQuota(quota.limits),
    counted: {
      liveBytes: quota.used('liveBytes'),
      historyBytes: quota.used('historyBytes'),
      inodes: quota.used('inodes'),
      versions: quota.used('versions'),
    },
    warnings: quota.warnings().map(({ text }) => text),
  };
}

function encodeQuota(limits: Quota): QuotaInfo {
  return {
    liveBytes: finite(limits.liveBytes),
    historyBytes: finite(limits.historyBytes),
    inodes: finite(limits.inodes),
    versions: finite(limits.versions),
  };
}

const finite = (limit: number): number | null => (limit === Infinity ? null : limit);

/** @throws {SessfsError} CONFLICT If a limit that changes is below what is used. */
function checkUse(quota: QuotaControl, own: OwnQuota): void {
  for (const kind of QUOTA_KINDS) {
    const limit = own[kind];
    const used = quota.used(kind);
    if (typeof limit !== 'number' || limit === quota.own[kind] || used <= limit) continue;
    throw new SessfsError(
      'CONFLICT',
      `Cannot set a quota of ${limit} ${NAMES[kind]}: there are ${used}`,
      { hint: 'Remove some first, or say --force: until then nothing more can be written' },
    );
  }
}
