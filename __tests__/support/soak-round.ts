/** One round of a soak: everything begins empty, work goes on while things fail, and in the end all must be there. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../../src/deploy/process/ports.ts';
import { MachineError, messageOf, UserError } from '../../src/lib/errors.ts';
import { LayoutStore } from '../../src/store/layout.ts';
import { openRegistry } from '../../src/store/registry/open.ts';
import type { Store } from '../../src/store/store.ts';
import { registryPlace } from './registries.ts';
import type { RegistryOptions } from './registry.ts';
import type { RandomFaults } from './registry-faults.ts';
import { type SoakRegistry, startSoakRegistry } from './soak-registry.ts';
import type { Totals } from './soak-totals.ts';
import * as work from './soak-work.ts';

/** Whom the registries that ask for credentials know. */
export const USER = { name: 'robot', password: 'a password' };

export interface RoundOptions {
  readonly registry: RegistryOptions;
  readonly faults: RandomFaults;
  readonly draw: work.Draw;
  readonly totals: Totals;
}

const WORKERS = 6;
/** How often work is tried when nothing fails any more. */
const LAST_TRIES = 2;

export class Round {
  readonly #options: RoundOptions;
  readonly #book = new work.Book();
  /** What failed, to be done in the end. */
  readonly #pending: { kind: string; again: () => Promise<void> }[] = [];
  #folder = '';
  #port = 0;
  #registry: SoakRegistry | undefined;
  #numbers = 0;

  constructor(options: RoundOptions) {
    this.#options = options;
  }

  /** @param until in milliseconds since 1970; what is begun before is ended after it */
  async run(until: number): Promise<void> {
    this.#folder = await mkdtemp(join(tmpdir(), 'soak-'));
    this.#port = await freePort();
    try {
      await mkdir(join(this.#folder, 'files'));
      await this.#start(this.#options.faults);
      const workers = Array.from({ length: WORKERS }, async () => {
        while (Date.now() < until) await this.#workOnce();
      });
      await Promise.all([...workers, this.#killNowAndThen(until)]);
      await this.#registry?.kill();
      await this.#start(undefined);
      await this.#converge();
    } finally {
      await this.#registry?.kill();
      await rm(this.#folder, { recursive: true, force: true });
    }
  }

  async #start(faults: RandomFaults | undefined): Promise<void> {
    const { registry, totals } = this.#options;
    const dir = join(this.#folder, 'registry');
    this.#registry = await startSoakRegistry(
      { dir, port: this.#port, registry, ...(faults && { faults }) },
      (kind) => totals.countFault(kind),
    );
  }

  async #killNowAndThen(until: number): Promise<void> {
    const { draw, faults, totals } = this.#options;
    for (let starts = 1; ; starts++) {
      await sleep(Math.max(0, Math.min(until - Date.now(), 3000 + draw() * 9000)));
      if (Date.now() >= until) return;
      await this.#registry?.kill();
      totals.kills += 1;
      await sleep(draw() * 1500);
      await this.#start({ ...faults, seed: faults.seed + starts * 1009 });
    }
  }

  /** A store as a new job opens it: it knows nothing of what others have seen. */
  #open(place: work.Place): Store {
    if (place === 'folder') return new LayoutStore(join(this.#folder, 'folder'));
    const auths = { [`127.0.0.1:${this.#port}`]: { username: USER.name, password: USER.password } };
    return openRegistry(
      `oci://127.0.0.1:${this.#port}/soak/${place}`,
      'store',
      registryPlace(this.#folder, {
        env: { DOCKER_AUTH_CONFIG: JSON.stringify({ auths }) },
        // What is waited for in earnest is longer than a round.
        sleep: (milliseconds) => sleep(milliseconds / 25),
      }),
    );
  }

  async #workOnce(): Promise<void> {
    const { draw, totals } = this.#options;
    const place = work.pick(work.PLACES, draw) ?? 'left';
    const known = work.pick(this.#book.all(place), draw);
    const kind = draw();
    if (known === undefined || kind < 0.35) {
      const make = work.drawRecord(this.#book, place, ++this.#numbers, draw);
      await this.#attempt('write', async () => {
        const files = join(this.#folder, 'files');
        this.#book.add(place, await work.write(this.#open(place), make(), files, totals.moved));
        totals.records += 1;
      });
    } else if (kind < 0.55) {
      const to = work.pick(
        work.PLACES.filter((one) => one !== place),
        draw,
      );
      await this.#attempt('copy', () => this.#copy(place, to ?? 'left', known));
    } else if (kind < 0.9) {
      await this.#attempt('read', () => work.check(this.#open(place), known, totals.moved));
    } else {
      const expected = this.#book.all(place);
      await this.#attempt('list', () => work.checkFound(this.#open(place), expected, draw));
    }
  }

  async #copy(from: work.Place, to: work.Place, known: work.Written): Promise<void> {
    await work.copy(this.#open(from), this.#open(to), known, this.#options.totals.moved);
    this.#book.add(to, known);
  }

  /** Does some work; what fails with an error that is told is left for the end. */
  async #attempt(kind: string, once: () => Promise<void>): Promise<void> {
    const { totals } = this.#options;
    try {
      await once();
      totals.count(kind, 'done');
    } catch (error) {
      totals.count(kind, 'failed');
      if (error instanceof UserError || error instanceof MachineError)
        this.#pending.push({ kind, again: once });
      else totals.losses.push(`${kind}: ${error instanceof work.Loss ? error.message : stackOf(error)}`);
    }
  }

  /** Nothing fails any more: what is left is done, and everything is there. */
  async #converge(): Promise<void> {
    const { totals, draw } = this.#options;
    for (const { kind, again } of this.#pending) {
      let last: unknown;
      for (let tries = 0; tries < LAST_TRIES; tries++) {
        last = undefined;
        await again().catch((error: unknown) => {
          last = error;
        });
        if (last === undefined) break;
      }
      if (last !== undefined) totals.losses.push(`in the end, ${kind} still fails: ${messageOf(last)}`);
    }
    for (const place of work.PLACES) {
      const store = this.#open(place);
      const lost = (error: unknown): void =>
        void totals.losses.push(`in the end, ${place}: ${messageOf(error)}`);
      await store.repair?.().catch(lost);
      const all = this.#book.all(place);
      for (const written of all) await work.check(store, written, { written: 0, read: 0 }).catch(lost);
      await work.checkFound(store, all, draw).catch(lost);
      for (const found of new Set((await store.names('')).values()))
        await work.checkWhole(store, found).catch(lost);
    }
  }
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
