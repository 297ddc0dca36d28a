/** Names that Windows keeps for devices, whatever follows the first dot. */
const RESERVED = /^(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?:\.|$)/i;

/**
 * Why a path with `/` is not that of one and the same file below a folder on every system; undefined when it is.
 * A path that was not UTF-8 is known by the U+FFFD that its decoding left.
 */
export function nameProblem(path: string): string | undefined {
  if (path.includes('\uFFFD')) return 'has a name that is not UTF-8';
  if (/\p{Cc}/u.test(path)) return 'has a control character in its name';
  if (path.includes('\\')) return 'has a backslash in its name';
  if (/^\/|^[A-Za-z]:/.test(path)) return 'has an absolute name';
  for (const part of path.split('/')) {
    if (part === '..') return 'leads out of its folder';
    if (part === '' || part === '.') return 'has a name with an empty part';
    if (Buffer.byteLength(part) > 255) return 'has a name with a part of more than 255 bytes';
    if (RESERVED.test(part)) return `has the name ${part}, which is a device on Windows`;
    if (/[. ]$/.test(part)) return 'has a name that ends in a dot or space, which Windows drops';
  }
  return undefined;
}

/** The names of an archive's entries, of which no two may be one file on any system. */
export class EntryNames {
  /** By the form that systems compare which know no case and one form of each letter: the name as it was given. */
  readonly #files = new Map<string, string>();
  readonly #folders = new Map<string, string>();

  /** Takes the name of a file; says why it cannot be had. */
  file(path: string): string | undefined {
    const key = folded(path);
    const same = this.#files.get(key);
    if (same === path) return 'is there twice';
    if (same !== undefined)
      return `and ${JSON.stringify(same)} are one name where case or accents' form do not count`;
    if (this.#folders.has(key)) return 'is a file and a folder';
    this.#files.set(key, path);
    return this.#above(path);
  }

  /** Takes the name of a folder; says why it cannot be had. */
  folder(path: string): string | undefined {
    const key = folded(path);
    if (this.#folders.has(key)) return undefined;
    if (this.#files.has(key)) return 'is a file and a folder';
    this.#folders.set(key, path);
    return this.#above(path);
  }

  #above(path: string): string | undefined {
    const end = path.lastIndexOf('/');
    return end === -1 ? undefined : this.folder(path.slice(0, end));
  }
}

function folded(path: string): string {
  return path.normalize('NFD').toUpperCase().toLowerCase().normalize('NFC');
}
