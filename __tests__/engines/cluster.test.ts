import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { tool } from '../../scripts/tools.ts';
import { until } from '../support/cluster/api-server.ts';
import { putFiles } from '../support/cluster/images.ts';
import { leftOf } from '../support/cluster/left.ts';
import { answerOf, question } from '../support/cluster/model.ts';
import { deployment, LABELS, service } from '../support/cluster/objects.ts';
import { makeSandbox } from '../support/cluster/sandbox.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';

const execute = promisify(execFile);
const MODEL = Buffer.from('the weights of the first model');
const QUESTION = {
  method: 'POST',
  headers: { connection: 'close' },
  body: JSON.stringify(question([1, 2.5])),
};

let cluster: Cluster;
/** An image with the model. */
let model: string;
beforeAll(async () => {
  cluster = await startCluster();
  model = await putFiles(`${cluster.registry}/models`, { 'model.bin': MODEL });
}, 1_800_000);
afterAll(async () => {
  const { folder } = cluster;
  await cluster.close();
  expect(await leftOf(folder)).toEqual([]);
}, 60_000);

const inImage = (reference: string) => ({ image: { reference, pullPolicy: 'IfNotPresent' } });
const rolledOut = () => cluster.kubectl('rollout', 'status', 'deployment/model', '--timeout=60s');

test('two pods with their model from an image serve, and a service answers for them', async () => {
  await cluster.apply(deployment(cluster.images.modelServer, inImage(model)), service);
  expect(await rolledOut()).toContain('successfully rolled out');
  const { host } = await cluster.service('model');
  const answers = await Promise.all(
    Array.from({ length: 20 }, async () => {
      const answer = await fetch(`http://${host}/v2/models/toy/infer`, QUESTION);
      expect(await answer.json()).toEqual(answerOf('toy', MODEL, [1, 2.5]));
      return answer.headers.get('x-pod');
    }),
  );
  const pods = await cluster.kubectl('get', 'pods', '--output=jsonpath={.items[*].metadata.name}');
  expect(new Set(answers)).toEqual(new Set(pods.split(' ')));
}, 90_000);

test('a roll-out to another model loses no request', async () => {
  const other = Buffer.from('the weights of the second model');
  const image = await putFiles(`${cluster.registry}/models`, { 'model.bin': other });
  const { host } = await cluster.service('model');
  const [before, after] = [MODEL, other].map((bytes) => JSON.stringify(answerOf('toy', bytes, [1, 2.5])));
  const seen: string[] = [];
  const rollOut = new AbortController();
  const ask = async (): Promise<void> => {
    while (!rollOut.signal.aborted) {
      const answer = await fetch(`http://${host}/v2/models/toy/infer`, QUESTION);
      seen.push((await answer.text()).trim());
      await sleep(20);
    }
  };
  // Nearly 200 requests a second, each by a connection of its own.
  const asking = Promise.all(Array.from({ length: 4 }, ask));
  await cluster.apply(deployment(cluster.images.modelServer, inImage(image)));
  await rolledOut();
  // A pod that is about to end goes on answering until kube-proxy has learned of it.
  await until('only the other model answers', async () => seen.slice(-50).every((said) => said === after));
  rollOut.abort();
  await asking;
  expect(new Set(seen)).toEqual(new Set([before, after]));
}, 90_000);

test('a pod is asked through the API server, by kubectl proxy', async () => {
  const proxy = spawn('kubectl', ['proxy', '--port=0'], {
    env: { ...process.env, ...cluster.env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    const [line] = await once(createInterface(proxy.stdout), 'line');
    const address = /127\.0\.0\.1:\d+/.exec(line)?.[0];
    const first = '--output=jsonpath={.items[0].metadata.name}';
    const pod = await cluster.kubectl('get', 'pods', '--selector', `app=${LABELS.app}`, first);
    const path = `api/v1/namespaces/default/pods/${pod}:8080/proxy`;
    const answer = await fetch(`http://${address}/${path}/v2/models/toy/infer`, QUESTION);
    expect(await answer.json()).toMatchObject({ model_name: 'toy' });
    expect(answer.headers.get('x-model-digest')).toMatch(/^sha256:/);
  } finally {
    await ended(proxy);
  }
}, 60_000);

test('an init container fetches a model by the reference that the test has pushed it by', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'model-'));
  const reference = `${cluster.registry}/fetched:1`;
  try {
    await writeFile(join(folder, 'model.bin'), MODEL);
    await execute(await tool('oras'), ['push', '--plain-http', reference, 'model.bin'], { cwd: folder });
  } finally {
    await rm(folder, { recursive: true });
  }
  const volumeMounts = [{ name: 'model', mountPath: '/model' }];
  const args = ['pull', '--plain-http', '--output', '/model', reference];
  const { modelServer, oras } = cluster.images;
  await cluster.apply({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'fetched', namespace: 'default' },
    spec: {
      initContainers: [{ name: 'fetch', image: oras, args, volumeMounts }],
      containers: [{ name: 'server', image: modelServer, args: ['--model', '/model'], volumeMounts }],
      volumes: [{ name: 'model', emptyDir: {} }],
    },
  });
  await cluster.kubectl('wait', '--for=condition=Ready', 'pod/fetched', '--timeout=30s');
  const digest = createHash('sha256').update(MODEL).digest('hex');
  expect(await cluster.kubectl('logs', 'fetched')).toContain(`serves sha256:${digest}`);
}, 60_000);

test('a lease is taken, and taken by one alone', async () => {
  const lease = {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name: 'toy', namespace: 'default' },
    spec: { holderIdentity: 'first', leaseDurationSeconds: 60 },
  };
  await cluster.apply(lease);
  const found = JSON.parse(await cluster.kubectl('get', 'lease', 'toy', '--output=json'));
  const { resourceVersion } = found.metadata;
  const stolen = {
    ...lease,
    metadata: { ...lease.metadata, resourceVersion: `${Number(resourceVersion) - 1}` },
  };
  await expect(cluster.apply(stolen)).rejects.toThrow(/the object has been modified/);
  await cluster.apply({ ...lease, metadata: { ...lease.metadata, resourceVersion } });
}, 60_000);

test('what serves goes on without the API server, which comes back as it was', async () => {
  const { host } = await cluster.service('model');
  await cluster.apiServer.stop();
  await expect(cluster.kubectl('get', 'pods')).rejects.toThrow(/refused/);
  expect((await fetch(`http://${host}/v2/health/ready`)).status).toBe(200);
  await cluster.apiServer.start();
  expect(await cluster.kubectl('get', 'deployment', 'model')).toContain('2/2');
}, 60_000);

test('a server that does not become ready is told by the roll-out, and its undoing is quick', async () => {
  const never = { env: [{ name: 'MODE', value: 'never-ready' }] };
  const wanted = deployment(cluster.images.modelServer, inImage(model), never);
  await cluster.apply({ ...wanted, spec: { ...wanted.spec, progressDeadlineSeconds: 3 } });
  await expect(rolledOut()).rejects.toThrow('exceeded its progress deadline');
  await cluster.kubectl('rollout', 'undo', 'deployment/model');
  expect(await rolledOut()).toContain('successfully rolled out');
}, 60_000);

test('a cluster that is killed with its test leaves cgroups at most, which the next one removes; its API server drops image volumes', async () => {
  const main = join(import.meta.dirname, '..', 'support', 'cluster-main.ts');
  const killed = spawn(process.execPath, [main], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [folder] = await once(createInterface(killed.stdout), 'line');
  expect(await leftOf(folder)).toContainEqual(expect.stringContaining('kubelet'));
  await ended(killed);
  await until('its processes have ended', async () => {
    return !(await leftOf(folder)).some((what) => what.startsWith('process'));
  });
  const next = await startCluster({ imageVolumes: false });
  try {
    expect(await leftOf(folder)).toEqual([folder]);
    await rm(folder, { recursive: true });
    await next.apply(deployment(next.images.modelServer, inImage(model)));
    const volumes = [
      'get',
      'deployment',
      'model',
      '--output=jsonpath={.spec.template.spec.volumes[*].image}',
    ];
    expect(await next.kubectl(...volumes)).toBe('');
  } finally {
    await next.close();
  }
  expect(await leftOf(next.folder)).toEqual([]);
}, 120_000);

test('a sandbox that can’t be made says why, and leaves nothing', async () => {
  const folder = join(tmpdir(), 'no-such-folder');
  await expect(makeSandbox(folder, '/usr/bin:/bin:/usr/sbin:/sbin')).rejects.toThrow(
    /needs root and cgroups of version 1: mkdir: .*no-such-folder\/sysctl/,
  );
  expect(await leftOf(folder)).toEqual([]);
});

async function ended(child: ChildProcess): Promise<void> {
  const over = once(child, 'exit');
  child.kill('SIGKILL');
  await over;
}
