import { existsSync } from 'node:fs';
import { link, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { type Digest, hexOf } from '../lib/digest.ts';
import { codeOf, UserError } from '../lib/errors.ts';
import { aside, readIfThere, writeWhole } from '../lib/files.ts';
import { byBytes, tryJson } from '../lib/json.ts';
import { type Descriptor, descriptor } from '../records/oci.ts';

const REF_NAME = 'org.opencontainers.image.ref.name';

/** Entries may be other tools', with fields that we do not use and keep. */
const indexSchema = z.looseObject({ schemaVersion: z.literal(2), manifests: z.array(descriptor.loose()) });

/**
 * The names of a layout. `index.json` is what every OCI tool reads, and one file cannot be changed by two writers at
 * once without a lock. So each name is first written as a file of its own (`refs/NAME`), and a writer rewrites the
 * index until it holds every such file: whoever writes last looks once more after writing, so no name is lost, and a
 * writer that dies leaves no lock behind. It may have put an index of before over a name that moved meanwhile: to
 * writers, a name's file is right and the index is not.
 */
export class LayoutIndex {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  /** All names with the prefix, those of a writer that died before its index was written included. */
  async names(prefix: string): Promise<ReadonlyMap<string, Digest>> {
    const entries = await this.#merged(await this.#read());
    return new Map(
      [...entries].filter(([name]) => name.startsWith(prefix)).map(([name, { digest }]) => [name, digest]),
    );
  }

  /** Gives the manifest these names; a name that stood for another one moves. */
  async add(manifest: Descriptor, names: readonly string[]): Promise<void> {
    for (const name of names) await writeWhole(join(this.#root, 'refs', name), JSON.stringify(manifest));
    await this.#settle((index) => index);
  }

  /** When each name was given last, in milliseconds since 1970; one that another tool gave has no time. */
  async times(): Promise<ReadonlyMap<string, number>> {
    const times = new Map<string, number>();
    for (const name of await this.#refs()) {
      const found = await stat(join(this.#root, 'refs', name)).catch(() => undefined);
      if (found !== undefined) times.set(name, found.mtimeMs);
    }
    return times;
  }

  /**
   * Takes all names from these manifests, but those that were given after a time, in milliseconds since 1970.
   * @returns what it took
   */
  async remove(digests: ReadonlySet<Digest>, since: number): Promise<ReadonlyMap<string, Descriptor>> {
    const taken = new Map<string, Descriptor>();
    for (const [name, entry] of await this.#merged(await this.#read()))
      if (digests.has(entry.digest) && (await this.#takeRef(name, entry.digest, since)))
        taken.set(name, entry);
    await this.forget(digests);
    return taken;
  }

  /** Takes out of the index what no name's file is there for. */
  forget(digests: ReadonlySet<Digest>): Promise<void> {
    return this.#settle((index) => new Map([...index].filter(([, { digest }]) => !digests.has(digest))));
  }

  /** Takes away the names of manifests that are not here; what it took. */
  async dropDangling(): Promise<ReadonlyMap<string, Digest>> {
    const dropped = new Map<string, Digest>();
    for (const [name, { digest }] of await this.#read()) if (!this.#isHere(digest)) dropped.set(name, digest);
    for (const name of await this.#refs()) {
      const path = join(this.#root, 'refs', name);
      const { digest } = refOf((await readIfThere(path)) ?? '', path);
      if (this.#isHere(digest)) continue;
      dropped.set(name, digest);
      await rm(path, { force: true });
    }
    await this.forget(new Set(dropped.values()));
    return dropped;
  }

  /** Mends names and index from each other; says in sentences what it mended. */
  async mend(): Promise<string[]> {
    const mended: string[] = [];
    const path = join(this.#root, 'index.json');
    const index = await this.#read().catch(async (error: unknown) => {
      if (!(error instanceof UserError)) throw error;
      await rename(path, `${path}.damaged`);
      mended.push('index.json was damaged: it is index.json.damaged now, and written again from refs/');
      return new Map<string, Descriptor>();
    });
    const wasDamaged = mended.length > 0;
    for (const name of await this.#refs()) {
      const ref = join(this.#root, 'refs', name);
      if (descriptor.safeParse(tryJson((await readIfThere(ref)) ?? '')).success) continue;
      const known = index.get(name);
      if (known === undefined) await rm(ref, { force: true });
      else await writeWhole(ref, JSON.stringify(known));
      const now = known === undefined ? 'removed' : 'written again from index.json';
      mended.push(`the name ${name} was damaged, and is ${now}`);
    }
    const lacking = [...(await this.#merged(index)).keys()].filter((name) => !index.has(name));
    if (!wasDamaged && lacking.length > 0) mended.push(`index.json lacked ${lacking.join(', ')}`);
    await this.#settle((entries) => entries);
    return mended;
  }

  /** Writes the index until it holds what it should, and every name besides. */
  async #settle(change: (index: Map<string, Descriptor>) => Map<string, Descriptor>): Promise<void> {
    for (;;) {
      const index = await this.#read();
      const wanted = serialise(await this.#merged(change(index), true));
      if (serialise(index) === wanted) return;
      await writeWhole(join(this.#root, 'index.json'), wanted);
    }
  }

  /** Removes a name's file; false when it stands for another manifest now, or was given a moment ago. */
  async #takeRef(name: string, digest: Digest, since: number): Promise<boolean> {
    const path = join(this.#root, 'refs', name);
    const text = await readIfThere(path);
    if (text === undefined) return true;
    if (refOf(text, path).digest !== digest) return false;
    const taken = aside(path);
    try {
      await rename(path, taken);
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return true;
      throw error;
    }
    // Somebody may have given it again since it was read.
    const isOld = (await stat(taken)).mtimeMs <= since;
    if (!isOld) await link(taken, path).catch(() => {});
    await rm(taken);
    return isOld;
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
   * The index with the refs that it lacks and, to write it, with names that may have moved as their files say. A ref without its
   * manifest is of a record that another tool deleted.
   */
  async #merged(index: ReadonlyMap<string, Descriptor>, isToWrite = false): Promise<Map<string, Descriptor>> {
    const merged = new Map(index);
    for (const name of await this.#refs()) {
      const known = merged.get(name);
      // A record's own name ends with its digest's first digits, and never moves.
      if (known !== undefined && (!isToWrite || name.endsWith(`-${hexOf(known.digest, 12)}`))) continue;
      const path = join(this.#root, 'refs', name);
      const text = await readIfThere(path);
      if (text === undefined) continue;
      const entry = refOf(text, path, known);
      if (entry.digest !== known?.digest && this.#isHere(entry.digest)) merged.set(name, named(name, entry));
    }
    return merged;
  }

  #isHere(digest: Digest): boolean {
    return existsSync(join(this.#root, 'blobs', 'sha256', hexOf(digest)));
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

/** @param instead where its file was damaged */
function refOf(text: string, path: string, instead?: Descriptor): Descriptor {
  const found = descriptor.safeParse(tryJson(text)).data ?? instead;
  if (found !== undefined) return found;
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
