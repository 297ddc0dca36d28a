/** A Job of a release has done its work before the release serves. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { Refused } from '../../../src/deploy/target.ts';
import { hexOf } from '../../../src/lib/digest.ts';
import { RELEASE_SHORT } from '../../../src/records/cluster.ts';
import { aDeployment, aJob, aService, FakeCluster } from '../../support/fake-cluster.ts';

let cluster: FakeCluster;
beforeEach(async () => {
  cluster = await FakeCluster.start();
});
afterEach(() => cluster.close());

/** A release with a Job starts, and its pods are ready. */
async function starting(spec: object = {}) {
  const objects = [aDeployment(), aJob(`migrate-${RELEASE_SHORT}`, spec), aService('toy')];
  const release = await cluster.release(objects);
  const target = await cluster.target(release, 1);
  const start = target.start(AbortSignal.timeout(20_000));
  const isStarted = start.then(
    () => true,
    (error: unknown) => error,
  );
  const [name, folder] = [`migrate-${hexOf(release, 12)}`, '/apis/batch/v1/namespaces/ns/jobs'];
  const path = `${folder}/${name}`;
  while (!cluster.server.requests.includes(`GET ${folder}`)) await sleep(20);
  const manifests = await cluster.manifests(release);
  cluster.pod('one', manifests);
  cluster.says(manifests, 1);
  const job = cluster.server.objects.get(path);
  if (job === undefined) throw new Error('no Job was made');
  const ends = (type: string, message = ''): void =>
    void cluster.server.put(path, { ...job, status: { conditions: [{ type, status: 'True', message }] } });
  return { isStarted, name, path, ends };
}

test('A release is started when its Job is over', async () => {
  const { isStarted, name, ends } = await starting();
  expect(await Promise.race([isStarted, sleep(1500)])).toBeUndefined();
  expect(cluster.server.log.lines).toContain(`waits for Job ${name}`);
  ends('Complete');
  expect(await isStarted).toBe(true);
});

test('So it is when the Job has removed itself', async () => {
  const { isStarted, path } = await starting();
  await sleep(300);
  cluster.server.remove(path);
  expect(await isStarted).toBe(true);
});

test('It is refused when the Job fails, with what that printed', async () => {
  const { isStarted, name, ends } = await starting();
  const pods = '/api/v1/namespaces/ns/pods';
  const labels = { 'batch.kubernetes.io/job-name': name };
  const spec = { containers: [{ name: 'migrate' }] };
  cluster.server.put(`${pods}/m-1`, { metadata: { name: 'm-1', labels }, spec });
  cluster.server.objects.set(`${pods}/m-1/log`, { metadata: { name: 'no table digits' } });
  ends('Failed', 'Job has reached the specified backoff limit');
  const error = await isStarted;
  expect(error).toEqual(new Refused(`Job ${name} failed: Job has reached the specified backoff limit`));
  expect(error).toMatchObject({ lines: [expect.stringContaining('no table digits')] });
});

test('It is refused when the Job does not end', async () => {
  // Its time was over before it began.
  const { isStarted, name } = await starting({ activeDeadlineSeconds: -59 });
  expect(await isStarted).toEqual(
    new Refused(`Job ${name} did not end in -59 s; a Job's time is its activeDeadlineSeconds`),
  );
});
