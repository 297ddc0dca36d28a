import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { action } from '../../src/actions/prune.ts';
import type { Outcome } from '../../src/github/action.ts';
import { LayoutStore } from '../../src/store/layout.ts';
import { refusalOf, testJob } from '../support/workshop.ts';
import { deployOn, nameOn, putModel, putReleaseOf } from '../support/yard.ts';

let store: LayoutStore;
let job: ReturnType<typeof testJob>;
beforeAll(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'trainyard-prune-'));
  store = new LayoutStore(join(folder, 'yard'));
  job = testJob(folder);
  for (const day of [1, 2, 3]) {
    const { package: packed } = await putModel(store, `model ${day}`, day, { trainer: `${day}` });
    await deployOn(store, day, await putReleaseOf(store, packed, 'staging'));
  }
  await nameOn(store, 100);
}, 60_000);
afterAll(() => rm(job.workspace, { recursive: true, force: true }));

/** With the inputs of a step that sets nothing but these. */
function run(inputs: Readonly<Record<string, string>>): Promise<Outcome> {
  const all: Readonly<Record<string, string>> = { store: store.location, ...inputs };
  return action.run((name) => all[name] ?? '', job);
}

test('it is a dry run unless somebody says otherwise: a table of what goes and what stays, and why', async () => {
  const before = await store.names('');
  const { outputs, summary } = await run({ 'keep-last': '1' });
  expect(outputs).toEqual({ removed: '7', bytes: expect.stringMatching(/^\d{4,}$/) });
  expect(await store.names('')).toEqual(before);
  expect(summary).toMatch(/^### 🧹 7 of 23 records would go, [\d.]+ kB\n\n_Nothing was removed\. /);
  expect(summary).toMatch(
    /^\| deployment \| <code>\w{12}<\/code> \| deployment-toy-staging-\w{12} \| [\d,]+ \| last used \d{4}-\d\d-\d\d \|$/m,
  );
  expect(summary).toMatch(/^\| release \| .* \| is live as toy in staging \|$/m);
  const lines = job.log.lines.at(-1) ?? '';
  expect(lines).toMatch(/^goes {3}run +\w{12} +[\d,]+ {2}last used \d{4}/m);
  expect(lines).toMatch(/^stays {2}release +\w{12} +[\d,]+ {2}is live as toy in staging$/m);
  expect(lines.split('\n')).toHaveLength(23);
});

test('dry-run: false removes what goes; what was written lately leaves its bytes for a later one', async () => {
  expect((await run({ 'dry-run': 'false' })).summary).toBe((await run({ 'dry-run': 'false' })).summary);
  const { outputs, summary } = await run({
    'dry-run': 'false',
    'keep-last': '1',
    'keep-live-within': '1d12h',
  });
  expect(outputs.removed).toBe('7');
  expect(summary).toMatch(/^### 🧹 7 of 23 records removed · [\d.]+ kB free now, of [\d.]+ kB\n/);
  expect((await store.names('release-')).size).toBe(2);
  const again = await run({ 'dry-run': 'false', 'keep-last': '1' });
  expect(again.outputs).toEqual({ removed: '0', bytes: '0' });
  expect(again.summary).toMatch(/^### 🧹 All 16 records stay\n/);
});

test.each([
  [
    { 'keep-live-within': '30' },
    /input keep-live-within is "30"; give a duration such as 30d, 12h or 1d12h$/,
  ],
  [{ 'keep-live-within': '0d' }, /input keep-live-within is "0d"; give a duration/],
  [{ 'keep-last': '-1' }, /input keep-last is "-1"; give a whole number such as 10$/],
  [{ 'keep-last': '1.5' }, /input keep-last is "1\.5"; give a whole number/],
  [{ 'dry-run': 'no' }, /input dry-run is "no"; it may be true or false$/],
  [{ store: '' }, /input store is required$/],
])('%j is refused', async (inputs, said) => {
  expect(await refusalOf(run(inputs))).toMatch(said);
});

test('what action.yml says of its defaults is what the command line does without them', async () => {
  const { inputs } = parse(readFileSync(join(import.meta.dirname, '../../actions/prune/action.yml'), 'utf8'));
  const defaults = ['keep-live-within', 'keep-last', 'dry-run'].map((name) => [name, inputs[name].default]);
  expect((await run(Object.fromEntries(defaults))).summary).toBe((await run({})).summary);
  expect(defaults.map(([, value]) => value)).toEqual(['30d', '10', 'true']);
});
