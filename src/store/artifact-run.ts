import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Artifact, DefaultArtifactClient } from '@actions/artifact';
import { extractInto } from '../lib/archive/extract.ts';
import type { ArchiveLimits } from '../lib/archive/rules.ts';
import { MachineError, messageOf, UserError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { retry } from '../lib/retry.ts';

/** How many names are tried when all of them are taken by uploads that never ended. */
const NAMES = 20;
/** What another job adds meanwhile could as well have come a moment later. */
const FRESH_MS = 1000;

/** What came is not what was uploaded; what comes next may be. */
class DigestMismatch extends UserError {}

/** Where a job's messages go and how it waits. */
export interface RunOptions {
  readonly log: Log;
  readonly sleep?: ((milliseconds: number) => Promise<unknown>) | undefined;
}

/**
 * The artifacts of this workflow run, through @actions/artifact, with what its client leaves to its callers: it gives up
 * at once when a connection fails, never repeats an upload, and only mentions bytes that differ (callers verify them).
 */
export class RunArtifacts {
  readonly #client = new DefaultArtifactClient();
  readonly #options: RunOptions;
  #listed: { readonly at: number; readonly artifacts: readonly Artifact[] } | undefined;

  constructor(options: RunOptions) {
    this.#options = options;
  }

  /** All finished artifacts of the run, of every job, oldest first; those of others as they were up to a second ago. */
  async list(): Promise<readonly Artifact[]> {
    const at = performance.now();
    if (this.#listed === undefined || at - this.#listed.at > FRESH_MS)
      this.#listed = { at, artifacts: await this.#listNow() };
    return this.#listed.artifacts;
  }

  async #listNow(): Promise<readonly Artifact[]> {
    const { artifacts } = await this.#try('the list of artifacts', () => this.#client.listArtifacts());
    return artifacts.sort((a, b) => a.id - b.id);
  }

  /**
   * Uploads files, uncompressed and by their paths under `root`, and returns the artifact's id. A name that is taken is
   * kept if `isSame` says that it holds this content, else the next of `NAME.2`, `NAME.3`, … is tried: an artifact cannot
   * be replaced, and one whose upload broke off keeps its name without being readable. The service refuses a name that is
   * taken before it takes a byte, so nothing is asked beforehand.
   */
  async upload(
    name: string,
    files: readonly string[],
    root: string,
    isSame: (found: Artifact) => Promise<boolean>,
  ): Promise<number> {
    let number = 1;
    return this.#try(`the upload of artifact ${name}`, async () => {
      for (; number <= NAMES; number++) {
        const candidate = number === 1 ? name : `${name}.${number}`;
        const id = await this.#create(candidate, files, root);
        if (id !== undefined) return id;
        const taken = (await this.#listNow()).find((artifact) => artifact.name === candidate);
        if (taken !== undefined && (await isSame(taken))) return taken.id;
        this.#options.log.info(`artifact ${candidate} is taken and holds something else, or nothing`);
      }
      throw new MachineError(
        `all of ${name} to ${name}.${NAMES} are taken by artifacts of this workflow run`,
      );
    });
  }

  /** The id of a new artifact; undefined when the name is taken. */
  async #create(name: string, files: readonly string[], root: string): Promise<number | undefined> {
    this.#listed = undefined;
    try {
      const { id } = await this.#client.uploadArtifact(name, [...files], root, { compressionLevel: 0 });
      if (id === undefined) throw new MachineError(`the upload of artifact ${name} gave no id`);
      return id;
    } catch (error) {
      if (/\(409\)/.test(messageOf(error))) return undefined;
      throw error;
    }
  }

  /**
   * Downloads an artifact into an empty folder, of which `take` takes what it can verify from where its files lie; then
   * the folder is gone. The zip, which another may have uploaded by this name, is opened by our rules, not the client's.
   * @throws UserError when `take` fails, because then something is wrong with what came
   */
  async download<T>(
    artifact: Artifact,
    folder: string,
    limits: ArchiveLimits,
    take: (files: string) => Promise<T>,
  ): Promise<T> {
    const files = join(folder, 'files');
    try {
      const zip = await this.#try(`the download of artifact ${artifact.name}`, () =>
        this.#fetch(artifact, join(folder, 'zip')),
      );
      const rules = { what: 'its zip', fix: 'Trainyard writes no such zip', limits };
      await extractInto(files, rules, (into) => into.zip(zip));
      await rm(zip);
      return await take(files);
    } catch (error) {
      throw error instanceof MachineError ? error : damaged(artifact, error);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  /** Downloads the zip into a folder under the name that the service gives it, and compares its digest with the uploader's. */
  async #fetch({ id, digest }: Artifact, folder: string): Promise<string> {
    await rm(folder, { recursive: true, force: true });
    const options = { path: folder, expectedHash: digest ?? '', skipDecompress: true };
    const { digestMismatch } = await this.#client.downloadArtifact(id, options);
    if (digestMismatch === true && digest !== undefined)
      throw new DigestMismatch(`its bytes differ from their digest ${digest}`);
    const [name = ''] = await readdir(folder);
    return join(folder, name);
  }

  async #try<T>(what: string, work: () => Promise<T>): Promise<T> {
    try {
      return await retry(work, { what, ...this.#options, isTransient });
    } catch (error) {
      if (error instanceof MachineError || error instanceof UserError) throw error;
      throw new MachineError(`${what} failed; see githubstatus.com if it lasts`, { cause: error });
    }
  }
}

function damaged({ name }: Artifact, cause: unknown): UserError {
  return new UserError(
    `artifact ${name} of this workflow run was damaged on its way, or Trainyard did not write it; run this job again, and if that does not help the whole workflow`,
    { cause },
  );
}

/**
 * The client repeats calls that are answered with a 429 or 5xx, and downloads. It repeats neither a call whose
 * connection failed, nor an upload of bytes, whose errors alone do not name a call.
 */
function isTransient(error: unknown): boolean {
  if (error instanceof DigestMismatch) return true;
  if (error instanceof MachineError || error instanceof UserError) return false;
  const message = messageOf(error);
  if (/\b(ECONNRESET|ENOTFOUND|ETIMEDOUT|ECONNREFUSED|EHOSTUNREACH)\b/.test(message)) return true;
  return !/^(Failed to \w+:|Unable to download)/.test(message);
}
