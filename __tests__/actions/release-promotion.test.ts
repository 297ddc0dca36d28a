/** release-config with `from`: the package of what another environment serves. */
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { freePort } from '../support/digits.ts';
import { putDeployment } from '../support/runs.ts';
import { digestIn, openWorkshop, refusalOf, type Workshop } from '../support/workshop.ts';

let shop: Workshop;
let packaged: string;
beforeAll(async () => {
  shop = await openWorkshop();
  shop.env.TRAINYARD_STATE = join(shop.root, 'state');
  packaged = (await shop.toPackage()).package;
});
afterAll(() => shop.remove());

const release = (inputs: Readonly<Record<string, string>>) =>
  shop.release('', { environment: 'production', ...inputs });

test('what staging serves is released for production with its configuration', async () => {
  const staging = digestIn((await shop.release(packaged)).outputs, 'release');
  const endpoint = `http://127.0.0.1:${await freePort()}`;
  const endedAt = new Date(Date.now() - 3_600_000).toISOString();
  await putDeployment(shop.store, staging, { endpoint, endedAt });
  const { outputs } = await release({ from: 'staging', soak: '59m' });
  expect(outputs).toEqual({
    release: (await shop.release(packaged, { environment: 'production' })).outputs.release,
    package: packaged,
    unchanged: 'false',
  });
  expect(outputs.release).not.toBe(staging);
  expect(await refusalOf(release({ from: 'staging', soak: '61m' }))).toMatch(
    /^what staging serves is not promoted: release \w+ has been live for 1h.* and has to be for 1h1m \(soak\)/,
  );
});

test.each([
  [{}, /^give either input package, a digest, or input from, the environment/],
  [{ package: `sha256:${'a'.repeat(64)}`, from: 'staging' }, /^give either input package/],
  [{ package: `sha256:${'a'.repeat(64)}`, soak: '1h' }, /^give either input package/],
  [
    { from: '../../etc' },
    /^the inputs cannot be used: input from is "\.\.\/\.\.\/etc": an environment is named by/,
  ],
  [
    { from: 'staging', soak: '1 day' },
    /^the inputs cannot be used: input soak is "1 day"; give a duration such as/,
  ],
  [{ from: 'edge' }, /^what edge serves is not promoted: .*yard knows of nothing that serves toy there/],
])('%j is refused', async (inputs, said) => {
  expect(await refusalOf(release(inputs))).toMatch(said);
});
