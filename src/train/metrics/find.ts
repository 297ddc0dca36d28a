import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { byBytes } from '../../lib/json.ts';

/** Deeper, and among more in a folder, nobody writes what is looked for. */
const DEPTH = 6;
const MOST = 20_000;
/** The share of the time that looking may take while a program runs. */
const SHARE = 0.005;

/** Looks for files below folders, through no link, again and again as a program writes them. */
export class Finder {
  readonly #folders: readonly string[];
  readonly #isWanted: (name: string) => boolean;
  readonly #isLookedInto: (folder: string) => boolean;
  #found: readonly string[] = [];
  #next = 0;
  #left = MOST;

  /**
   * @param isWanted tells by a file's name
   * @param isLookedInto tells by a folder's path whether to go on into it
   */
  constructor(
    folders: readonly string[],
    isWanted: (name: string) => boolean,
    isLookedInto: (folder: string) => boolean = () => true,
  ) {
    this.#folders = folders;
    this.#isWanted = isWanted;
    this.#isLookedInto = isLookedInto;
  }

  /** What to tell when files were found and there was too much to look at; empty for nothing. */
  get problem(): string {
    return this.#left <= 0 && this.#found.length > 0
      ? `there are more than ${MOST} files and folders, and not all were looked at`
      : '';
  }

  /** The paths, sorted; those of the last time when looking takes long and it was done shortly before. */
  async find(isOver: boolean): Promise<readonly string[]> {
    const begin = performance.now();
    if (!isOver && begin < this.#next) return this.#found;
    const found: string[] = [];
    this.#left = MOST;
    for (const folder of this.#folders) {
      const left = { entries: MOST };
      if ((await lstat(folder).catch(() => undefined))?.isDirectory())
        await this.#look(folder, DEPTH, found, left);
      this.#left = Math.min(this.#left, left.entries);
    }
    const end = performance.now();
    this.#next = end + (end - begin) / SHARE;
    this.#found = found.sort(byBytes);
    return this.#found;
  }

  async #look(folder: string, depth: number, found: string[], left: { entries: number }): Promise<void> {
    // What a program removes meanwhile is not there.
    for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
      if (left.entries-- <= 0) return;
      const path = join(folder, entry.name);
      if (entry.isFile() && this.#isWanted(entry.name)) found.push(path);
      else if (entry.isDirectory() && depth > 1 && this.#isLookedInto(path))
        await this.#look(path, depth - 1, found, left);
    }
  }
}
