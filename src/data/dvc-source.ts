import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, rm, stat } from 'node:fs/promises';
import { isAbsolute, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { UserError } from '../lib/errors.ts';
import { tryJson } from '../lib/json.ts';
import type { DataReference } from '../records/program.ts';
import { dvcFetch } from './dvc-fetch.ts';
import { pathProblems } from './names.ts';
import type { DataPlace } from './open.ts';
import { cacheKey, type Plan, type Source, type Unit } from './source.ts';

type Reference = Extract<DataReference, { dvc: string }>;

/** What a folder's object holds. */
const listing = z.array(z.looseObject({ md5: z.string().regex(/^[0-9a-f]{32}$/), relpath: z.string() }));

/** In a cache or a remote of DVC, objects lie in folders of two digits; DVC 2 had them at the top. */
const LAYOUTS = ['files/md5', ''];

interface Found {
  readonly path: string;
  readonly size: number;
}

/** A data set that DVC keeps: in a folder that this machine sees, or in a remote that the user's own `dvc` reads. */
export class DvcSource implements Source {
  readonly proves = false;
  readonly key: string;
  readonly #name: string;
  readonly #reference: Reference;
  readonly #place: DataPlace;
  readonly #scratch: string;
  #isFetched = false;

  /** @param name what trainyard.yml calls the data set */
  constructor(name: string, reference: Reference, place: DataPlace) {
    this.#name = name;
    this.#reference = reference;
    this.#place = place;
    const { digest, md5, out } = reference;
    this.key = cacheKey('dvc', digest, md5.endsWith('.dir') ? '' : posix.basename(out));
    this.#scratch = join(`${place.cache}-aside`, this.key);
  }

  get place(): string {
    const { remote, dvc } = this.#reference;
    return this.#place.env.TRAINYARD_DVC || remote?.options.url || `the remote of ${dvc}`;
  }

  fix(): string {
    return `what DVC keeps of ${this.#reference.out} is damaged, or was hashed by DVC 2, which leaves line ends out; \`dvc commit --force\` and \`dvc push\` of DVC 3 write it anew`;
  }

  /** @throws UserError when not all of it can be found */
  async plan(): Promise<Plan> {
    const { md5, out, size = null } = this.#reference;
    if (!md5.endsWith('.dir')) {
      const found = await this.#need(md5);
      const files: Unit['files'] = [[posix.basename(out), found.size]];
      return { form: 'file', bytes: found.size, units: [{ kind: 'md5', hex: md5, size: found.size, files }] };
    }
    const units: Unit[] = [];
    for (const { md5: hex, relpath } of await this.#list(md5)) {
      const { size: bytes } = await this.#need(hex);
      units.push({ kind: 'md5', hex, size: bytes, files: [[relpath, bytes]] });
    }
    if (units.length === 0) throw new UserError(`${out} is an empty folder in ${this.place}`);
    return { form: 'folder', bytes: size, units };
  }

  async open({ hex }: Unit, offset: number): Promise<AsyncIterable<Buffer>> {
    const { path } = await this.#need(hex);
    return createReadStream(path, { start: offset, highWaterMark: 1 << 20 });
  }

  /** What was fetched already is not fetched again. */
  async close(isFetched: boolean): Promise<void> {
    if (isFetched) await rm(this.#scratch, { recursive: true, force: true });
  }

  async #list(md5: string): Promise<z.infer<typeof listing>> {
    const { path } = await this.#need(md5);
    const bytes = await readFile(path);
    const found = createHash('md5').update(bytes).digest('hex');
    const parsed = listing.safeParse(tryJson(bytes.toString('utf8')));
    if (`${found}.dir` !== md5 || !parsed.success)
      throw new UserError(`${path} is not the list of files that ${md5} stands for; ${this.fix()}`);
    const [problem] = pathProblems(parsed.data.map(({ relpath }) => relpath));
    if (problem !== undefined) throw new UserError(`${this.#reference.out}: its file ${problem}; rename it`);
    return parsed.data;
  }

  /** An object, wherever it is; fetched with all others when it is in none of the folders. */
  async #need(md5: string): Promise<Found> {
    const found = await this.#find(md5);
    if (found !== undefined) return found;
    const { remote, out, dvc } = this.#reference;
    const isElsewhere = remote !== undefined && folderOf(remote.options.url) === undefined;
    const places = [...this.#folders(), ...(isElsewhere ? [remote.options.url ?? remote.name] : [])];
    const what = `${out} of ${dvc} (${md5}) is not in ${places.join(' or ') || 'a folder of this machine'}`;
    if (!isElsewhere || this.#isFetched || /^\.{1,2}\//.test(remote.options.url ?? ''))
      throw new UserError(
        `${what}; run \`dvc push\` where the data are, or set TRAINYARD_DVC of the runner machine to the folder of a cache or remote of DVC that has it`,
      );
    await dvcFetch(this.#name, { ...this.#reference, remote }, this.#scratch, this.#place);
    this.#isFetched = true;
    return this.#need(md5);
  }

  async #find(md5: string): Promise<Found | undefined> {
    for (const folder of [...this.#folders(), this.#scratch])
      for (const layout of LAYOUTS) {
        const path = join(folder, layout, md5.slice(0, 2), md5.slice(2));
        const found = await stat(path).catch(() => undefined);
        if (found?.isFile()) return { path, size: found.size };
      }
    return undefined;
  }

  /** The folders of this machine that may have it: the one that it names, and a remote that is one. */
  #folders(): string[] {
    const folders = [this.#place.env.TRAINYARD_DVC, folderOf(this.#reference.remote?.options.url)];
    return folders.filter((folder): folder is string => folder !== undefined && folder !== '');
  }
}

/** The folder that a remote's url is; undefined for all else. */
function folderOf(url: string | undefined): string | undefined {
  if (url?.startsWith('file:///')) return fileURLToPath(url);
  return url !== undefined && isAbsolute(url) ? url : undefined;
}
