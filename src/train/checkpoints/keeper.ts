import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { messageOf } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import type { CheckpointPolicy } from '../../records/program.ts';
import type { Segment } from '../../records/run.ts';
import { type Checkpoint, type Place, removeCheckpoints, saveCheckpoint } from './place.ts';
import { chooseKept } from './policy.ts';
import { type Entry, look, newestFirst, scan } from './scan.ts';
import { stepOf } from './step.ts';

/** Between two looks at the program's folder. */
const LOOK_MS = 1000;
/** Looking at many files takes its time, and is done so much more seldom. */
const LOOK_SHARE = 0.01;
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
  /** The largest number that a checkpoint of the training has. */
  readonly lastSequence: number;
  /** Aborted when another took this training over: then the place is not ours any more. */
  readonly lost?: AbortSignal;
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
  #looks = 0;
  /** By name, the state in which an entry was seen last, at which look it came to that, and since when it is complete. */
  readonly #seen = new Map<
    string,
    { readonly key: string; readonly came: number; readonly completeAt: number | undefined }
  >();
  #durable: readonly Checkpoint[];
  #sequence: number;
  #newest: { readonly entry: Entry; readonly came: number; readonly completeAt: number } | undefined;
  /** What came before this look is not the newest any more. */
  #floor = 0;
  #saved: string | undefined;
  /** What failed a moment ago is not tried again at once. */
  #notBefore = 0;
  #saving: Promise<void> = Promise.resolve();
  #looking: Promise<void> | undefined;

  constructor(keeping: Keeping) {
    this.#keeping = keeping;
    this.#durable = keeping.durable;
    this.#sequence = keeping.lastSequence;
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
   * After the program's end: looks once more.
   * @param isOrderly the program was not killed, so that what nobody writes to any more is what it meant to write
   */
  async stop(isOrderly: boolean): Promise<void> {
    this.#over.abort();
    await this.#looking;
    await this.#look(isOrderly);
  }

  /** After an end that needs no checkpoint: waits until nothing is being saved any more. */
  async leave(): Promise<true> {
    await this.stop(true);
    await this.#saving;
    return true;
  }

  /**
   * After the program's end: looks once more, and saves the newest complete checkpoint.
   * @param isOrderly as for `stop`
   * @param patienceMs how long this may take, in milliseconds; as long as it takes unless given
   * @returns whether nothing is left to be saved
   */
  async finish(isOrderly: boolean, patienceMs?: number): Promise<boolean> {
    await this.stop(isOrderly);
    const saved = this.#saveNewest(false).then(
      () => this.#newest === undefined || this.#newest.entry.key === this.#saved,
    );
    return patienceMs === undefined ? saved : Promise.race([saved, sleep(patienceMs, false, { ref: false })]);
  }

  async #watch(): Promise<void> {
    const { signal } = this.#over;
    while (!signal.aborted) {
      const begin = performance.now();
      try {
        await this.#look(false);
        if (performance.now() >= this.#notBefore) void this.#saveNewest(true);
      } catch (error) {
        this.#tell(`checkpoints cannot be looked at: ${messageOf(error)}`);
      }
      const pause = Math.max(LOOK_MS, (performance.now() - begin) / LOOK_SHARE);
      await sleep(pause, undefined, { signal }).catch(() => {});
    }
  }

  /**
   * An entry without a sign is complete when it is at the second look what it was at the first. The newest is the one that came last; only
   * of those that came between two looks it is the one written last: clocks jump.
   */
  async #look(isFinal: boolean): Promise<void> {
    this.#looks++;
    for (const entry of await scan(this.#keeping.folder)) {
      const { name, key, sign, problem } = entry;
      if (this.#given.has(key)) continue;
      if (problem !== undefined) {
        this.#tell(`a checkpoint cannot be kept: ${problem}`);
        continue;
      }
      const before = this.#seen.get(name);
      const isSame = before?.key === key;
      const isComplete =
        sign === 'complete' ||
        (isSame && sign !== 'unfinished') ||
        (sign === 'signed' && this.#over.signal.aborted) ||
        (sign === 'unknown' && isFinal);
      const came = isSame ? before.came : this.#looks;
      const completeAt = isComplete ? ((isSame ? before.completeAt : undefined) ?? Date.now()) : undefined;
      this.#seen.set(name, { key, came, completeAt });
      if (completeAt !== undefined && this.#isNewer(entry, came)) this.#newest = { entry, came, completeAt };
    }
  }

  #isNewer(entry: Entry, came: number): boolean {
    const newest = this.#newest;
    if (came !== newest?.came) return came > (newest?.came ?? this.#floor);
    return newestFirst(entry, newest.entry) < 0;
  }

  /** One at a time, each the newest when its turn comes. */
  #saveNewest(isGentle: boolean): Promise<void> {
    this.#saving = this.#saving.then(async () => {
      const newest = this.#newest;
      if (newest === undefined || newest.entry.key === this.#saved) return;
      const { entry } = newest;
      try {
        await this.#save(entry, newest.completeAt, isGentle);
        this.#saved = entry.key;
      } catch (error) {
        if (await this.#isOutdated(entry)) return;
        this.#notBefore = performance.now() + AGAIN_MS;
        this.#tell(`checkpoint ${entry.name} is not durable, the one before stays: ${messageOf(error)}`);
      }
    });
    return this.#saving;
  }

  /** Whether the program has changed or removed it meanwhile; then the next look tells what is there instead. */
  async #isOutdated({ name, key }: Entry): Promise<boolean> {
    const isOld = (await look(this.#keeping.folder, name).catch(() => undefined))?.key !== key;
    if (isOld && this.#newest?.entry.key === key) {
      this.#floor = this.#newest.came;
      this.#newest = undefined;
    }
    return isOld;
  }

  async #save(entry: Entry, completeAt: number, isGentle: boolean): Promise<void> {
    const { place, folder, policy, log, now, lost } = this.#keeping;
    lost?.throwIfAborted();
    const { metrics, segments } = now();
    const step = stepOf(entry.name, metrics);
    const begin = performance.now();
    const config = {
      trainingId: place.trainingId,
      sequence: ++this.#sequence,
      name: entry.name,
      form: entry.form,
      ...(step !== undefined && { step }),
      madeAt: new Date(completeAt).toISOString(),
      metrics,
      segments: [...segments],
    };
    const made = await saveCheckpoint(place, folder, entry, config, isGentle);
    lost?.throwIfAborted();
    log.info(`checkpoint ${entry.name} is durable (${((performance.now() - begin) / 1000).toFixed(1)} s)`);
    // What a killed training had made durable itself takes no second place among those that stay.
    const before = this.newest;
    if (
      before?.config.name === made.config.name &&
      isDeepStrictEqual(before.manifest.layers, made.manifest.layers)
    )
      return this.#remove([made]);
    const all = [made, ...this.#durable];
    const kept = chooseKept(all, policy);
    this.#durable = all.filter((one) => kept.has(one.digest));
    await this.#remove(all.filter((one) => !kept.has(one.digest)));
  }

  async #remove(old: readonly Checkpoint[]): Promise<void> {
    await removeCheckpoints(this.#keeping.place, old).catch((error: unknown) =>
      this.#tell(`older checkpoints are not removed: ${messageOf(error)}`),
    );
  }

  #tell(problem: string): void {
    if (this.#told.has(problem)) return;
    this.#told.add(problem);
    this.#keeping.log.warning(problem);
  }
}
