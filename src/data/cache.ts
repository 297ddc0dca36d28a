import { mkdir, readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { bytesText } from '../lib/progress.ts';
import { pidIn, takeSharedLock } from '../lib/shared-lock.ts';
import { Threads } from '../lib/threads.ts';
import { Entry, type PartThreads } from './entry.ts';
import { type CachePlace, lease, makeRoom } from './evict.ts';
import { bytesOf, fill } from './fill.ts';
import { readPart } from './read-part.ts';
import type { Source, Unit } from './source.ts';

/** A data set that stays where it is until it is released. */
export interface DataInUse {
  /** A file or a folder, for reading alone. */
  readonly path: string;
  release(): Promise<void>;
}

/** The data sets that this machine has fetched, each in a folder named after its key. */
export class DataCache {
  readonly #place: CachePlace;
  readonly #signal: AbortSignal;

  constructor(place: CachePlace, signal: AbortSignal) {
    this.#place = place;
    this.#signal = signal;
  }

  /**
   * Gives a data set, every file of it proved: fetched when it is not here, mended when it is not what it was.
   * Who needs the same one at the same time waits for the first.
   * @param name what trainyard.yml calls it
   */
  async use(name: string, source: Source): Promise<DataInUse> {
    const { folder, log } = this.#place;
    await mkdir(folder, { recursive: true });
    let waits = false;
    const onWait = (holder: string): void => {
      if (!waits)
        log.info(
          `data ${name}: another training of this machine prepares it (process ${pidIn(holder)}); waiting for it`,
        );
      waits = true;
    };
    const signal = this.#signal;
    const lock = await takeSharedLock(join(folder, `${source.key}.lock`), { signal, onWait });
    try {
      return await this.#prepare(name, source);
    } finally {
      await lock.release();
    }
  }

  async #prepare(name: string, source: Source): Promise<DataInUse> {
    const release = await lease(this.#place.folder, source.key);
    const threads = new Threads(readPart);
    try {
      const entry = await this.#ready(name, source, threads);
      await entry.touch();
      await source.close?.(true);
      return { path: entry.path, release };
    } catch (error) {
      await source.close?.(false);
      await release();
      throw error;
    } finally {
      await threads.close();
    }
  }

  async #ready(name: string, source: Source, threads: PartThreads): Promise<Entry> {
    const { folder, log } = this.#place;
    const place = join(folder, source.key);
    const isThere = (await readdir(folder)).includes(source.key);
    const home = isThere ? place : `${place}.partial`;
    const entry = (await Entry.open(home)) ?? (await Entry.create(home, await source.plan()));
    const { missing, strays } = await entry.check(threads);
    if (isThere && missing.length === 0 && strays === 0) {
      log.info(`data ${name}: all of it is here, and as it was: ${bytesText(entry.plan.bytes ?? 0)}`);
      return entry;
    }
    if (isThere)
      log.warning(
        `data ${name}: somebody wrote into ${place}; ${missing.length} of its ${entry.plan.units.length} parts are fetched again`,
      );
    await this.#fetch(name, entry, source, missing);
    if (isThere) return entry;
    await rename(home, place);
    return (await Entry.open(place)) ?? entry;
  }

  async #fetch(name: string, entry: Entry, source: Source, missing: readonly Unit[]): Promise<void> {
    const { log } = this.#place;
    const begin = performance.now();
    const size = bytesOf(missing);
    const coming = {
      key: source.key,
      what: `the data set ${name}`,
      bytes: entry.plan.bytes ?? 0,
      missing: source.isHere?.() ? 0 : (size ?? 0),
    };
    await makeRoom(this.#place, coming, this.#signal);
    await entry.unprotect();
    await fill(entry, source, missing, { name, log, signal: this.#signal });
    await entry.settle();
    await entry.protect();
    const seconds = (performance.now() - begin) / 1000;
    const amount = size === undefined ? '' : `${bytesText(size)} `;
    log.info(`data ${name}: ${amount}fetched from ${source.place} in ${seconds.toFixed(1)} s, and verified`);
  }
}
