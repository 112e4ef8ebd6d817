/**
 * A tree of a volume at one revision as a tar archive (pax), streamed.
 *
 * Guarantees: everything is read at one revision; the same export twice is the same bytes (names in byte
 * order, no time of the export in it); what it reads is not removed meanwhile; nothing is held in memory but one piece of content, the first
 * names of hard links, and the manifest, which comes last and has the SHA-256 of every file.
 */

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { Readable } from 'node:stream';

import { pack as makePack } from 'tar-stream';
import type { Pack } from 'tar-stream';

import type { History, Node } from '../history/store.ts';
import type { Name, Revision } from '../shared/brands.ts';
import { fileKind, isDirectory, isRegular } from '../shared/mode.ts';
import { isUtf8Name, nameFromText, nameToText } from '../shared/names.ts';
import { timeToIso } from '../shared/time.ts';
import { encodePaxHeader } from './pax.ts';
import { describeEntry } from './tar-entry.ts';
import type { EntryHeader } from './tar-entry.ts';

export const MANIFEST_NAME = '.sessfs-manifest.json';

/** Small enough that hashing and copying a piece does not keep the thread from serving the kernel. */
const CHUNK_BYTES = 128 * 1024;
/** The manifest is put together in pieces of so many entries. */
const MANIFEST_LINES = 1000;

export interface ExportOptions {
  readonly path: readonly Name[];
  readonly node: Node;
  readonly revision: Revision;
  /** Ends the work when nobody reads any more. */
  readonly signal: AbortSignal;
}

interface ManifestEntry {
  readonly path: string;
  /** Hex, for a path that is not UTF-8. */
  readonly pathBytes?: string;
  readonly kind: string;
  readonly size: number;
  readonly sha256?: string;
  readonly linkTo?: string;
  /** It is in no archive: tar has no word for a socket. */
  readonly isSkipped?: true;
  /** It is not in the archive: retention has removed what it held. */
  readonly isRemoved?: true;
}

interface Work {
  readonly history: History;
  readonly pack: Pack;
  readonly options: ExportOptions;
  /** By inode number: the path under which a file with several names was packed. */
  readonly firstNames: Map<number, string>;
  /** Encoded as they come: a million entries are then long, but not all objects. */
  readonly manifest: string[];
}

export function exportTar(history: History, options: ExportOptions): Readable {
  const pack = makePack();
  const readable = toReadable(pack);
  const work: Work = { history, pack, options, firstNames: new Map(), manifest: [] };
  const unpin = history.pin(options.revision);
  const packing = packAll(work).finally(unpin);
  packing.catch((error: unknown) => {
    readable.destroy(error instanceof Error ? error : new Error(String(error)));
  });
  return readable;
}

/** tar-stream's streams are not Node's own. */
function toReadable(pack: Pack): Readable {
  const readable = new Readable({
    read: () => {
      pack.resume();
    },
    destroy: (error, done) => {
      pack.destroy(error ?? new Error('The reader of the export has gone'));
      done(error);
    },
  });
  pack.on('data', (piece) => {
    if (!readable.push(piece)) pack.pause();
  });
  pack.on('end', () => readable.push(null));
  pack.on('error', (error: Error) => readable.destroy(error));
  return readable;
}

async function packAll(work: Work): Promise<void> {
  const { options, pack } = work;
  const base = options.path.at(-1);
  if (isDirectory(options.node.mode)) await packTree(work, base ?? '', options.node);
  else await packNode(work, base ?? '', options.node);
  await packManifest(work);
  pack.finalize();
}

/** A directory, then what is in it, in byte order. */
async function packTree(work: Work, path: string, dir: Node): Promise<void> {
  const { history, options } = work;
  await packNode(work, path === '' ? './' : `${path}/`, dir);
  for (const entry of await history.listChildren(dir.ino, options.revision)) {
    if (options.signal.aborted) throw new Error('The reader of the export has gone');
    const node = await history.findNode(entry.ino, options.revision);
    if (node === undefined)
      throw new Error(`Inode ${entry.ino} is missing at r${options.revision}`);
    const below = path === '' ? entry.name : `${path}/${entry.name}`;
    if (isDirectory(node.mode)) await packTree(work, below, node);
    else await packNode(work, below, node);
  }
}

async function packNode(work: Work, path: string, node: Node): Promise<void> {
  const { firstNames, pack } = work;
  const list = (item: ManifestEntry): void => {
    work.manifest.push(JSON.stringify(item));
  };
  const linkTo = firstNames.get(node.ino);
  if (node.nlink > 1 && !isDirectory(node.mode) && linkTo === undefined)
    firstNames.set(node.ino, path);
  const entry = describeEntry(node, { path, linkTo });
  const listed = {
    path: nameToText(path),
    ...(isUtf8Name(path) ? {} : { pathBytes: Buffer.from(path, 'latin1').toString('hex') }),
    kind: fileKind(node.mode),
    size: node.size,
  };
  if (node.isGone) {
    list({ ...listed, isRemoved: true });
    return;
  }
  if (entry === undefined) {
    list({ ...listed, isSkipped: true });
    return;
  }
  pack.push(encodePaxHeader(entry.pax));
  if (linkTo !== undefined) {
    await packEntry(work, entry.header);
    list({ ...listed, linkTo: nameToText(linkTo) });
  } else if (isRegular(node.mode)) {
    list({ ...listed, sha256: await packContent(work, entry.header, node) });
  } else {
    await packEntry(work, entry.header);
    list(listed);
  }
}

/** An entry that has no content: tar-stream does not wait for the end of any. */
function packEntry({ pack }: Work, header: EntryHeader): Promise<void> {
  return new Promise((resolve, reject) => {
    pack.entry(header, (error) => (error ? reject(error) : resolve()));
  });
}

/** @returns The SHA-256 of what was packed. */
async function packContent(work: Work, header: EntryHeader, node: Node): Promise<string> {
  const { history, options } = work;
  const hash = createHash('sha256');
  async function* read(): AsyncGenerator<Buffer> {
    for (let offset = 0; offset < node.size;) {
      if (options.signal.aborted) throw new Error('The reader of the export has gone');
      const want = Math.min(CHUNK_BYTES, node.size - offset);
      const piece = await history.read(node.ino, options.revision, offset, want);
      if (piece.length === 0) {
        throw new Error(`Inode ${node.ino} ends at ${offset}, not at ${node.size}`);
      }
      hash.update(piece);
      offset += piece.length;
      yield piece;
    }
  }
  await writeEntry(work.pack, header, read());
  return hash.digest('hex');
}

/** One entry of it a line; under a name that the tree itself does not have. */
async function packManifest(work: Work): Promise<void> {
  const { history, options, manifest, pack } = work;
  const time = timeToIso(await history.getRevisionTime(options.revision));
  const head = `{"format":1,"revision":${options.revision},"time":"${time}","entries":[\n`;
  const parts = [Buffer.from(head)];
  for (let line = 0; line < manifest.length; line += MANIFEST_LINES) {
    const end = line + MANIFEST_LINES < manifest.length ? ',\n' : '\n';
    parts.push(Buffer.from(manifest.slice(line, line + MANIFEST_LINES).join(',\n') + end));
  }
  parts.push(Buffer.from(']}\n'));
  const size = parts.reduce((sum, part) => sum + part.length, 0);
  const name = await findFreeName(work);
  const header: EntryHeader = { name, type: 'file', mode: 0o644, mtime: new Date(0), size };
  await writeEntry(pack, header, parts);
}

async function findFreeName({ history, options }: Work): Promise<string> {
  if (!isDirectory(options.node.mode)) return MANIFEST_NAME;
  let name = MANIFEST_NAME;
  while (
    (await history.findChild(options.node.ino, nameFromText(name), options.revision)) !== undefined
  ) {
    name = `${name}.sessfs`;
  }
  const base = options.path.at(-1);
  return base === undefined ? name : `${nameToText(base)}/${name}`;
}

/** Writes an entry's content with its back-pressure. */
async function writeEntry(
  pack: Pack,
  header: EntryHeader,
  content: Iterable<Buffer> | AsyncIterable<Buffer>,
): Promise<void> {
  let settle: ((error?: Error | null) => void) | undefined;
  const done = new Promise<void>((resolve, reject) => {
    settle = (error) => (error ? reject(error) : resolve());
  });
  const sink = pack.entry(header, (error) => settle?.(error));
  // An export that fails ends the entry under way: nobody else listens, and it would end the process.
  sink.on('error', (error) => settle?.(error));
  done.catch(() => undefined);
  for await (const piece of content) {
    if (!sink.write(piece)) await Promise.race([once(sink, 'drain'), done]);
  }
  // Its types want an argument.
  sink.end(undefined);
  await done;
}
