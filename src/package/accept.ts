import { EntryNames, nameProblem } from '../lib/archive/names.ts';
import { userErrors } from '../lib/errors.ts';
import { inParallel } from '../lib/in-parallel.ts';
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

/** More at a time make a registry no faster; texts are held in memory meanwhile. */
const AT_ONCE = 4;

interface Judged {
  readonly path: string;
  readonly accepted?: AcceptedFile | undefined;
  readonly problem?: string | undefined;
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
  const { files, allow } = file.value.model;
  const outputs = outputsOf(run);
  const names = new EntryNames();
  for (const path of ['README.md', ...serverPaths(server)]) names.file(path);
  const golden = server?.config.golden;
  const paths = golden !== undefined && outputs.has(golden) ? [...files, golden] : files;
  const listed = paths.map((path) => ({ path, problem: nameProblem(path) ?? names.file(path) }));
  const judged = await inParallel(listed, AT_ONCE, async ({ path, problem }): Promise<Judged> => {
    const blob = outputs.get(path);
    try {
      if (problem !== undefined) throw new Unfit(`${problem}; rename it`);
      if (blob === undefined)
        throw new Unfit(
          `is not an output of the run; its outputs are ${[...outputs.keys()].join(', ') || 'none'}`,
        );
      const content = await fileIn(store, blob, path);
      if (path === golden) return { path, accepted: await readText(content).then(() => undefined) };
      const found = await inspect(content, allow.includes('pickle'));
      if (found.kind === 'pickles') await scanner.scan(store, blob, path);
      return { path, accepted: { path, blob, found } };
    } catch (error) {
      if (error instanceof Unfit) return { path, problem: error.message };
      throw error;
    }
  });
  const accepted = judged.flatMap((one) => one.accepted ?? []);
  const sizes = new Map(files.map((path) => [path, outputs.get(path)?.size]));
  const problems = [...judged, ...dataProblems(accepted, sizes)].flatMap(({ path, problem }) => {
    const place = file.place(
      path === golden ? ['server', 'golden'] : ['model', 'files', files.indexOf(path)],
    );
    return problem === undefined ? [] : [`${place}: ${JSON.stringify(path).slice(1, -1)} ${problem}`];
  });
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
