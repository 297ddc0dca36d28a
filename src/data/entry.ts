import { appendFile, chmod, lstat, mkdir, readdir, rename, rm, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { codeOf } from '../lib/errors.ts';
import { keyOf } from '../lib/file-state.ts';
import { readIfThere, writeWhole } from '../lib/files.ts';
import { inParallel } from '../lib/in-parallel.ts';
import { tryJson } from '../lib/json.ts';
import type { Threads } from '../lib/threads.ts';
import type { PartTask, ReadPart } from './read-part.ts';
import { listStamps, type ScannedFile } from './scan.ts';
import { type Plan, plan as planSchema, type Unit } from './source.ts';

/** Where parts are read again. */
export type PartThreads = Threads<PartTask, ReadPart>;

const note = z.tuple([z.string(), z.string()]);

/**
 * A data set in the cache: what it consists of (`plan.json`), its files (`content/`), and the state in which each was when it was
 * proved (`stamps.jsonl`), so that it need not be read again.
 */
export class Entry {
  readonly folder: string;
  readonly plan: Plan;
  readonly #stamps: Map<string, string>;

  private constructor(folder: string, plan: Plan, stamps: Map<string, string>) {
    this.folder = folder;
    this.plan = plan;
    this.#stamps = stamps;
  }

  /** What lies in a folder; undefined when nothing there tells what it is. */
  static async open(folder: string): Promise<Entry | undefined> {
    await ensureFolder(join(folder, 'content'));
    const parsed = planSchema.safeParse(tryJson((await readIfThere(join(folder, 'plan.json'))) ?? ''));
    if (!parsed.success) return undefined;
    const stamps = new Map<string, string>();
    for (const line of ((await readIfThere(join(folder, 'stamps.jsonl'))) ?? '').split('\n')) {
      const known = note.safeParse(tryJson(line));
      if (known.success) stamps.set(...known.data);
    }
    return new Entry(folder, parsed.data, stamps);
  }

  /** Begins one. What lies in the folder already is kept if it turns out to be right. */
  static async create(folder: string, plan: Plan): Promise<Entry> {
    await mkdir(join(folder, 'content'), { recursive: true });
    await rm(join(folder, 'stamps.jsonl'), { force: true });
    await writeWhole(join(folder, 'plan.json'), JSON.stringify(plan));
    return new Entry(folder, plan, new Map());
  }

  /** What the trainer gets. */
  get path(): string {
    const [[name] = ['']] = this.plan.units[0]?.files ?? [];
    return this.plan.form === 'file' ? join(this.#content, name) : this.#content;
  }

  get #content(): string {
    return join(this.folder, 'content');
  }

  /** A place for what is on its way. */
  async aside(name: string): Promise<string> {
    const place = join(this.folder, 'parts', name);
    await mkdir(dirname(place), { recursive: true });
    return place;
  }

  /**
   * Looks at every file, reads those that may have changed, and removes what does not belong there.
   * @returns the units that have to be fetched, and how many things did not belong there
   */
  async check(threads: PartThreads): Promise<{ missing: Unit[]; strays: number }> {
    const { files, others } = await listStamps(this.#content);
    const found = new Map(files.map((file) => [file.path, file]));
    const wanted = new Set(this.plan.units.flatMap((unit) => unit.files.map(([path]) => path)));
    const strays = [...others, ...[...found.keys()].filter((path) => !wanted.has(path))];
    if (strays.length > 0) await this.unprotect();
    for (const path of strays) await rm(join(this.#content, path), { recursive: true, force: true });
    const suspects = this.plan.units.filter((unit) =>
      unit.files.some(([path]) => found.get(path)?.stamp !== (this.#stamps.get(path) ?? '')),
    );
    const verdicts = await inParallel(suspects, 4, async (unit) => {
      const isRight = await this.#isRight(unit, found, threads);
      if (isRight) await this.#note(unit.files.map(([path]) => [path, found.get(path)?.stamp ?? '']));
      return { unit, isRight };
    });
    const missing = verdicts.filter(({ isRight }) => !isRight).map(({ unit }) => unit);
    return { missing, strays: strays.length };
  }

  /** Takes the files of a unit, which were proved, from where they lie. */
  async adopt({ files }: Unit, placeOf: (path: string) => string): Promise<void> {
    const adopted = files.map(async ([path]): Promise<[string, string]> => {
      const target = join(this.#content, path);
      await chmod(placeOf(path), 0o444);
      await mkdir(dirname(target), { recursive: true });
      await rename(placeOf(path), target).catch(async (error: unknown) => {
        if (codeOf(error) !== 'EISDIR') throw error;
        await rm(target, { recursive: true });
        await rename(placeOf(path), target);
      });
      return [path, keyOf(await lstat(target, { bigint: true }))];
    });
    await this.#note(await Promise.all(adopted));
  }

  /** Writes down how large it is, where the plan did not know. */
  async settle(): Promise<void> {
    if (this.plan.bytes !== null) return;
    const { files } = await listStamps(this.#content);
    const bytes = files.reduce((sum, { size }) => sum + size, 0);
    await writeWhole(join(this.folder, 'plan.json'), JSON.stringify({ ...this.plan, bytes }));
  }

  /** Notes that it was used now, for who has to choose what goes. */
  async touch(): Promise<void> {
    const now = new Date();
    await utimes(join(this.folder, 'plan.json'), now, now);
  }

  /** Nobody is to write here: neither into the files nor beside them. */
  async protect(): Promise<void> {
    await rm(join(this.folder, 'parts'), { recursive: true, force: true });
    await chmodFolders(this.#content, 0o555);
  }

  async unprotect(): Promise<void> {
    await chmodFolders(this.#content, 0o755);
  }

  async #isRight(
    { kind, hex, files }: Unit,
    found: ReadonlyMap<string, ScannedFile>,
    threads: PartThreads,
  ): Promise<boolean> {
    const present = files.flatMap(([path, size]) => {
      const file = found.get(path);
      return file === undefined || (size !== null && size !== file.size) ? [] : [{ path, size: file.size }];
    });
    if (present.length < files.length) return false;
    const read = await threads.run({ root: this.#content, kind, files: present }).catch(() => undefined);
    return read?.hex === hex;
  }

  async #note(stamps: readonly (readonly [path: string, stamp: string])[]): Promise<void> {
    for (const [path, stamp] of stamps) this.#stamps.set(path, stamp);
    const lines = stamps.map((line) => `${JSON.stringify(line)}\n`).join('');
    await appendFile(join(this.folder, 'stamps.jsonl'), lines);
  }
}

/** Removes an entry's folder, which may be protected. */
export async function removeEntry(folder: string): Promise<void> {
  await chmodFolders(join(folder, 'content'), 0o755).catch(() => {});
  await rm(folder, { recursive: true, force: true });
}

/** Nothing below a link is ours to look at or to remove. */
async function ensureFolder(folder: string): Promise<void> {
  const found = await lstat(folder).catch(() => undefined);
  if (found !== undefined && !found.isDirectory()) await rm(folder);
  await mkdir(folder, { recursive: true });
}

async function chmodFolders(folder: string, mode: number): Promise<void> {
  await chmod(folder, 0o755);
  for (const entry of await readdir(folder, { withFileTypes: true }))
    if (entry.isDirectory()) await chmodFolders(join(folder, entry.name), mode);
  await chmod(folder, mode);
}
