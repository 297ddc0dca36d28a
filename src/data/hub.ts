import { homedir } from 'node:os';
import { join } from 'node:path';
import picomatch from 'picomatch';
import { z } from 'zod';
import type { Digest } from '../lib/digest.ts';
import { MachineError, UserError } from '../lib/errors.ts';
import { readIfThere } from '../lib/files.ts';
import { byBytes, digestOfJson, tryJson } from '../lib/json.ts';
import type { Web } from '../lib/web.ts';
import { bytesOf, rangeFrom, type WebAnswer } from '../lib/web-answer.ts';
import { pathProblems } from './names.ts';

type Env = Readonly<Record<string, string | undefined>>;

/** A repository at one state of it. */
export interface HubRepository {
  readonly name: string;
  readonly type: 'dataset' | 'model';
  /** A branch, a tag or a commit. */
  readonly revision: string;
}

export interface HubFile {
  readonly path: string;
  readonly size: number;
  /** SHA-256 of what Git LFS keeps, the SHA-1 of git's blob of all else; hexadecimal. */
  readonly kind: 'file' | 'git';
  readonly hex: string;
}

interface Page<T> {
  readonly value: T;
  /** The query of the next one. */
  readonly next: string | undefined;
}

const LARGEST_ANSWER = 64 * 2 ** 20;
const revisionAnswer = z.looseObject({ sha: z.string().regex(/^[0-9a-f]{40,64}$/) });
const hex = (digits: number) => z.string().regex(new RegExp(`^[0-9a-f]{${digits}}$`));
const treeAnswer = z.array(
  z.looseObject({
    type: z.string(),
    path: z.string(),
    size: z.int().nonnegative().optional(),
    oid: z.string(),
    lfs: z.looseObject({ oid: hex(64), size: z.int().nonnegative() }).nullish(),
  }),
);

/** The Hugging Face Hub, or any host that speaks its protocol (HF_ENDPOINT). */
export class Hub {
  readonly #web: Web;
  readonly #env: Env;
  readonly #endpoint: string;

  /** @param env the machine's variables: HF_ENDPOINT, and where the token is: HF_TOKEN, HF_TOKEN_PATH, HF_HOME */
  constructor(web: Web, env: Env) {
    this.#web = web;
    this.#env = env;
    this.#endpoint = (env.HF_ENDPOINT || 'https://huggingface.co').replace(/\/+$/, '');
    if (!URL.canParse(this.#endpoint))
      throw new UserError(`HF_ENDPOINT is ${JSON.stringify(env.HF_ENDPOINT)}, not a URL`);
  }

  get host(): string {
    return new URL(this.#endpoint).host;
  }

  /** The commit that a revision is now. @throws UserError when there is none, or this machine may not see it */
  async commitOf({ name, type, revision }: HubRepository): Promise<string> {
    const path = `/api/${type}s/${name}/revision/${encodeURIComponent(revision)}`;
    const { value } = await this.#json(`the look for ${name} at ${revision}`, path, revisionAnswer);
    return value.sha;
  }

  /**
   * The files of a repository that the globs select, sorted by path.
   * @throws UserError when there are none, or names that are no portable paths
   */
  async files(repository: HubRepository, globs: readonly string[] | undefined): Promise<HubFile[]> {
    const { name, type, revision } = repository;
    const isWanted = globs === undefined ? () => true : picomatch([...globs], { dot: true, nonegate: true });
    const found = new Map<string, HubFile>();
    const tree = `/api/${type}s/${name}/tree/${encodeURIComponent(revision)}`;
    const seen = new Set<string>();
    let query: string | undefined = '?recursive=true';
    while (query !== undefined) {
      if (seen.has(query)) throw new MachineError(`${this.host} lists the files of ${name} without an end`);
      seen.add(query);
      const page: Page<z.infer<typeof treeAnswer>> = await this.#json(
        `the list of files of ${name}`,
        tree + query,
        treeAnswer,
      );
      for (const { type: kind, path, size = 0, oid, lfs } of page.value) {
        if (kind !== 'file' || !isWanted(path)) continue;
        if (!lfs && !hex(40).safeParse(oid).success)
          throw new MachineError(`${this.host} gives no digest of ${path} in ${name}`);
        found.set(
          path,
          lfs ? { path, size: lfs.size, kind: 'file', hex: lfs.oid } : { path, size, kind: 'git', hex: oid },
        );
      }
      query = page.next;
    }
    const files = [...found.values()].sort((a, b) => byBytes(a.path, b.path));
    if (files.length === 0)
      throw new UserError(
        `${name} at ${revision} has no file${globs === undefined ? '' : ` that ${globs.join(', ')} selects`}`,
      );
    const [problem] = pathProblems(files.map(({ path }) => path));
    if (problem !== undefined)
      throw new UserError(`${name} at ${revision}: ${problem}; leave it out by files: [GLOB]`);
    return files;
  }

  /** A file's bytes from an offset on. */
  async open(
    { name, type, revision }: HubRepository,
    path: string,
    offset: number,
  ): Promise<AsyncIterable<Buffer>> {
    const prefix = type === 'dataset' ? '/datasets' : '';
    const escaped = path.split('/').map(encodeURIComponent).join('/');
    const url = new URL(`${this.#endpoint}${prefix}/${name}/resolve/${revision}/${escaped}`);
    const own = await this.#credential();
    const ask = (at: number): Promise<WebAnswer> =>
      this.#web.once({
        method: 'GET',
        url,
        headers: { ...own, ...rangeFrom(at), 'accept-encoding': 'identity' },
      });
    const what = `the download of ${path} of ${name}`;
    return this.#web.bytes(what, ask, (answer) => this.#check(what, answer), offset);
  }

  /** An answer in JSON, and the query of its next page (RFC 8288). A mirror may name the host that it mirrors there. */
  async #json<T>(what: string, path: string, schema: z.ZodType<T>): Promise<Page<T>> {
    const url = new URL(this.#endpoint + path);
    const headers = await this.#credential();
    return this.#web.ask(what, { method: 'GET', url, headers }, async (answer) => {
      await this.#check(what, answer);
      const parsed = schema.safeParse(tryJson((await bytesOf(answer, LARGEST_ANSWER)).toString('utf8')));
      if (!parsed.success) throw new MachineError(`${what}: ${this.host} does not speak the Hub's protocol`);
      const [, next] = /<([^>]+)>; *rel="next"/.exec(answer.headers.link ?? '') ?? [];
      return { value: parsed.data, next: next && new URL(next, url).search };
    });
  }

  async #check(what: string, answer: WebAnswer): Promise<void> {
    const { status, headers } = answer;
    if (status === 200 || status === 206) return;
    answer.body.destroy();
    const said = `${what}: ${this.host} answered ${[status, headers['x-error-message']].filter(Boolean).join(', ')}`;
    if (status >= 400 && status < 500)
      throw new UserError(
        `${said}. Check the repository's name, type and revision; a private or gated one needs HF_TOKEN, or the token that "hf auth login" keeps on this machine`,
      );
    throw new MachineError(said);
  }

  /** The token of the machine, as the Hub's own client finds it. */
  async #credential(): Promise<Record<string, string>> {
    const { HF_TOKEN, HF_TOKEN_PATH, HF_HOME, XDG_CACHE_HOME, HOME } = this.#env;
    const home = HF_HOME || join(XDG_CACHE_HOME || join(HOME || homedir(), '.cache'), 'huggingface');
    const token = (HF_TOKEN || (await readIfThere(HF_TOKEN_PATH || join(home, 'token'))) || '').trim();
    return token === '' ? {} : { authorization: `Bearer ${token}` };
  }
}

/** The digest of a list of files: who has the same files by name and content has the same data set. */
export function digestOfFiles(files: readonly HubFile[]): Digest {
  return digestOfJson(files.map(({ path, size, kind, hex: digest }) => [path, size, kind, digest]));
}
