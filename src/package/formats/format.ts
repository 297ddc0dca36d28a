/** A file of a model as a store holds it. */
export interface ModelFile {
  /** In the package, with `/`. */
  readonly path: string;
  /** In bytes. */
  readonly size: number;
  /** Up to `length` bytes from an offset, not verified: a look at headers moves no weights. */
  peek(offset: number, length: number): Promise<Buffer>;
  /** All of it, verified; for files with a small limit of size. */
  read(): Promise<Buffer>;
}

/** How many values of each precision there are, in ModelPack's words (`float16`). */
export type Values = ReadonlyMap<string, number>;

/** What one file says about the model. */
export interface Facts {
  readonly format: string;
  readonly architecture?: string;
  readonly quantization?: string;
  /** How many weights; undefined where the file does not say. */
  readonly parameters?: number;
  readonly values?: Values;
  /** Bytes that lie in other files. */
  readonly parts?: readonly Part[];
}

/** Bytes of a model in a file beside it. */
export interface Part {
  /** Relative to the folder of the file that names it. */
  readonly location: string;
  readonly offset: number;
  readonly length: number;
}

/** Why a file cannot be in a package; the message goes on after the file's name: "is cut off; …". */
export class Unfit extends Error {
  override name = 'Unfit';
}

/** A text out of a file, for messages: short, on one line. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text);
}

/** Counts values of one precision in. */
export function addValues(values: Map<string, number>, precision: string, count: number): void {
  values.set(precision, (values.get(precision) ?? 0) + count);
}

/** The number of values that a shape holds. @throws Unfit for dimensions that no tensor has */
export function countOf(shape: readonly unknown[], tensor: string): number {
  let count = 1;
  for (const dimension of shape) {
    if (typeof dimension !== 'number' || !Number.isSafeInteger(dimension) || dimension < 0)
      throw new Unfit(
        `has a tensor ${quoted(tensor)} with the dimension ${JSON.stringify(dimension)}; write it again`,
      );
    count *= dimension;
  }
  if (!Number.isSafeInteger(count))
    throw new Unfit(`has a tensor ${quoted(tensor)} with more values than a file can hold; write it again`);
  return count;
}
