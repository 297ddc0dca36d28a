import { lstat } from 'node:fs/promises';
import { z } from 'zod';
import { lineOf, type MetricsLine, parseLoose } from '../../records/metrics-line.ts';
import { Finder } from './find.ts';
import { openRegular } from './growing.ts';
import { type Batch, problem, type Source } from './source.ts';

const FILE = 'trainer_state.json';
const LARGEST = 64 * 2 ** 20;

const trainerState = z.object({
  global_step: z.number(),
  max_steps: z.number().optional(),
  log_history: z.array(z.record(z.string(), z.unknown())),
});

/** The state that a Trainer of Hugging Face saves with every checkpoint; the one with the most steps holds all before. */
export class HuggingFace implements Source {
  readonly name = 'Hugging Face';
  readonly #finder: Finder;
  /** How each file looked when it was read last. */
  readonly #seen = new Map<string, string>();
  #step = -1;
  #count = 0;
  #total: number | undefined;

  /** @param folders in which checkpoints lie */
  constructor(folders: readonly string[]) {
    this.#finder = new Finder(folders, (name) => name === FILE);
  }

  get total(): number | undefined {
    return this.#total;
  }

  async *read(isOver: boolean): AsyncGenerator<Batch> {
    const paths = await this.#finder.find(isOver);
    if (isOver && this.#finder.problem !== '') yield [problem(this.#finder.problem)];
    for (const path of paths) {
      const found = await lstat(path).catch(() => undefined);
      const looks = `${found?.ino} ${found?.size} ${found?.mtimeMs}`;
      if (found === undefined || this.#seen.get(path) === looks) continue;
      if (this.#seen.size > 1000) this.#seen.clear();
      const state = found.size > LARGEST ? undefined : await readState(path);
      if (state !== undefined) {
        this.#seen.set(path, looks);
        if (state.global_step > this.#step) yield* this.#take(state);
      } else if (isOver) {
        yield [problem(`${path} is not a whole ${FILE} of at most ${LARGEST} bytes`)];
      }
    }
  }

  *#take({ global_step, max_steps, log_history }: z.infer<typeof trainerState>): Generator<Batch> {
    this.#step = global_step;
    this.#total = max_steps !== undefined && max_steps > 0 ? max_steps : undefined;
    // A training that went back to an older checkpoint has another history.
    if (log_history.length < this.#count) {
      this.#count = 0;
      yield 'anew';
    }
    const lines = log_history.slice(this.#count).map(numbersOf);
    this.#count = log_history.length;
    yield lines;
  }
}

/** A history holds more than numbers, and that is no problem. */
function numbersOf(entry: Readonly<Record<string, unknown>>): MetricsLine {
  const line = lineOf(entry);
  const names = line.nonFinite.map((name) => JSON.stringify(name)).join(', ');
  const said = names === '' ? '' : `has no finite number for ${names} at step ${line.step ?? 'unknown'}`;
  return { ...line, problem: said };
}

/** Undefined for a file that is written just now, or is no state. */
async function readState(path: string): Promise<z.infer<typeof trainerState> | undefined> {
  const file = await openRegular(path);
  if (file === undefined) return undefined;
  try {
    return trainerState.safeParse(parseLoose(await file.readFile('utf8'))).data;
  } finally {
    await file.close();
  }
}
