/** Data sets in a registry: what goes over the wire, and what becomes of it when the registry fails. */
import { appendFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { pushData } from '../../src/data/push.ts';
import { type DataMachine, dataMachine, writeAll } from '../support/data-cache.ts';
import { registryStores } from '../support/registries.ts';
import { type Registry, startRegistry } from '../support/registry.ts';

const LARGE = Object.fromEntries(
  Array.from({ length: 300 }, (_, i) => [`${i % 5}/${i}.bin`, Buffer.alloc(100_000, `${i} `)]),
);
let machine: DataMachine;
let registry: Registry;
let stores: Awaited<ReturnType<typeof registryStores>>;
beforeEach(async () => {
  machine = await dataMachine();
  registry = await startRegistry();
  stores = await registryStores(registry);
  machine.stores = () => stores.open('data');
});
afterEach(async () => {
  await stores.close();
  await machine.remove();
});

const push = async () => {
  const { log, stop } = machine;
  const path = join(machine.root, 'set');
  const deps = { store: stores.open('data'), notes: join(machine.root, 'notes'), log, signal: stop.signal };
  return pushData({ path, name: 'set' }, deps);
};
const count = (wanted: string): number =>
  registry.requests.filter(({ operation }) => operation === wanted).length;

test('only parts that the registry does not have are sent', async () => {
  await writeAll(join(machine.root, 'set'), LARGE);
  await sleep(2100); // a file that changed this moment may change again unseen
  const first = await push();
  const begun = count('startUpload');
  expect(begun).toBe(first.layers + 2); // index and configuration
  await push();
  expect(count('startUpload')).toBe(begun);
  await appendFile(join(machine.root, 'set/3/33.bin'), 'more');
  const { written } = await push();
  expect(written).toBeLessThanOrEqual(2);
  expect(count('startUpload')).toBe(begun + written + 2);
});

test('fault 28: a registry that fails on the way costs attempts, and nothing else', async () => {
  await writeAll(join(machine.root, 'set'), LARGE);
  registry.faults.add({ on: 'putUpload', what: 503, times: 2 });
  registry.faults.add({ on: 'putUpload', what: { cutRequest: 50_000 }, nth: 2 });
  const { record } = await push();
  // The first two are configuration and index.
  registry.faults.add({ on: 'getBlob', what: { cutResponse: 50_000 }, nth: 3, times: 3 });
  registry.faults.add({ on: 'getBlob', what: 'reset', nth: 5 });
  const { path } = await machine.use({ oci: 'of the test', digest: record.digest });
  expect(registry.faults.met.length).toBeGreaterThan(5);
  for (const [file, content] of Object.entries(LARGE))
    expect((await readFile(join(path, file))).equals(content)).toBe(true);
});
