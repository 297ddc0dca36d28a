import { once } from 'node:events';
import { createServer } from 'node:http';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { action } from '../../src/actions/package-model.ts';
import { mirrorTo } from '../../src/package/mirror/tell.ts';
import { COURSE, describeMirror, runsIn } from '../support/mirror-suite.ts';
import { type Mlflow, startMlflow } from '../support/mlflow.ts';
import { openWorkshop, refusalOf, testJob, type Workshop } from '../support/workshop.ts';

let mlflow: Mlflow;
beforeEach(async () => {
  mlflow = await startMlflow();
});
afterEach(() => mlflow.close());

describe('MLflow', () => describeMirror({ url: () => mlflow.url }));

describe('a server', () => {
  let shop: Workshop;
  let built: Awaited<ReturnType<Workshop['build']>>;
  let run: Awaited<ReturnType<Workshop['train']>>;
  beforeAll(async () => {
    shop = await openWorkshop();
    built = await shop.build();
    run = await shop.train(built, { course: COURSE });
  });
  afterEach(() => {
    shop.log.lines.length = shop.log.warnings.length = 0;
    for (const name of Object.keys(shop.env)) delete shop.env[name];
  });
  afterAll(() => shop.remove());

  /** Packages what was trained, and tells the server. */
  const pack = () => shop.package(built, run.digest, { mirror: mlflow.url });

  test.each([
    [{ MLFLOW_TRACKING_USERNAME: 'me', MLFLOW_TRACKING_PASSWORD: 'hidden' }, 'Basic bWU6aGlkZGVu'],
    [{ MLFLOW_TRACKING_TOKEN: 'hidden\n', MLFLOW_TRACKING_USERNAME: 'me' }, 'Bearer hidden'],
  ])('is shown the credentials of the environment, %j, and nobody else is', async (env, authorization) => {
    Object.assign(shop.env, env);
    mlflow.authorization = authorization;
    const { summary, outputs } = await pack();
    expect(mlflow.calls).toContain('POST model-versions/create');
    expect(JSON.stringify([summary, outputs, shop.log.lines, shop.log.warnings])).not.toMatch(/hidden|bWU6/);
  });

  test('that refuses is a warning, which says what to set; the package is there', async () => {
    mlflow.authorization = 'Bearer other';
    shop.env.MLFLOW_TRACKING_TOKEN = 'hidden';
    const { outputs, failure, summary } = await pack();
    expect(outputs.package).toMatch(/^sha256:/);
    expect(failure).toBeUndefined();
    expect(shop.log.warnings).toEqual([
      expect.stringMatching(
        /^the package was written, but MLflow was not told .* answered with 401: set MLFLOW_TRACKING_USERNAME/,
      ),
    ]);
    expect(summary).toContain('⚠ **MLflow** was not told all of it');
    expect(JSON.stringify([summary, shop.log.warnings])).not.toContain('hidden');
  });

  test('that fails in the middle is told the rest by the next run, without a second run or point', async () => {
    mlflow.failures.set('runs/log-batch', [0, 400]);
    await pack();
    expect(shop.log.warnings).toEqual([expect.stringContaining('answered with 400 INTERNAL_ERROR: planted')]);
    expect(mlflow.calls).not.toContain('POST model-versions/create');
    expect((await pack()).summary).toContain('version 1 of toy');
    expect(await runsIn({ url: () => mlflow.url })).toHaveLength(1);
    expect(mlflow.calls.filter((call) => call === 'POST runs/create')).toHaveLength(1);
  });

  test('that never answers is not waited for without end', async () => {
    const silent = createServer(() => {}).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const address = silent.address();
    const port = address !== null && typeof address === 'object' ? address.port : 0;
    const what = { name: 'toy', run, package: run.digest, store: shop.handoff, place: 'artifact:' };
    const url = new URL(`http://127.0.0.1:${port}`);
    const place = testJob(shop.root);
    const outcome = await mirrorTo({ ...what, url, plainHttp: [], patienceMs: 50 }, place);
    expect(outcome).toEqual({ problem: `${url.origin} took longer than 0.05 seconds in all` });
    silent.closeAllConnections();
    silent.close();
  });

  test('is not told of a model that is not packaged', async () => {
    await shop.repository.edit('trainyard.yml', 'min: 0.9}', 'min: 0.99}');
    expect((await pack()).outputs.package).toBe('');
    expect(mlflow.calls).toEqual([]);
  });

  test.each([
    [
      'https://me:hidden@mlflow.example',
      /^the inputs cannot be used: input mirror holds a user or a password; set MLFLOW_/,
    ],
    ['mlflow.example', /input mirror is not the address of a server; give that of MLflow, https:/],
    ['file:///srv/mlflow', /input mirror is not the address of a server/],
  ])('%s is refused before anything is done, and not shown', async (mirror, message) => {
    const digest = `sha256:${'0'.repeat(64)}`;
    const inputs = { trainer: digest, 'training-id': digest, run: digest, mirror };
    const refusal = await refusalOf(shop.run(action, inputs));
    expect(refusal).toMatch(message);
    expect(refusal).not.toContain('hidden');
  });
});
