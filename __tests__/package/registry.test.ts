/** Packaging from one repository of a registry into another: nothing of a model is downloaded but headers and texts. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { digestOf } from '../../src/lib/digest.ts';
import { copyRecord } from '../../src/store/copy.ts';
import { onnx, safetensors } from '../support/models.ts';
import { type Registry, startRegistry } from '../support/registry.ts';
import { GOLDEN } from '../support/runs.ts';
import { digestIn, openWorkshop, testJob, type Workshop } from '../support/workshop.ts';

const MB = 2 ** 20;
const external = { location: 'model.data', offset: '0', length: String(8 * MB) };
const WEIGHTS = {
  'model.safetensors': safetensors({ w: [2 * MB] }),
  'model.onnx': onnx({
    weights: [
      { name: 'w', dims: [MB] },
      { name: 'x', dims: [2 * MB], external },
    ],
  }),
  'model.data': Buffer.alloc(8 * MB, 1),
};
const TEXTS = { 'config.json': '{"model_type": "toy"}' };

let shop: Workshop;
let registry: Registry;
beforeAll(async () => {
  registry = await startRegistry();
  shop = await openWorkshop();
});
afterAll(async () => {
  await registry.close();
  await shop.remove();
});

test('from one registry to the same registry, headers are all that is downloaded of weights', async () => {
  const files = JSON.stringify(Object.keys({ ...WEIGHTS, ...TEXTS }));
  await shop.repository.edit('trainyard.yml', /model: .*/, `model: {files: ${files}, card: MODEL.md}`);
  const outputs = { ...WEIGHTS, ...TEXTS, 'golden.jsonl': GOLDEN };
  const { built, run } = await shop.trained({ outputs });
  const handoff = `oci://${registry.host}/acme/handoff`;
  const place = await testJob(shop.repository.folder).openStore(handoff, 'handoff');
  for (const digest of [digestIn(built, 'trainer'), digestIn(built, 'server'), run])
    await copyRecord(shop.handoff, place, digest);

  const before = registry.requests.length;
  const packaged = await shop.package(built, run, { handoff, store: `oci://${registry.host}/acme/toy` });
  expect(digestIn(packaged.outputs, 'package')).toMatch(/^sha256:/);
  const requests = registry.requests.slice(before);
  for (const [path, bytes] of Object.entries(WEIGHTS)) {
    const of = requests.filter(({ reference }) => reference === digestOf(bytes));
    const read = of.filter(({ operation }) => operation === 'getBlob');
    expect([path, read.every(({ headers }) => headers.range !== undefined)]).toEqual([path, true]);
    expect(read.reduce((sum, { bytesOut }) => sum + bytesOut, 0)).toBeLessThan(MB);
    const sent = requests.reduce((sum, { bytesIn }) => sum + bytesIn, 0);
    expect(sent).toBeLessThan(MB / 4);
  }
  expect(requests.some(({ operation, status }) => operation === 'mountBlob' && status === 201)).toBe(true);
}, 60_000);
