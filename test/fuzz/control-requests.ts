/**
 * Requests to the control sockets that no client of ours sends: whole ones with wrong contents, and bytes
 * that are no request at all.
 */

import type { Random } from './random.ts';

/** What is really there, to be half right. */
export interface ControlWorld {
  readonly session: string;
  /** A directory that mounts may be asked for in. */
  readonly scratch: string;
}

const METHODS = ['GET', 'POST', 'DELETE', 'PUT', 'HEAD', 'OPTIONS', 'PATCH', 'PROPFIND', 'get'];
const DAEMON_PATHS = [
  '/v1/status',
  '/v1/sessions',
  '/v1/metrics',
  '/v1/health',
  '/metrics',
  '/v1/sessions/ID',
  '/v1/sessions/BAD/mount',
  '/v1/sessions/BAD/unmount',
  '/v1/sessions/BAD/end',
  '/v1/sessions/BAD',
];
const VOLUME_PATHS = [
  '/info',
  '/metrics',
  '/log',
  '/node',
  '/content',
  '/compare',
  '/export',
  '/rollback',
  '/undelete',
  '/sync',
  '/configure',
  '/nothing',
];
const IDS = [
  '../x',
  '..',
  '.',
  '',
  '%2e%2e%2fx',
  '%00',
  '__proto__',
  'constructor',
  '%ff%fe',
  '%',
  'a%20b',
  'x'.repeat(5000),
  '*',
  ':id',
];
const QUERY_VALUES = [
  '',
  'a',
  'notes.md',
  '/',
  '..',
  '../..',
  '%00',
  '.versions',
  'a/'.repeat(3000),
  'n'.repeat(300),
  '%ff',
  '%E0%A4%A',
  'r1',
  'r999999999999999',
  '~1',
  '~99999999999',
  '1e999',
  'NaN',
  '-1',
  '0',
  '10m',
  `1m${'+'.repeat(50_000)}x`,
  '9'.repeat(400),
  '2026-02-30',
  'yesterday+99:99',
  '@@',
  '__proto__',
];
const QUERY_NAMES = ['path', 'at', 'otherPath', 'otherAt', 'limit', '__proto__', 'path', 'at'];
const FIELDS = [
  'name',
  'mountPoint',
  'owner',
  'options',
  'path',
  'to',
  'exact',
  'dryRun',
  'actor',
  'logLevel',
  '__proto__',
];

/** The bytes of one exchange; the last part may be cut off. */
export function makeControlBytes(random: Random, world: ControlWorld, isDaemon: boolean): Buffer {
  const body = makeBody(random, world);
  const method = random.pick(random.once(5) ? METHODS : ['GET', 'POST']);
  // Nobody asks for what would be done: the session is needed to the end.
  const session = method === 'DELETE' ? 'nobody' : world.session;
  const head = [
    `${method} ${makeTarget(random, { ...world, session }, isDaemon)} HTTP/1.1`,
    'host: control',
    'connection: close',
    ...makeHeaders(random, body.length),
  ].join('\r\n');
  const whole = Buffer.concat([Buffer.from(`${head}\r\n\r\n`, 'latin1'), body]);
  if (random.once(8)) return whole.subarray(0, random.below(whole.length));
  if (random.once(12)) return random.bytes(random.between(1, 300));
  if (!random.once(10)) return whole;
  whole[random.below(Math.min(whole.length, 200))] = random.next();
  return whole;
}

function makeTarget(random: Random, world: ControlWorld, isDaemon: boolean): string {
  const query = Array.from({ length: random.below(4) }, () => {
    return `${random.pick(QUERY_NAMES)}=${random.pick(QUERY_VALUES)}`;
  }).join('&');
  const suffix = query === '' ? '' : `?${query}`;
  if (random.once(25)) {
    return random.pick([
      '//',
      'http://[',
      '*',
      '/'.repeat(9000),
      '/v1/%',
      '\\',
      '/v1/../../x',
      '?',
    ]);
  }
  const volumePath = random.pick(VOLUME_PATHS);
  if (!isDaemon) return `/v1${volumePath}${suffix}`;
  const id = random.once(3) ? random.pick(IDS) : world.session;
  if (random.once(2)) return `/v1/sessions/${id}/volume${volumePath}${suffix}`;
  const path = random.pick(DAEMON_PATHS).replace('BAD', () => random.pick(IDS));
  return path.replace('ID', () => id) + suffix;
}

function makeHeaders(random: Random, bodyBytes: number): string[] {
  switch (random.below(14)) {
    case 0:
      return ['content-length: 99999999'];
    case 1:
      return ['content-length: -1'];
    case 2:
      return ['transfer-encoding: chunked'];
    case 3:
      return [`content-length: ${bodyBytes}`, 'transfer-encoding: chunked'];
    case 4:
      return [`content-length: ${bodyBytes}`, 'expect: 100-continue'];
    case 5:
      return [`content-length: ${bodyBytes}`, 'upgrade: websocket', 'connection: upgrade'];
    case 6:
      return [`content-length: ${bodyBytes}`, `x-big: ${'x'.repeat(200_000)}`];
    case 7:
      return Array.from({ length: 3000 }, (_, i) => `x-${i}: ${i}`);
    default:
      return [`content-length: ${bodyBytes}`];
  }
}

function makeBody(random: Random, world: ControlWorld): Buffer {
  switch (random.below(12)) {
    case 0:
      return Buffer.alloc(0);
    case 1:
      return random.bytes(random.below(100));
    case 2:
      return Buffer.from('['.repeat(200_000));
    case 3:
      return Buffer.from('{"a":'.repeat(100_000));
    case 4:
      return Buffer.alloc(random.pick([1 << 20, 3 << 20]), ' ');
    case 5:
      return Buffer.from(random.pick(['null', '[]', '7', '"x"', '{"a":1', '{}}', '\ufeff{}']));
    default: {
      const fields = Array.from({ length: random.between(1, 5) }, () => {
        return `${JSON.stringify(random.pick(FIELDS))}:${JSON.stringify(makeValue(random, world, 0))}`;
      });
      return Buffer.from(`{${fields.join(',')}}`);
    }
  }
}

function makeValue(random: Random, world: ControlWorld, depth: number): unknown {
  switch (random.below(depth > 2 ? 8 : 10)) {
    case 0:
      return null;
    case 1:
      return random.once(2);
    case 2:
      return random.pick([0, -1, 1.5, 2 ** 53, 1e300, 4_294_967_295]);
    case 3:
      return random.text(random.below(40));
    case 4:
      return 'x'.repeat(random.pick([300, 70_000]));
    case 5:
      return random.pick(['', '..', '../x', 'a\0b', '__proto__', '/nonexistent\0', '~1', 'r1']);
    case 6:
      // Nothing can be made there: whatever it is, it is refused.
      return `${world.scratch}/file/${random.below(9)}`;
    case 7:
      return random.pick(['debug', 'kernel', 'floppy', 'notes.md', '\ud800', 'é']);
    case 8:
      return Array.from({ length: random.below(4) }, () => makeValue(random, world, depth + 1));
    default:
      return Object.fromEntries(
        Array.from({ length: random.below(4) }, () => [
          random.pick([
            'uid',
            'gid',
            'pid',
            'command',
            'label',
            'driver',
            'dev',
            'x',
            'allowOther',
          ]),
          makeValue(random, world, depth + 1),
        ]),
      );
  }
}
