import { EntryNames, nameProblem } from '../lib/archive/names.ts';
import { userErrors } from '../lib/errors.ts';
import type { Stored } from '../records/kind.ts';
import type { Descriptor } from '../records/oci.ts';
import type { ServerConfig } from '../records/program.ts';
import type { RunConfig } from '../records/run.ts';
import type { Project } from '../source/project.ts';
import type { YamlFile } from '../source/yaml.ts';
import { readBytes } from '../store/records.ts';
import type { Store } from '../store/store.ts';
import { dataProblems } from './external-data.ts';
import { type ModelFile, Unfit } from './formats/format.ts';
import { readText } from './formats/text.ts';
import { ACCEPTED, type Found, inspect } from './inspect.ts';
import { outputsOf, serverPaths } from './outputs.ts';
import type { PickleScanner } from './scan.ts';

/** A file of the model that may be in a package. */
export interface AcceptedFile {
  readonly path: string;
  readonly blob: Descriptor;
  readonly found: Found;
}

/**
 * Holds the outputs that `model.files` lists, and the golden requests, against what a package takes. Only headers and texts
 * are read, and what a scanner has to see. @throws UserError with all that is wrong
 */
export async function acceptFiles(
  store: Store,
  file: YamlFile<Project>,
  run: Stored<RunConfig>,
  server: Stored<ServerConfig> | undefined,
  scanner: PickleScanner,
): Promise<AcceptedFile[]> {
  const { model } = file.value;
  const outputs = outputsOf(run);
  const problems: string[] = [];
  const accepted: AcceptedFile[] = [];
  const names = new EntryNames();
  for (const path of ['README.md', ...serverPaths(server)]) names.file(path);
  const check = async (path: string, place: string, look: (blob: Descriptor) => Promise<void>) => {
    const blob = outputs.get(path);
    try {
      const why = nameProblem(path) ?? names.file(path);
      if (why !== undefined) throw new Unfit(`${why}; rename it`);
      if (blob === undefined)
        throw new Unfit(
          `is not an output of the run; its outputs are ${[...outputs.keys()].join(', ') || 'none'}`,
        );
      await look(blob);
    } catch (error) {
      if (!(error instanceof Unfit)) throw error;
      problems.push(`${place}: ${JSON.stringify(path).slice(1, -1)} ${error.message}`);
    }
  };
  const placeOf = (path: string): string => file.place(['model', 'files', model.files.indexOf(path)]);
  for (const path of model.files)
    await check(path, placeOf(path), async (blob) => {
      const found = await inspect(await fileIn(store, blob, path), model.allow.includes('pickle'));
      if (found.kind === 'pickles') await scanner.scan(store, blob, path);
      accepted.push({ path, blob, found });
    });
  const golden = server?.config.golden;
  if (golden !== undefined && outputs.has(golden)) {
    await check(golden, file.place(['server', 'golden']), async (blob) => {
      await readText(await fileIn(store, blob, golden));
    });
  }
  const sizes = new Map(
    model.files.flatMap((path): [string, number][] => {
      const size = outputs.get(path)?.size;
      return size === undefined ? [] : [[path, size]];
    }),
  );
  for (const [path, why] of dataProblems(accepted, sizes)) problems.push(`${placeOf(path)}: ${path} ${why}`);
  if (problems.length > 0)
    throw userErrors(`the model cannot be packaged (a package takes ${ACCEPTED})`, problems);
  return accepted;
}

/** A blob as the formats read it. @throws Unfit when its size is not what the run says of it */
async function fileIn(store: Store, { digest, size }: Descriptor, path: string): Promise<ModelFile> {
  const last = await store.peek(digest, Math.max(0, size - 1), 2);
  if (last.length !== Math.min(size, 1))
    throw new Unfit(
      `does not have the ${size} bytes that the run says: it was cut off or replaced; train again`,
    );
  return {
    path,
    size,
    peek: (offset, length) => store.peek(digest, offset, length),
    read: () => readBytes(store, digest),
  };
}
