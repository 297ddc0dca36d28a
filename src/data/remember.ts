import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { z } from 'zod';
import { type Digest, hexOf } from '../lib/digest.ts';
import { readIfThere, writeWhole } from '../lib/files.ts';
import { digestOfJson, tryJson } from '../lib/json.ts';
import { digest } from '../records/oci.ts';
import type { Part } from './cut.ts';

const remembered = z.record(z.string(), z.object({ digest, size: z.int().nonnegative() }));
type Remembered = z.infer<typeof remembered>;

/** What the parts of one data set were when they were last read, so that unchanged ones need not be read again. */
export class Memory {
  readonly #file: string;
  readonly #before: Remembered;
  readonly #now: Remembered = {};

  private constructor(file: string, before: Remembered) {
    this.#file = file;
    this.#before = before;
  }

  /**
   * @param folder where such notes of this machine are kept
   * @param path the data set's own place
   */
  static async of(folder: string, path: string): Promise<Memory> {
    const file = join(folder, `${hexOf(digestOfJson(path))}.json`);
    const parsed = remembered.safeParse(tryJson((await readIfThere(file)) ?? ''));
    return new Memory(file, parsed.success ? parsed.data : {});
  }

  /** The digest and size of the layer that a part was; undefined when it is not known. */
  recall(part: Part): Remembered[string] | undefined {
    return this.#before[keyOf(part)];
  }

  /** Notes what a part is, unless one of its files could change again unseen. */
  note(part: Part, layer: { digest: Digest; size: number }): void {
    if (part.files.every(({ isSettled }) => isSettled)) this.#now[keyOf(part)] = layer;
  }

  /** Writes down what was noted, and forgets the rest. */
  async save(): Promise<void> {
    await writeWhole(this.#file, JSON.stringify(this.#now));
  }
}

/** What shows whether a part is what it was; no name and no stamp holds a zero byte. */
function keyOf({ kind, files }: Part): string {
  const hash = createHash('sha256').update(kind);
  for (const { path, stamp } of files) hash.update(`\0${path}\0${stamp}`);
  return hash.digest('hex');
}
