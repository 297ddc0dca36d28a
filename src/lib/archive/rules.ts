import { UserError } from '../errors.ts';
import { EntryNames, nameProblem } from './names.ts';

/** What an archive may hold at most; sizes in bytes, unpacked. */
export interface ArchiveLimits {
  /** Files and folders. */
  readonly entries: number;
  /** All files together. */
  readonly bytes: number;
  readonly fileBytes: number;
  /** How many bytes one compressed byte may become, in files above 1 MiB. Nothing in a tar is compressed. */
  readonly ratio: number;
}

export interface ArchiveRules {
  /** For messages: "the program's source". */
  readonly what: string;
  /** For messages, what helps: "build it again". */
  readonly fix: string;
  readonly limits: ArchiveLimits;
  /** Exactly these files, by path, with their sizes in bytes. */
  readonly expected?: ReadonlyMap<string, number> | undefined;
}

/** Small files compress well without being bombs. */
const RATIO_FROM = 2 ** 20;

/** Judges the entries of the archives that make up one folder; every refusal is a UserError. */
export class Judge {
  readonly #rules: ArchiveRules;
  readonly #names = new EntryNames();
  #entries = 0;
  #files = 0;
  #bytes = 0;

  constructor(rules: ArchiveRules) {
    this.#rules = rules;
  }

  get limits(): ArchiveLimits {
    return this.#rules.limits;
  }

  /** Admits a folder, `path` without a slash at its end. */
  folder(path: string): void {
    this.#count(1);
    const problem = nameProblem(path) ?? this.#names.folder(path);
    if (problem !== undefined) throw this.refusal(path, problem);
  }

  /** Admits a file that says of itself that it has `size` bytes, made from `packed` bytes. */
  file(path: string, size: number, packed = size): void {
    const { bytes, fileBytes, ratio } = this.limits;
    this.#count(1);
    const problem = nameProblem(path) ?? this.#names.file(path) ?? this.#unexpected(path, size);
    if (problem !== undefined) throw this.refusal(path, problem);
    if (size > fileBytes) throw this.refusal(path, `has ${size} bytes; a file may have ${fileBytes}`);
    if (size > RATIO_FROM && size > packed * ratio)
      throw this.refusal(path, `becomes ${size} bytes from ${packed}; one byte may become ${ratio}`);
    this.#files += 1;
    this.#bytes += size;
    if (this.#bytes > bytes)
      throw this.refusal(path, `is one too many: all files together may have ${bytes} bytes`);
  }

  /** Refuses more entries than are allowed, before they are looked at. */
  announce(entries: number): void {
    if (this.#entries + entries > this.limits.entries)
      throw this.whole(`it has ${this.#entries + entries} entries; ${this.limits.entries} are allowed`);
  }

  /** After the last entry: nothing that is expected may be missing. */
  end(): void {
    const { expected } = this.#rules;
    if (expected !== undefined && this.#files < expected.size)
      throw this.whole(`it has ${this.#files} of the ${expected.size} files that belong in it`);
  }

  /** What is wrong with one entry. */
  refusal(path: string, problem: string): UserError {
    return this.whole(`${JSON.stringify(path.slice(0, 200))} ${problem}`);
  }

  /** What is wrong with the archive. */
  whole(problem: string, options?: ErrorOptions): UserError {
    const { what, fix } = this.#rules;
    return new UserError(`${what} cannot be unpacked: ${problem}; ${fix}`, options);
  }

  #count(entries: number): void {
    this.announce(entries);
    this.#entries += entries;
  }

  #unexpected(path: string, size: number): string | undefined {
    const { expected } = this.#rules;
    if (expected === undefined || expected.get(path) === size) return undefined;
    const right = expected.get(path);
    return right === undefined ? 'does not belong in it' : `has ${size} bytes, and must have ${right}`;
  }
}
