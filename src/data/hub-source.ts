import type { Digest } from '../lib/digest.ts';
import { UserError } from '../lib/errors.ts';
import type { DataReference } from '../records/program.ts';
import { digestOfFiles, type Hub, type HubRepository } from './hub.ts';
import { cacheKey, type Plan, type Source, type Unit } from './source.ts';

/** A data set of the Hub, as build found it. */
export class HubSource implements Source {
  readonly proves = false;
  readonly key: string;
  readonly #digest: Digest;
  readonly #hub: Hub;
  readonly #repository: HubRepository;
  readonly #globs: readonly string[] | undefined;

  constructor(reference: Extract<DataReference, { hf: string }>, hub: Hub) {
    const { hf: name, type, commit: revision } = reference;
    this.#hub = hub;
    this.#repository = { name, type, revision };
    this.#globs = reference.files;
    this.#digest = reference.digest;
    this.key = cacheKey('hf', reference.digest);
  }

  get place(): string {
    return `${this.#hub.host}/${this.#repository.name}`;
  }

  fix(): string {
    return `${this.#hub.host} sends another file than it lists; try again later, or another HF_ENDPOINT`;
  }

  /** @throws UserError when the files are not those that build saw */
  async plan(): Promise<Plan> {
    const files = await this.#hub.files(this.#repository, this.#globs);
    if (digestOfFiles(files) !== this.#digest)
      throw new UserError(
        `${this.place} lists other files at commit ${this.#repository.revision} than build saw; is HF_ENDPOINT the same host here and there?`,
      );
    const units = files.map(
      ({ path, size, kind, hex }): Unit => ({ kind, hex, size, files: [[path, size]] }),
    );
    return { form: 'folder', bytes: files.reduce((sum, { size }) => sum + size, 0), units };
  }

  async open({ files: [file] }: Unit, offset: number): Promise<AsyncIterable<Buffer>> {
    return this.#hub.open(this.#repository, file?.[0] ?? '', offset);
  }
}
