import { appendFile, mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Blob, digestOf, hexOf, isDigest } from './digest.ts';
import { codeOf } from './errors.ts';
import { type FileState, keyOf } from './file-state.ts';
import { readIfThere, writeWhole } from './files.ts';
import type { FileHash } from './hash-file.ts';

/** A smaller file is read as fast as a note of it is found. */
const SMALLEST = 4096;
/** Some hundred bytes each. What is more goes, the oldest first. */
const MOST_NOTES = 100_000;
const MOST_BYTES = 16 * 2 ** 20;

/**
 * Remembers which digest a file had, by its device, inode, size and times, so that what has not changed is not read again. One
 * file, to which any number of processes append lines; a line that is not whole is none. It can be lost at any time. Whoever can
 * write to it can make it lie, so it decides what need not be read, never what is written into a store.
 */
export class DigestCache {
  readonly #folder: string;
  #notes: Promise<Map<string, string>> | undefined;

  /** @param folder is made with the first note */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** What a file in this state held when it was last read; undefined when nobody noted it. */
  async find(state: FileState): Promise<Blob | undefined> {
    this.#notes ??= this.#read();
    const key = keyOf(state);
    const [hex = '', check] = (await this.#notes).get(key)?.split(' ') ?? [];
    const digest = `sha256:${hex}`;
    return isDigest(digest) && check === checkOf(key, hex) ? { digest, size: Number(state.size) } : undefined;
  }

  /** Notes what files held, unless a change since would not show. A cache that cannot be written costs time alone. */
  async keep(hashes: readonly FileHash[]): Promise<void> {
    const worthy = hashes
      .filter(({ isSettled, size }) => isSettled && size >= SMALLEST)
      .sort((a, b) => b.size - a.size)
      .slice(0, MOST_NOTES / 2);
    if (worthy.length === 0) return;
    const lines = worthy.map(({ state, hex }) => lineOf(keyOf(state), hex));
    this.#notes = undefined;
    try {
      await mkdir(this.#folder, { recursive: true });
      await appendFile(this.#file, lines.join(''), { mode: 0o600 });
      if ((await stat(this.#file)).size > MOST_BYTES) await this.#shorten();
    } catch (error) {
      if (codeOf(error) === undefined) throw error;
    }
  }

  get #file(): string {
    return join(this.#folder, 'digests.txt');
  }

  async #read(): Promise<Map<string, string>> {
    const text = (await readIfThere(this.#file).catch(() => undefined)) ?? '';
    return new Map(
      text.split('\n').map((line) => {
        const end = line.indexOf(' ');
        return [line.slice(0, end), line.slice(end + 1)];
      }),
    );
  }

  /** Two that do it at once lose notes, and nothing else. */
  async #shorten(): Promise<void> {
    const lines = ((await readIfThere(this.#file)) ?? '').split('\n');
    await writeWhole(this.#file, lines.slice(-MOST_NOTES / 2).join('\n'), 0o600);
  }
}

function lineOf(key: string, hex: string): string {
  return `${key} ${hex} ${checkOf(key, hex)}\n`;
}

/** Tells a line that was cut, or mixed with another process's. */
function checkOf(key: string, hex: string): string {
  return hexOf(digestOf(Buffer.from(`${key} ${hex}`)), 8);
}
