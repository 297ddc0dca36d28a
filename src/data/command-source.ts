import { createReadStream, existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Digest, hexOf } from '../lib/digest.ts';
import { machineEnvironment } from '../lib/environment.ts';
import { UserError, userErrors } from '../lib/errors.ts';
import { expand } from '../lib/expand.ts';
import { hashFiles } from '../lib/hash-file.ts';
import type { DataReference } from '../records/program.ts';
import { lastLineOf } from './last-line.ts';
import { pathProblems } from './names.ts';
import type { DataPlace } from './open.ts';
import { listStamps } from './scan.ts';
import { cacheKey, type Plan, type Source, type Unit } from './source.ts';

/** A data set that a command of the user's makes, which says by a digest which one it is. */
export class CommandSource implements Source {
  readonly proves = false;
  readonly key: string;
  readonly #digest: Digest;
  readonly #name: string;
  readonly #command: readonly string[];
  readonly #place: DataPlace;
  readonly #output: string;

  /** @param name what trainyard.yml calls the data set */
  constructor(
    name: string,
    { command, digest }: Extract<DataReference, { command: string[] }>,
    place: DataPlace,
  ) {
    this.#name = name;
    this.#command = command;
    this.#place = place;
    this.#digest = digest;
    this.key = cacheKey('command', digest);
    this.#output = join(`${place.cache}-aside`, this.key);
  }

  get place(): string {
    return `the command ${this.#command[0]}`;
  }

  fix(): string {
    return `it made other bytes than the first time and printed the same digest; remove ${join(this.#place.cache, this.key)}, and let the digest say what is in the files`;
  }

  /** @throws UserError when the command fails, prints another digest, or leaves something that is no data */
  async plan(): Promise<Plan> {
    await this.#make();
    const { files, others } = await listStamps(this.#output);
    const problems = others.map((path) => `${JSON.stringify(path)} is neither a file nor a folder`);
    problems.push(...pathProblems(files.map(({ path }) => path)));
    if (files.length === 0) problems.push('it is empty; the command writes into the folder ${output}');
    if (problems.length > 0)
      throw userErrors(`data ${this.#name}: what its command made cannot be used`, problems);
    const hashes = await hashFiles(files.map(({ path, size }) => ({ path: join(this.#output, path), size })));
    const units = files.map(
      ({ path, size }, i): Unit => ({
        kind: 'file',
        hex: hashes[i]?.hex ?? '',
        size,
        files: [[path, size]],
      }),
    );
    return { form: 'folder', bytes: files.reduce((sum, { size }) => sum + size, 0), units };
  }

  async open({ files: [file] }: Unit, offset: number): Promise<AsyncIterable<Buffer>> {
    if (!this.isHere()) await this.#make();
    return createReadStream(join(this.#output, file?.[0] ?? ''), { start: offset, highWaterMark: 1 << 20 });
  }

  /** What was hashed a moment ago is moved, not copied. */
  async fetchInto({ files: [file] }: Unit, target: string): Promise<boolean> {
    if (!this.isHere()) return false;
    return rename(join(this.#output, file?.[0] ?? ''), target).then(
      () => true,
      () => false,
    );
  }

  isHere(): boolean {
    return existsSync(this.#output);
  }

  /** The next run would begin with an empty folder. */
  async close(): Promise<void> {
    await rm(this.#output, { recursive: true, force: true });
  }

  async #make(): Promise<void> {
    const { directory, env, log, signal } = this.#place;
    await rm(this.#output, { recursive: true, force: true });
    await mkdir(this.#output, { recursive: true });
    const argv = expand(this.#command, { output: this.#output }, `trainer.data.${this.#name}.command`);
    log.info(`data ${this.#name}: ${argv[0]} makes it`);
    const variables = { ...machineEnvironment(env), TRAINYARD_OUTPUT_DIR: this.#output };
    const how = { cwd: directory, env: variables, signal };
    this.#check(await lastLineOf(argv, how, `data ${this.#name}`));
  }

  /** `sha256:…`, or a line as sha256sum writes it. */
  #check(printed: string): void {
    const found = /^(?:sha256:)?([0-9a-f]{64})(?:\s.*)?$/.exec(printed)?.[1];
    if (found === hexOf(this.#digest)) return;
    throw new UserError(
      found === undefined
        ? `data ${this.#name}: the last line of ${this.#command[0]} is ${JSON.stringify(printed.slice(0, 200))}, and must be the digest of what it made: sha256: and 64 hexadecimal digits`
        : `data ${this.#name}: ${this.#command[0]} made sha256:${found}, and trainyard.yml says ${this.#digest}. If it is the right data, write digest: "sha256:${found}" under trainer.data.${this.#name}, and commit`,
    );
  }
}
