/** The metrics of a package against those of what an environment serves. */
import { readdir } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { Digest } from '../../src/lib/digest.ts';
import { putDeployment } from '../support/runs.ts';
import { digestIn, openWorkshop, refusalOf, type Workshop } from '../support/workshop.ts';

let shop: Workshop;
beforeAll(async () => {
  shop = await openWorkshop();
});
afterEach(() => shop.reset());
afterAll(() => shop.remove());

const GATE = 'accuracy: {baseline: production, tolerance: 0.005}';
const gated = (metrics: string): Promise<string> =>
  shop.repository.commit({
    'environments/staging.yml': `target: {kind: process, port: 8081}\nconfig: {THRESHOLD: 0.4}\nmetrics: {${metrics}}\n`,
  });
const packageOf = async (metrics: Readonly<Record<string, number>>): Promise<string> =>
  (await shop.toPackage({ claims: { metrics } })).package;

/** Production serves a model with these metrics; its release. */
async function serve(metrics: Readonly<Record<string, number>>): Promise<Digest> {
  const { outputs } = await shop.release(await packageOf(metrics), { environment: 'production' });
  const release = digestIn(outputs, 'release');
  await putDeployment(shop.store, release);
  return release;
}

const head = (summary: string): string | undefined => summary.split('\n')[0];

describe('a gate', () => {
  beforeEach(() => gated(GATE));

  test('lets a better model through, and one that is worse by no more than the tolerance', async () => {
    await serve({ accuracy: 0.969 });
    for (const accuracy of [0.98, 0.969, 0.964]) {
      const { summary, outputs, failure } = await shop.release(await packageOf({ accuracy }));
      expect(failure).toBeUndefined();
      expect(outputs.release).toMatch(/^sha256:/);
      expect(summary).toContain(
        `| accuracy ↑ | ${accuracy} | 0.969 | production | ✅ worse by 0.005 at most |`,
      );
    }
  });

  test('that does not hold lets nothing be released, and shows both numbers', async () => {
    const live = await serve({ accuracy: 0.969 });
    const packaged = await packageOf({ accuracy: 0.96399 });
    const blobs = (): Promise<string[]> => readdir(`${shop.store.location}/blobs/sha256`);
    const before = await blobs();
    const { summary, outputs, failure } = await shop.release(packaged);
    expect(await blobs()).toEqual(before);
    expect(outputs).toEqual({ release: '', package: packaged, unchanged: 'false' });
    const why =
      "nothing is released: accuracy is 0.96399, below the 0.969 of what production serves by more than 0.005. Train a better model, or change metrics in the environment's file";
    expect(failure).toBe(why);
    expect(head(summary)).toBe(
      `### ❌ staging · toy package <code>${packaged.slice(7, 19)}</code>: ${why.replace("'", '&#39;')}`,
    );
    expect(summary).toContain('| accuracy ↑ | 0.96399 | 0.969 | production | ❌ worse by 0.005 at most |');
    expect(live).toMatch(/^sha256:/);
  });

  test('passes where nothing serves yet, and says so', async () => {
    const { summary, failure } = await shop.release(await packageOf({ accuracy: 0.91 }));
    expect(failure).toBeUndefined();
    expect(summary).toContain(
      '| accuracy ↑ | 0.91 | – | production | ✅ worse by 0.005 at most · nothing is known to serve in production yet, so there is nothing to compare with |',
    );
  });

  test('goes by what served last where a deploy has failed and nothing is proved to serve', async () => {
    const good = await serve({ accuracy: 0.99 });
    await putDeployment(shop.store, good, {
      outcome: 'restore-failed',
      reason: 'x',
      endedAt: '2026-01-03T00:00:00Z',
    });
    const { failure } = await shop.release(await packageOf({ accuracy: 0.91 }));
    expect(failure).toContain('nothing is released: accuracy');
  });

  test('does not hold while the store lacks the release that serves', async () => {
    const refused = digestIn({ release: await serve({ accuracy: 0.95 }) }, 'release');
    const live = `sha256:${'a'.repeat(64)}` as const;
    await putDeployment(shop.store, refused, {
      outcome: 'refused',
      before: live,
      endedAt: '2026-01-03T00:00:00Z',
    });
    const { failure } = await shop.release(await packageOf({ accuracy: 0.99 }));
    expect(failure).toBe(
      `nothing is released: ${live} serves in production, and the store does not hold it, so there is nothing to compare with. Train a better model, or change metrics in the environment's file`,
    );
  });

  test('says that the baseline was trained on other data', async () => {
    await serve({ accuracy: 0.969 });
    await shop.repository.edit('trainyard.yml', /sha256:d+/, `sha256:${'e'.repeat(64)}`);
    const { summary } = await shop.release(await packageOf({ accuracy: 0.97 }));
    expect(summary).toContain(
      '✅ worse by 0.005 at most · the model in production was trained on other data (numbers) |',
    );
  });
});

test('less is better where the project says so, and every gate is held', async () => {
  await serve({ accuracy: 0.95, loss: 0.1 });
  const worse = await packageOf({ accuracy: 0.91, loss: 0.11 });
  await shop.repository.edit(
    'trainyard.yml',
    'metrics: {accuracy: {goal: maximize, min: 0.9}}',
    'metrics: {accuracy: {goal: maximize, min: 0.9}, loss: {goal: minimize}, f1: {goal: maximize}}',
  );
  await gated(`${GATE}, loss: {baseline: production}, f1: {baseline: production}`);
  const { summary, failure } = await shop.release(worse);
  expect(failure).toBe(
    "nothing is released: accuracy is 0.91, below the 0.95 of what production serves by more than 0.005; loss is 0.11, above the 0.1 of what production serves; f1 is not among the package's metrics. Train a better model, or change metrics in the environment's file",
  );
  expect(summary).toContain('| loss ↓ | 0.11 | 0.1 | production | ❌ no worse |');
  const better = await shop.release(await packageOf({ accuracy: 0.95, loss: 0.09, f1: 0.5 }));
  expect(better.failure).toBeUndefined();
  expect(better.summary).toContain(
    '| f1 ↑ | 0.5 | – | production | ✅ no worse · the model in production has no f1, so there is nothing to compare with |',
  );
});

test('a gate without a goal, and one against an environment that is not there, are mistakes', async () => {
  await gated('speed: {baseline: production}, accuracy: {baseline: prodution}');
  expect((await refusalOf(shop.release(await packageOf({ accuracy: 0.95 })))).split('\n')).toEqual([
    'the configuration cannot be released:',
    '  - environments/staging.yml:3:18: whether more or less of speed is better must be said in trainyard.yml: metrics: {speed: {goal: maximize}}',
    '  - environments/staging.yml:3:63: the commit has no environment prodution',
  ]);
});
