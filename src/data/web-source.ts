import { join, posix } from 'node:path';
import { nameProblem } from '../lib/archive/names.ts';
import { type Digest, hexOf } from '../lib/digest.ts';
import { MachineError, UserError } from '../lib/errors.ts';
import { readIfThere } from '../lib/files.ts';
import type { Web } from '../lib/web.ts';
import { drop, placeOf, rangeFrom, type WebAnswer } from '../lib/web-answer.ts';
import { findLogin } from './netrc.ts';
import { cacheKey, type Plan, type Source, type Unit } from './source.ts';

type Env = Readonly<Record<string, string | undefined>>;

/** A file at a URL, with its digest from `trainyard.yml`. */
export class WebSource implements Source {
  readonly proves = false;
  readonly key: string;
  readonly #digest: Digest;
  readonly #file: string;
  readonly #name: string;
  readonly #url: URL;
  readonly #web: Web;
  readonly #env: Env;

  /**
   * @param name what trainyard.yml calls the data set
   * @param env the machine's variables: NETRC, else HOME, says where the file `.netrc` lies
   */
  constructor(name: string, url: string, digest: Digest, web: Web, env: Env) {
    this.#name = name;
    this.#url = new URL(url);
    this.#digest = digest;
    this.#file = nameOf(this.#url);
    this.key = cacheKey('https', digest, this.#file);
    this.#web = web;
    this.#env = env;
  }

  get place(): string {
    return placeOf(this.#url);
  }

  fix(found: string): string {
    return `the file there is another one than trainyard.yml says. If it is the right data, write digest: "sha256:${found}" under trainer.data.${this.#name}, and commit`;
  }

  async plan(): Promise<Plan> {
    const bytes = await this.#size();
    const unit = {
      kind: 'file' as const,
      hex: hexOf(this.#digest),
      size: bytes,
      files: [[this.#file, bytes]] satisfies Unit['files'],
    };
    return { form: 'file', bytes, units: [unit] };
  }

  async open(_unit: Unit, offset: number): Promise<AsyncIterable<Buffer>> {
    const own = await this.#credential();
    const ask = (at: number): Promise<WebAnswer> =>
      this.#web.once({
        method: 'GET',
        url: this.#url,
        headers: { ...own, ...rangeFrom(at), 'accept-encoding': 'identity' },
      });
    return this.#web.bytes(`the download of ${this.place}`, ask, (answer) => this.#check(answer), offset);
  }

  /** Some hosts do not say before they send. */
  async #size(): Promise<number | null> {
    const headers = { ...(await this.#credential()), 'accept-encoding': 'identity' };
    return this.#web.ask(
      `a look at ${this.place}`,
      { method: 'HEAD', url: this.#url, headers },
      async (answer) => {
        await drop(answer);
        const { 'content-length': length = '' } = answer.headers;
        return answer.status === 200 && /^\d+$/.test(length) ? Number(length) : null;
      },
    );
  }

  async #credential(): Promise<Record<string, string>> {
    const { NETRC, HOME } = this.#env;
    const file = NETRC || (HOME && join(HOME, '.netrc'));
    const login = findLogin((file && (await readIfThere(file))) || '', this.#url.hostname);
    if (login === undefined) return {};
    return { authorization: `Basic ${Buffer.from(`${login.login}:${login.password}`).toString('base64')}` };
  }

  async #check(answer: WebAnswer): Promise<void> {
    const { status, url } = answer;
    if (status === 200 || status === 206) return;
    answer.body.destroy();
    const said = `${placeOf(url)} answered ${status}`;
    if (status === 401 || status === 403)
      throw new UserError(
        `${said}; put a login that may read it into the file .netrc of the runner machine: machine ${this.#url.hostname} login NAME password PASSWORD`,
      );
    if (status === 404 || status === 410)
      throw new UserError(`${said}; correct trainer.data.${this.#name}.https`);
    throw new MachineError(said);
  }
}

/** The name that the file gets; programs tell a format by it. */
function nameOf({ pathname }: URL): string {
  try {
    const name = decodeURIComponent(posix.basename(pathname));
    return nameProblem(name) === undefined ? name : 'data';
  } catch {
    return 'data';
  }
}
