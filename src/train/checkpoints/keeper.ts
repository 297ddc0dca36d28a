import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import type { CheckpointPolicy } from '../../records/program.ts';
import type { Segment } from '../../records/run.ts';
import { type Checkpoint, type Place, removeCheckpoints, saveCheckpoint } from './place.ts';
import { chooseKept } from './policy.ts';
import { type Entry, scan } from './scan.ts';
import { stepOf } from './step.ts';

/** Between two looks at the program's folder. */
const LOOK_MS = 1000;
const AGAIN_MS = 10_000;

/** What a checkpoint says besides its files. */
export interface Circumstances {
  /** The last value of every metric. */
  readonly metrics: Readonly<Record<string, number>>;
  readonly segments: readonly Segment[];
}

export interface Keeping {
  readonly place: Place;
  /** The program's checkpoint folder. */
  readonly folder: string;
  readonly policy: CheckpointPolicy;
  readonly log: Log;
  /** What is durable already, the newest first. */
  readonly durable: readonly Checkpoint[];
  now(): Circumstances;
}

/** Makes a program's checkpoints durable while it runs: always the newest complete one; what came in between is passed over. */
export class Keeper {
  readonly #keeping: Keeping;
  readonly #over = new AbortController();
  readonly #told = new Set<string>();
  /** What was in the folder before the program began. */
  readonly #given = new Set<string>();
  /** By name, the state in which an entry was seen last, and since when it is complete. */
  readonly #seen = new Map<string, { readonly key: string; readonly completeAt: number | undefined }>();
  #durable: readonly Checkpoint[];
  #newest: { readonly entry: Entry; readonly completeAt: number } | undefined;
  #saved: string | undefined;
  /** What failed a moment ago is not tried again at once. */
  #notBefore = 0;
  #saving: Promise<void> = Promise.resolve();
  #looking: Promise<void> | undefined;

  constructor(keeping: Keeping) {
    this.#keeping = keeping;
    this.#durable = keeping.durable;
  }

  /** When the newest complete checkpoint of this run was first seen to be complete, in milliseconds since 1970. */
  get completeAt(): number | undefined {
    return this.#newest?.completeAt;
  }

  /** The newest durable one, of an earlier run perhaps. */
  get newest(): Checkpoint | undefined {
    return this.#durable[0];
  }

  /** Takes what the folder holds now for what the program was given, and begins to watch. */
  async start(): Promise<void> {
    for (const { key } of await scan(this.#keeping.folder)) this.#given.add(key);
    this.#looking = this.#watch();
  }

  /**
   * After the program's end: saves the newest complete checkpoint.
   * @param isOrderly the program was not killed, so that what nobody writes to any more is what it meant to write
   * @param patienceMs how long this may take, in milliseconds; as long as it takes unless given
   * @returns whether nothing is left to be saved
   */
  async finish(isOrderly: boolean, patienceMs?: number): Promise<boolean> {
    this.#over.abort();
    await this.#looking;
    await this.#look(isOrderly);
    const saved = this.#saveNewest().then(() => true);
    return patienceMs === undefined ? saved : Promise.race([saved, sleep(patienceMs, false)]);
  }

  async #watch(): Promise<void> {
    const { signal } = this.#over;
    while (!signal.aborted) {
      try {
        await this.#look(false);
        if (performance.now() >= this.#notBefore) void this.#saveNewest();
      } catch (error) {
        this.#tell(`checkpoints cannot be looked at: ${messageOf(error)}`);
      }
      await sleep(LOOK_MS, undefined, { signal }).catch(() => {});
    }
  }

  /** An entry without a sign is complete when it is at the second look what it was at the first. */
  async #look(isFinal: boolean): Promise<void> {
    for (const entry of await scan(this.#keeping.folder)) {
      const { name, key, sign, problem } = entry;
      if (this.#given.has(key)) continue;
      if (problem !== undefined) {
        this.#tell(`a checkpoint cannot be kept: ${problem}`);
        continue;
      }
      const before = this.#seen.get(name);
      const isSame = before?.key === key;
      const isComplete = sign === 'complete' || (sign === 'unknown' && (isSame || isFinal));
      const completeAt = isSame && before.completeAt !== undefined ? before.completeAt : Date.now();
      this.#seen.set(name, { key, completeAt: isComplete ? completeAt : undefined });
      if (isComplete && entry.writtenNs >= (this.#newest?.entry.writtenNs ?? 0n))
        this.#newest = { entry, completeAt };
    }
  }

  /** One at a time, each the newest when its turn comes. */
  #saveNewest(): Promise<void> {
    this.#saving = this.#saving.then(async () => {
      const newest = this.#newest;
      if (newest === undefined || newest.entry.key === this.#saved) return;
      const { entry } = newest;
      try {
        await this.#save(entry, newest.completeAt);
        this.#saved = entry.key;
      } catch (error) {
        this.#notBefore = performance.now() + AGAIN_MS;
        this.#tell(`checkpoint ${entry.name} is not durable, the one before stays: ${messageOf(error)}`);
      }
    });
    return this.#saving;
  }

  async #save(entry: Entry, completeAt: number): Promise<void> {
    const { place, folder, policy, log, now } = this.#keeping;
    const { metrics, segments } = now();
    const step = stepOf(entry.name, metrics);
    const begin = performance.now();
    const made = await saveCheckpoint(place, folder, entry, {
      trainingId: place.trainingId,
      sequence: (this.newest?.config.sequence ?? 0) + 1,
      name: entry.name,
      form: entry.form,
      ...(step !== undefined && { step }),
      madeAt: new Date(completeAt).toISOString(),
      metrics,
      segments: [...segments],
    });
    log.info(`checkpoint ${entry.name} is durable (${((performance.now() - begin) / 1000).toFixed(1)} s)`);
    const all = [made, ...this.#durable];
    const kept = chooseKept(all, policy);
    this.#durable = all.filter((one) => kept.has(one.digest));
    await removeCheckpoints(
      place,
      all.filter((one) => !kept.has(one.digest)),
    );
  }

  #tell(problem: string): void {
    if (this.#told.has(problem)) return;
    this.#told.add(problem);
    this.#keeping.log.warning(problem);
  }
}
