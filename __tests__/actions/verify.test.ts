import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { action } from '../../src/actions/verify.ts';
import { TITLE } from '../../src/records/oci.ts';
import { getManifest } from '../../src/store/records.ts';
import { putDeployment } from '../support/runs.ts';
import { digestIn, openWorkshop, refusalOf, type Workshop } from '../support/workshop.ts';

let shop: Workshop;
let release = '';
let run = '';
beforeAll(async () => {
  shop = await openWorkshop();
  const made = await shop.toPackage();
  run = made.run;
  release = digestIn((await shop.release(made.package)).outputs, 'release');
  await putDeployment(shop.store, digestIn({ release }, 'release'));
}, 60_000);
afterAll(() => shop.remove());

test('a whole record is a table of all that it stands on', async () => {
  const { outputs, summary, failure } = await shop.run(action, { of: release });
  expect({ outputs, failure }).toEqual({ outputs: { records: '8', broken: '0' } });
  expect(summary).toMatch(/^### ✅ 8 records, all whole · \d+ blobs, [\d.]+ kB read\n/);
  expect(summary).toMatch(/^\| run \| <code>\w{12}<\/code> \| 3 \| [\d,]+ \| ✅ \|$/m);
  const lines = shop.log.lines.at(-1)?.split('\n');
  expect(lines).toHaveLength(8);
  expect(lines?.at(-1)).toMatch(/^release {5}\w{12} {4}2 blobs {2} +[\d,]+ {2}whole$/);
});

test('nothing is named: every record of the store', async () => {
  expect((await shop.run(action, {})).outputs).toEqual({ records: '9', broken: '0' });
});

test('a broken link fails the step; the first is named in the error, all in the table', async () => {
  const { manifest } = (await getManifest(shop.store, digestIn({ run }, 'run'))) ?? {};
  const model = manifest?.layers.find(({ annotations }) => annotations?.[TITLE] === 'model.onnx');
  if (model === undefined) throw new Error('the run has a model');
  await rm(shop.store.pathOf(model.digest));
  const { outputs, summary, failure } = await shop.run(action, { of: release });
  expect(outputs).toEqual({ records: '8', broken: '2' });
  expect(failure).toBe(
    `run ${run}: its file model.onnx (${model.digest}) is missing; package it again from a hand-off that has it, or train again (and 1 broken link more)`,
  );
  expect(summary).toMatch(/^### ❌ 2 of 8 records are broken/);
  expect(
    summary.match(/^- (run|package) <code>\w{12}<\/code>: its file model\.onnx .* is missing/gm),
  ).toHaveLength(2);
  expect(summary).toMatch(/^\| run \| .* \| ❌ \|$/m);
  expect(shop.log.lines.at(-1)).toMatch(/^run +\w{12} .* its file model\.onnx .* is missing; /m);
});

test('what was mended is told as a warning, and in the summary', async () => {
  await rm(`${shop.store.location}/index.json`);
  const { summary } = await shop.run(action, { repair: 'true' });
  expect(shop.log.warnings).toEqual([
    expect.stringMatching(/^index\.json lacked deployment-toy-staging-\w{12}, /),
  ]);
  expect(summary).toContain('**Mended**\n\n- index.json lacked ');
});

test.each([
  [{ of: 'latest' }, /^the inputs cannot be used: input of is "latest", not a digest/],
  [{ repair: 'yes' }, /^the inputs cannot be used: input repair is "yes"; it may be true or false$/],
  [{ of: `sha256:${'0'.repeat(64)}` }, /^there is no record sha256:0+ in .*yard$/],
  [{ store: '/nowhere/at/all' }, /^\/nowhere\/at\/all holds no records; is it the right store\?$/],
])('%j is refused', async (inputs, said) => {
  expect(await refusalOf(shop.run(action, inputs))).toMatch(said);
});
