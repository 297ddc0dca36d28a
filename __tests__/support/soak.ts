/**
 * A soak: writers and readers push, copy and pull records for a while, between two repositories of a registry that fails at random
 * and is killed now and then, and a folder. Any work may fail with an error that is told; nothing that was reported as written may be
 * lost or differ, whatever is found is whole, and once nothing fails any more, all that is left to do succeeds.
 */
import type { RegistryOptions } from './registry.ts';
import { generator } from './registry-faults.ts';
import { Round, USER } from './soak-round.ts';
import { Totals } from './soak-totals.ts';

export interface SoakOptions {
  readonly seconds: number;
  /** Decides what is written and what goes wrong; the order of events is the machine's. */
  readonly seed: number;
  /** How often a request fails: 0 never, 1 always. Default 0.04. */
  readonly probability?: number;
  /** Default 75. */
  readonly roundSeconds?: number;
  say(line: string): void;
}

const access = { kind: 'bearer', users: { [USER.name]: { password: USER.password } }, lifetime: 3 } as const;

/** What registries can and can't do; one round after the other. */
const REGISTRIES: readonly RegistryOptions[] = [
  {},
  { referrers: false, locations: 'relative', monolithicPost: false, access },
  { referrers: false, mounts: false, ranges: false, maxBody: 3_000_000, pageSize: 7 },
  { access, partialChunks: 'dropped', minChunk: 100_000, redirect: {} },
  { chunks: false, pageSize: 3, redirect: { status: 302 } },
];

/** Runs for so many seconds, and then until all that is left to do is done. Every round begins with nothing. */
export async function soak({ seconds, seed, say, ...rest }: SoakOptions): Promise<Totals> {
  const totals = new Totals();
  const { probability = 0.04, roundSeconds = 75 } = rest;
  const end = Date.now() + seconds * 1000;
  say(`soak of ${seconds} s, seed ${seed}`);
  for (let number = 0; Date.now() < end; number++) {
    const round = new Round({
      registry: REGISTRIES[number % REGISTRIES.length] ?? {},
      faults: { seed: seed + number, probability },
      draw: generator(seed ^ (number * 7919)),
      totals,
    });
    await round.run(Math.min(end, Date.now() + roundSeconds * 1000));
    totals.rounds += 1;
    say(`${new Date().toISOString()} ${totals.text()}`);
  }
  return totals;
}
