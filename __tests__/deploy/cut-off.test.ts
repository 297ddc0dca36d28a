/** What a deploy finds after one that was killed half-way: on the machine, and in its history. */
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { tool } from '../../scripts/tools.ts';
import { fetchRelease, readParts } from '../../src/deploy/parts.ts';
import { makeSpec } from '../../src/deploy/process/spec.ts';
import { stateOf } from '../../src/deploy/state.ts';
import { type Digest, digestOf } from '../../src/lib/digest.ts';
import type { Outcome } from '../../src/records/deployment.ts';
import { type Event, findPrevious } from '../../src/records/history.ts';
import { release as releaseKind } from '../../src/records/release.ts';
import { getRecord } from '../../src/store/records.ts';
import { type Machine, servingMachine } from '../support/machines.ts';

// Each test starts several processes, on machines that may be busy.
jest.setTimeout(120_000);

describe('between switch and commit', () => {
  let machine: Machine;
  beforeEach(async () => {
    machine = await servingMachine();
  });
  afterEach(() => machine.remove());

  /** Does of a deploy what comes before the commit. */
  async function cutOff(digest: Digest): Promise<void> {
    const state = stateOf(join(machine.root, 'state'), 'toy', 'test');
    const signal = new AbortController().signal;
    await fetchRelease(machine.store, state.store, await getRecord(machine.store, releaseKind, digest));
    const parts = await readParts(state.store, digest);
    const { log } = machine;
    const deps = { state, secrets: {}, env: process.env, log, signal, uv: () => tool('uv') };
    await machine.front.start(await makeSpec(parts, deps));
    await machine.front.whenDecided(signal);
    await machine.front.tell('switch');
  }

  test('the next deploy of the same release goes all the way', async () => {
    const [one, two] = [await machine.release({ model: 'one' }), await machine.release({ model: 'two' })];
    await machine.deploy(one);
    await cutOff(two);
    expect((await machine.front.status()).live?.release).toBe(two);
    const { rollout, hasPrevious } = await machine.deploy(two);
    expect([rollout.outcome, rollout.before, hasPrevious]).toEqual(['live', one, true]);
    expect(await machine.front.status()).not.toHaveProperty('previous');
  });

  test('the next deploy of another release that is refused leaves what was proved', async () => {
    const [one, two] = [await machine.release({ model: 'one' }), await machine.release({ model: 'two' })];
    await machine.deploy(one);
    await cutOff(two);
    const { rollout } = await machine.deploy(await machine.release({ config: { MODE: 'dies' } }));
    expect([rollout.outcome, rollout.before]).toEqual(['refused', one]);
    expect((await machine.front.status()).live?.release).toBe(one);
  });
});

describe('between the switch and its Deployment', () => {
  const [one, two, three] = ['one', 'two', 'three'].map((name) => digestOf(Buffer.from(name)));
  const event = (release: Digest | undefined, outcome: Outcome, before: Digest | null = null): Event => ({
    name: 'toy',
    environment: 'test',
    endpoint: '',
    checks: [],
    reason: null,
    startedAt: '',
    endedAt: '',
    release: release ?? digestOf(Buffer.of()),
    outcome,
    before,
  });

  test.each<[string, Event[]]>([
    ['the same release again', [event(one, 'live'), event(two, 'unchanged', two)]],
    ['another release, refused', [event(one, 'live'), event(three, 'refused', two)]],
  ])('the way back is known after %s', (_, history) => {
    expect(findPrevious(history)).toBe(one);
  });

  test('a release that came after it goes back to it', () => {
    expect(findPrevious([event(one, 'live'), event(three, 'live', two)])).toBe(two);
  });
});
