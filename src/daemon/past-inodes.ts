/**
 * Which inodes are, or once were, at a path or below it: what would go if it went with its history.
 */

import type { DirectoryLineage, History } from '../history/store.ts';
import type { Ino, Name } from '../shared/brands.ts';
import type { Volume } from '../volume/volume.ts';
import { findDirectory, findHistoryOf, missing } from './volume-paths.ts';

/**
 * Not those that live elsewhere now: they would stay.
 *
 * @throws {SessfsError} PATH_UNKNOWN
 */
export async function listInos(
  volume: Volume,
  history: History,
  path: readonly Name[],
): Promise<Set<Ino>> {
  const inos = new Set<Ino>();
  const file = await findHistoryOf(history, path);
  const directory = await findDirectory(history, path);
  if (file === undefined && directory === undefined) throw await missing(history, path);
  for (const { ino } of file?.versions ?? []) inos.add(ino);
  if (file?.liveIno !== undefined) inos.add(file.liveIno);
  if (directory !== undefined) await collect(history, directory, inos);
  const here = path.join('/');
  for (const ino of inos) {
    const inode = volume.state.findInode(ino);
    if (inode === undefined || inode.nlink === 0) continue;
    const place = volume.promiser.locate(inode);
    const own = place.directory === '' ? place.name : `${place.directory}/${place.name}`;
    if (own !== here && !own.startsWith(`${here}/`)) inos.delete(ino);
  }
  return inos;
}

async function collect(
  history: History,
  directory: DirectoryLineage,
  inos: Set<Ino>,
): Promise<void> {
  for (const ino of directory.inos) inos.add(ino);
  for (const past of await history.listPastNames(directory)) {
    if (past.wasFile) {
      const file = await history.findFileHistory(directory, past.name);
      for (const { ino } of file?.versions ?? []) inos.add(ino);
      if (file?.liveIno !== undefined) inos.add(file.liveIno);
    }
    if (!past.wasDirectory) continue;
    const child = await history.findChildLineage(directory, past.name);
    if (child !== undefined) await collect(history, child, inos);
  }
}
