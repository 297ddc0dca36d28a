import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { type Digest, hexOf } from '../lib/digest.ts';
import { codeOf, UserError } from '../lib/errors.ts';
import { readIfThere, writeWhole } from '../lib/files.ts';
import { byBytes, tryJson } from '../lib/json.ts';
import { type Descriptor, descriptor } from '../records/oci.ts';

const REF_NAME = 'org.opencontainers.image.ref.name';

/** Entries may be other tools', with fields that we do not use and keep. */
const indexSchema = z.looseObject({ schemaVersion: z.literal(2), manifests: z.array(descriptor.loose()) });

/**
 * The names of a layout. `index.json` is what every OCI tool reads, and one file cannot be changed by two writers at
 * once without a lock. So each name is first written as a file of its own (`refs/NAME`), and a writer rewrites the
 * index until it holds every such file: whoever writes last looks once more after writing, so no name is lost, and a
 * writer that dies leaves no lock behind.
 */
export class LayoutIndex {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  /** All names with the prefix, those of a writer that died before its index was written included. */
  async names(prefix: string): Promise<ReadonlyMap<string, Digest>> {
    const entries = await this.#merged(await this.#read(), []);
    return new Map(
      [...entries].filter(([name]) => name.startsWith(prefix)).map(([name, { digest }]) => [name, digest]),
    );
  }

  /** Gives the manifest these names; a name that stood for another one moves. */
  async add(manifest: Descriptor, names: readonly string[]): Promise<void> {
    for (const name of names) await writeWhole(join(this.#root, 'refs', name), JSON.stringify(manifest));
    for (;;) {
      const index = await this.#read();
      const merged = await this.#merged(index, names);
      const wanted = serialise(merged);
      if (serialise(index) === wanted) return;
      await writeWhole(join(this.#root, 'index.json'), wanted);
    }
  }

  async #read(): Promise<Map<string, Descriptor>> {
    const path = join(this.#root, 'index.json');
    const text = await readIfThere(path);
    if (text === undefined) return new Map();
    const parsed = indexSchema.safeParse(tryJson(text));
    if (!parsed.success) throw new UserError(`${path} is not an OCI image index; is this folder a store?`);
    return new Map(
      parsed.data.manifests.map((entry) => [entry.annotations?.[REF_NAME] ?? entry.digest, entry]),
    );
  }

  /**
   * The index with the refs that it lacks, and `fresh` ones as their files say. A ref without its manifest is of a record
   * that another tool deleted.
   */
  async #merged(
    index: ReadonlyMap<string, Descriptor>,
    fresh: readonly string[],
  ): Promise<Map<string, Descriptor>> {
    const merged = new Map(index);
    for (const name of await this.#refs()) {
      if (merged.has(name) && !fresh.includes(name)) continue;
      const path = join(this.#root, 'refs', name);
      const text = await readIfThere(path);
      if (text === undefined) continue;
      const entry = refOf(text, path);
      if (existsSync(join(this.#root, 'blobs', 'sha256', hexOf(entry.digest))))
        merged.set(name, named(name, entry));
    }
    return merged;
  }

  async #refs(): Promise<string[]> {
    try {
      return (await readdir(join(this.#root, 'refs'))).filter((name) => !name.endsWith('.tmp'));
    } catch (error) {
      if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return [];
      throw error;
    }
  }
}

function refOf(text: string, path: string): Descriptor {
  const parsed = descriptor.safeParse(tryJson(text));
  if (parsed.success) return parsed.data;
  throw new UserError(
    `${path} does not name a record, it was damaged; remove it, and run the stage that made the record again`,
  );
}

function named(name: string, manifest: Descriptor): Descriptor {
  return { ...manifest, annotations: { ...manifest.annotations, [REF_NAME]: name } };
}

function serialise(entries: ReadonlyMap<string, Descriptor>): string {
  const manifests = [...entries].sort(([a], [b]) => byBytes(a, b)).map(([, entry]) => entry);
  return JSON.stringify({
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.index.v1+json',
    manifests,
  });
}
