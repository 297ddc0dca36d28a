/** The mirror into MLflow's own server, which wants to know who asks, of a package in the distribution registry. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Distribution, startDistribution } from '../support/distribution.ts';
import { describeMirror, versionsIn } from '../support/mirror-suite.ts';
import { type MlflowServer, startMlflowServer } from '../support/mlflow-server.ts';
import { openWorkshop } from '../support/workshop.ts';

let registry: Distribution;
let mlflow: MlflowServer;
beforeAll(async () => {
  registry = await startDistribution();
  mlflow = await startMlflowServer();
}, 600_000);
afterAll(async () => {
  await mlflow.close();
  await registry.close();
});

const place = {
  url: () => mlflow.url,
  credentials: () => mlflow.credentials,
  store: () => `oci://${registry.host}/acme/models`,
};
describe('MLflow', () => describeMirror(place));

test('a password that is not right is a warning without it; a folder is named as an OCI layout', async () => {
  const shop = await openWorkshop();
  try {
    Object.assign(shop.env, mlflow.credentials, { MLFLOW_TRACKING_PASSWORD: 'wrong-and-hidden' });
    const { built, run } = await shop.trained();
    const pack = () => shop.package(built, run, { mirror: mlflow.url });
    const { summary } = await pack();
    expect(shop.log.warnings).toEqual([expect.stringMatching(/answered with 401: set MLFLOW_TRACKING_USER/)]);
    expect(summary + shop.log.warnings.join()).not.toContain('hidden');
    Object.assign(shop.env, mlflow.credentials);
    const told = await pack();
    expect(told.summary).toMatch(/\*\*MLflow\*\* has the run, and version \d+ of toy/);
    expect(await versionsIn(place, `oci:${shop.store.location}@${told.outputs.package}`)).toHaveLength(1);
  } finally {
    await shop.remove();
  }
});
