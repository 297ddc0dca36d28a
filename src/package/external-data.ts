import { posix } from 'node:path';
import { isInside } from '../records/names.ts';
import { type Facts, Unfit } from './formats/format.ts';

/**
 * Holds what an ONNX model says of its external data against the files of the package. A reader opens whatever path stands
 * there, so that it must be one of them, named as it is, and long enough.
 * @param sizes of all files of the model, by path
 * @returns the paths of the files that it uses
 * @throws Unfit
 */
export function externalFiles(path: string, facts: Facts, sizes: ReadonlyMap<string, number>): Set<string> {
  const used = new Set<string>();
  for (const { location, offset, length } of facts.parts ?? []) {
    const told = JSON.stringify(location);
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
