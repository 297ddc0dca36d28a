import { expect, test } from '@jest/globals';
import { soak } from '../support/soak.ts';

test('a minute of pushes and pulls against registries that fail at random and are killed loses nothing', async () => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  const totals = await soak({ seconds: 60, roundSeconds: 12, probability: 0.08, seed, say: () => {} });
  // The text holds what is needed to see what happened.
  expect(totals.losses.length === 0 ? 'nothing lost' : `seed ${seed}\n${totals.text()}`).toBe('nothing lost');
  expect(totals.rounds).toBeGreaterThan(1);
  expect(totals.records).toBeGreaterThan(5);
  expect(totals.faults.size).toBeGreaterThan(2);
}, 600_000);
