/**
 * Stands in for a volume server whose supervisor has gone: obedient, or one of the ways in which it is not.
 */

import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';

const { kind, socketPath, pidFile } = JSON.parse(process.argv[2]);

const answer = {
  obedient: (reply) => reply.end('{}', () => process.exit(0)),
  endless: (reply) => reply.end('{}'),
  silent: () => undefined,
}[kind];

const ready = () => writeFileSync(pidFile, String(process.pid));

process.on('SIGTERM', () => undefined);
// One that is deaf does not even listen.
if (answer === undefined) setInterval(ready, 100);
else createServer((_request, reply) => answer(reply)).listen(socketPath, ready);
