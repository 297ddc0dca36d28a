/** The mirror into MLflow's own server, of a package in the distribution registry and of one in a folder. */
import { afterAll, beforeAll, describe } from '@jest/globals';
import { type Distribution, startDistribution } from '../support/distribution.ts';
import { describeMirror } from '../support/mirror-suite.ts';
import { type MlflowServer, startMlflowServer } from '../support/mlflow-server.ts';

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

describe('MLflow', () =>
  describeMirror({ url: () => mlflow.url, store: () => `oci://${registry.host}/acme/models` }));
