import { posix } from 'node:path';
import { isInside } from '../records/names.ts';
import type { AcceptedFile } from './accept.ts';
import { type Facts, quoted, Unfit } from './formats/format.ts';

/** Why a file cannot be in the package; goes on after its path. */
export interface Problem {
  readonly path: string;
  readonly problem: string;
}

/**
 * Files that no header tells about are taken only as the external data of a model.
 * @param sizes of all files that are listed, those that were refused included
 */
export function dataProblems(
  files: readonly AcceptedFile[],
  sizes: ReadonlyMap<string, number | undefined>,
): Problem[] {
  const used = new Set<string>();
  const problems: Problem[] = [];
  for (const { path, found } of files) {
    try {
      for (const name of externalFiles(path, found.facts, sizes)) used.add(name);
    } catch (error) {
      if (!(error instanceof Unfit)) throw error;
      problems.push({ path, problem: error.message });
    }
  }
  // Where a model's data is in disorder, nobody knows which files are its own.
  if (problems.length > 0) return problems;
  const problem =
    'is of no kind that is known here, and no ONNX model names it as its data; export it in a form that a package takes, and name it so';
  return files
    .filter(({ path, found }) => found.kind === 'data' && !used.has(path))
    .map(({ path }) => ({ path, problem }));
}

/**
 * Holds what an ONNX model says of its external data against the files of the package. A reader opens whatever path stands
 * there, so that it must be one of them, named as it is, and long enough.
 * @returns the paths of the files that it uses
 * @throws Unfit
 */
function externalFiles(
  path: string,
  facts: Facts,
  sizes: ReadonlyMap<string, number | undefined>,
): Set<string> {
  const used = new Set<string>();
  for (const { location, offset, length } of facts.parts ?? []) {
    const told = quoted(location);
    if (!isInside(location))
      throw new Unfit(
        `keeps weights in ${told}, and only a plain path inside its own folder is taken; export it with its data beside it`,
      );
    const file = posix.join(posix.dirname(path), location);
    const size = sizes.get(file);
    if (size === undefined)
      throw new Unfit(`keeps weights in ${told}, and ${file} is not among model.files; add it`);
    const end = offset + length;
    if (end > size)
      throw new Unfit(
        `keeps weights in ${told} up to byte ${end}, and ${file} has ${size}; it is cut off, or of another export: export both again`,
      );
    used.add(file);
  }
  return used;
}
