/**
 * Loaded into volume servers before their own code (NODE_OPTIONS=--import): requests for certain names
 * then kill the server that carries them out, make it hang, or wait for ever; and a file keeps servers from starting.
 */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const dist = join(import.meta.dirname, '../../dist');
const isServer = process.argv[1]?.endsWith('volume-server.js') === true;

if (isServer && existsSync(process.env['SESSFS_TEST_NO_START'] ?? '')) process.exit(7);
if (isServer) {
  const url = pathToFileURL(join(dist, 'mount/volume-file-system.js')).href;
  const { VolumeFileSystem } = await import(url);
  const { lookup, mkdir } = VolumeFileSystem.prototype;
  VolumeFileSystem.prototype.lookup = function sabotaged(request, parent, name) {
    // Never answered, though others are: until another server is asked again.
    if (name === 'wait' && !request.resent) return new Promise(() => undefined);
    return lookup.call(this, request, parent, name);
  };
  VolumeFileSystem.prototype.mkdir = function sabotaged(request, parent, name, mode) {
    if (name === 'crash') process.abort();
    if (name === 'out-of-memory') process.kill(process.pid, 'SIGKILL');
    if (name === 'hang') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    return mkdir.call(this, request, parent, name, mode);
  };
}
