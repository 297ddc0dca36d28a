import { createWriteStream } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { PassThrough, type Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';

/** How many small files are written at a time. */
const AT_ONCE = 16;

/** Writes files below a folder that is nobody else's; a folder is made once, and nothing is written twice. */
export class TreeWriter {
  readonly #root: string;
  readonly #folders = new Map<string, Promise<unknown>>();
  readonly #writing = new Set<Promise<void>>();
  #error: unknown;

  constructor(root: string) {
    this.#root = root;
  }

  async folder(path: string): Promise<void> {
    const made = this.#folders.get(path) ?? mkdir(join(this.#root, path), { recursive: true });
    this.#folders.set(path, made);
    await made;
  }

  /** Writes a small file, perhaps later: resolves as soon as the next may come. What fails is told by one of the next, or by `end`. */
  async small(path: string, bytes: readonly Buffer[], executable: boolean): Promise<void> {
    while (this.#writing.size >= AT_ONCE) await Promise.race(this.#writing);
    if (this.#error !== undefined) throw this.#error;
    const writing = this.#write(path, bytes, executable)
      .catch((error: unknown) => {
        this.#error ??= error;
      })
      .finally(() => this.#writing.delete(writing));
    this.#writing.add(writing);
  }

  /** Writes a file of any size, checked on its way. The content is opened last, so that no failure of it is missed. */
  async large(
    path: string,
    executable: boolean,
    open: () => Promise<AsyncIterable<unknown>>,
    check: Transform = new PassThrough(),
  ): Promise<void> {
    await this.folder(dirname(path));
    const content = await open();
    const file = createWriteStream(join(this.#root, path), { flags: 'wx', mode: modeOf(executable) });
    await pipeline(content, check, file);
  }

  /** Resolves when nothing is being written any more. @throws what failed first */
  async end(): Promise<void> {
    await Promise.all(this.#writing);
    if (this.#error !== undefined) throw this.#error;
  }

  async #write(path: string, bytes: readonly Buffer[], executable: boolean): Promise<void> {
    await this.folder(dirname(path));
    const [first = Buffer.alloc(0), ...rest] = bytes;
    const content = rest.length === 0 ? first : Buffer.concat(bytes);
    await writeFile(join(this.#root, path), content, { flag: 'wx', mode: modeOf(executable) });
  }
}

function modeOf(executable: boolean): number {
  return executable ? 0o755 : 0o644;
}
