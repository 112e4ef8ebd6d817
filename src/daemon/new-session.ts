/**
 * A session that is asked for, checked: its owner, its driver, its mount point, its id.
 */

import { randomBytes } from 'node:crypto';
import { join } from 'node:path';

import type { CreateRequest, SessionOptions, SessionRecord } from '../control/protocol.ts';
import { parseTier } from '../policy/tier.ts';
import { SessfsError } from '../shared/errors.ts';
import { prepareMountPoint } from './mount-point.ts';
import type { MountPort } from './mount-port.ts';
import type { StoreLayout } from './store-layout.ts';

/** Everything that is to be known of a new session; its mount point is there, nothing else is yet. */
export async function planSession(
  request: CreateRequest,
  parts: {
    layout: StoreLayout;
    mounts: MountPort;
    defaults: SessionOptions;
    /** The sessions that there are. */
    taken: readonly SessionRecord[];
    created: string;
  },
): Promise<SessionRecord> {
  const { layout, mounts } = parts;
  const id = makeSessionId();
  const owner = ownerOf(request);
  const options = { ...parts.defaults, ...request.options };
  assertDriverFits(options, owner);
  let mountPoint = join(layout.mountsDir, id);
  if (request.mountPoint !== undefined) {
    mountPoint = await prepareMountPoint(request.mountPoint, mounts);
    const taken = parts.taken.find((other) => other.mountPoint === mountPoint);
    if (taken !== undefined) throw mountPointTaken(mountPoint, taken.id);
  }
  return {
    id,
    name: request.name,
    volumeId: randomBytes(16).toString('hex'),
    ...owner,
    state: 'active',
    created: parts.created,
    ended: undefined,
    mountPoint,
    mounted: true,
    options,
    tier: request.tier === undefined ? undefined : parseTier(request.tier),
  };
}

function ownerOf(request: CreateRequest): { uid: number; gid: number } {
  const uid = process.getuid?.() ?? 0;
  const gid = process.getgid?.() ?? 0;
  const { owner } = request;
  if (owner === undefined) return { uid, gid };
  if (uid !== 0 && (owner.uid !== uid || owner.gid !== gid)) {
    throw new SessfsError(
      'USAGE',
      `Cannot create a session for uid ${owner.uid}: the daemon runs as ${uid}`,
      {
        hint: 'Only a daemon of root has sessions of other users',
      },
    );
  }
  return owner;
}

/** 60 random bits: the name of a mount that others cannot list must not be guessed either. */
function makeSessionId(): string {
  const alphabet = '0123456789abcdefghjkmnpqrstvwxyz';
  return Array.from(randomBytes(12), (byte) => alphabet[byte & 31]).join('');
}

/** libfuse mounts for whoever runs it, and that is the daemon. */
function assertDriverFits(options: SessionOptions, owner: { uid: number }): void {
  if (options.driver === 'kernel' || options.allowOther || owner.uid === process.getuid?.()) return;
  throw new SessfsError(
    'USAGE',
    `Cannot create a session for uid ${owner.uid} with fuse-native: its mount would be closed to that user`,
    { hint: 'Add --allow-other, or use the kernel driver' },
  );
}

function mountPointTaken(mountPoint: string, id: string): SessfsError {
  return new SessfsError('MOUNT_POINT', `Cannot mount at "${mountPoint}": session ${id} has it`, {
    hint: 'Choose another directory, or delete that session',
  });
}
