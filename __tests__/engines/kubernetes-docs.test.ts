/** What docs/kubernetes.md shows, in a real cluster: the rights are enough, the manifests are taken, and the command finds them. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { z } from 'zod';
import { hexOf } from '../../src/lib/digest.ts';
import { openCommit } from '../../src/source/commit.ts';
import type { Store } from '../../src/store/store.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { putModel } from '../support/cluster-models.ts';
import { clusterStore, deployTo } from '../support/cluster-site.ts';
import { blocksOf } from '../support/documents.ts';
import { makeRepository } from '../support/project.ts';

const NAMESPACE = 'ml';
const ACCOUNT = 'system:serviceaccount:ml:trainyard';

let cluster: Cluster;
let folder: string;
let store: Store;
/** The kubeconfig that the document makes: it has the rights of its account, and no others. */
let restricted: string;
beforeAll(async () => {
  cluster = await startCluster();
  folder = await mkdtemp(join(tmpdir(), 'trainyard-shown-'));
  store = clusterStore(cluster);
  await cluster.kubectl('create', 'namespace', NAMESPACE);
  await writeFile(join(folder, 'trainyard-rights.yaml'), shown('trainyard-rights.yaml'));
  const said = await typed('kubectl create token trainyard');
  restricted = join(folder, 'restricted');
  await writeFile(restricted, said.slice(said.indexOf('apiVersion:')), { mode: 0o600 });
}, 1_800_000);
afterAll(async () => {
  await cluster.close();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

/** A YAML block of the document, by the file's name that it begins with. */
function shown(name: string): string {
  const block = blocksOf('docs/kubernetes.md').find(({ text }) => text.startsWith(`# ${name}\n`));
  if (block === undefined) throw new Error(`docs/kubernetes.md shows no ${name}`);
  return block.text;
}

/** What an administrator is told who types the commands of the document's block that holds a text. */
async function typed(part: string): Promise<string> {
  const block = blocksOf('docs/kubernetes.md').find(({ text }) => text.includes(part));
  const script = `set -euo pipefail\n${block?.text}`;
  const env = { ...process.env, ...cluster.env, HOME: folder };
  return (await promisify(execFile)('bash', ['-c', script], { cwd: folder, env })).stdout;
}

test('The rights are enough to go live, to be followed by another release, and to be refused', async () => {
  const env = { KUBECONFIG: restricted, API_KEY: 'a key of the test' };
  const on = { namespace: NAMESPACE };
  const choices = { environment: 'rights', on, secrets: ['API_KEY'] };
  const one = await putModel(cluster, store, choices);
  const first = await deployTo(cluster, store, one, { env });
  expect(first.rollout).toMatchObject({ outcome: 'live' });
  expect(first.log.warnings).toEqual([]);
  const bad = await putModel(cluster, store, { ...choices, settings: { MODE: 'crashes' } });
  const refused = await deployTo(cluster, store, bad, { env });
  expect(refused.rollout).toMatchObject({ outcome: 'refused', before: one.digest });
  expect(refused.rollout.lines.join()).toContain('model file is corrupt');
  const two = await putModel(cluster, store, { ...choices, settings: { OFFSET: '1' } });
  const second = await deployTo(cluster, store, two, { env });
  expect(second.rollout).toMatchObject({ outcome: 'live', before: one.digest });
  expect(second.log.warnings).toEqual([]);
  const columns = ['--selector', 'trainyard.dev/project=toy', '--label-columns', 'trainyard.dev/release'];
  const kinds = 'deployments,services,pods';
  const lines = (await cluster.kubectl('get', kinds, '--namespace', NAMESPACE, ...columns)).split('\n');
  const short = hexOf(two.digest, 12);
  for (const name of [`deployment.apps/toy-rights-${short}`, 'service/toy-rights', `pod/toy-rights-${short}`])
    expect(lines.filter((line) => line.startsWith(name) && line.endsWith(short))).toHaveLength(1);
}, 180_000);

test('They are those of the account alone, and the Secret for nodes is one', async () => {
  expect(await readFile(restricted, 'utf8')).toMatch(/token: /);
  expect(await readFile(restricted, 'utf8')).not.toMatch(/client-key|password/);
  await mkdir(join(folder, '.docker'));
  await writeFile(join(folder, '.docker', 'config.json'), '{"auths": {}}');
  expect(await typed('kubectl create secret generic ghcr')).toContain('secret/ghcr created');
  const found = await cluster.kubectl('get', 'secret', 'ghcr', '--namespace', NAMESPACE, '--output', 'json');
  expect(JSON.parse(found)).toMatchObject({
    type: 'kubernetes.io/dockerconfigjson',
    data: { '.dockerconfigjson': Buffer.from('{"auths": {}}').toString('base64') },
  });
}, 60_000);

test('They are not enough for what a release has no business with', async () => {
  const may = (...what: string[]): Promise<string> =>
    cluster
      .kubectl('auth', 'can-i', ...what, '--as', ACCOUNT)
      .catch((error: unknown) => z.object({ stdout: z.string() }).parse(error).stdout);
  expect((await may('create', 'deployments', '--namespace', NAMESPACE)).trim()).toBe('yes');
  expect((await may('create', 'deployments', '--namespace', 'default')).trim()).toBe('no');
  expect((await may('create', 'pods/exec', '--namespace', NAMESPACE)).trim()).toBe('no');
  expect((await may('create', 'rolebindings', '--namespace', NAMESPACE)).trim()).toBe('no');
});

/** A release by the document's manifests, of the test server, with another one beside them. */
async function ownRelease(environment: string, more = '') {
  const serve = '[/bin/model-server, --model, /model/models/model.bin]';
  const manifest = shown('k8s/digits.yaml').replace(/command: .*/, `command: ${serve}`);
  expect(manifest).toContain(serve);
  const place = await mkdtemp(join(folder, 'work-'));
  const repository = await makeRepository(place, { files: { 'k8s/digits.yaml': manifest + more } });
  return putModel(cluster, store, {
    environment,
    on: { namespace: NAMESPACE, manifests: 'k8s' },
    settings: { OFFSET: '2' },
    secrets: ['API_KEY'],
    commit: await openCommit(repository.folder, '.'),
  });
}

test('The manifests of one’s own go live', async () => {
  const env = { KUBECONFIG: restricted, API_KEY: 'a key of the test' };
  const { rollout } = await deployTo(cluster, store, await ownRelease('own'), { env });
  expect(rollout).toMatchObject({ outcome: 'live', before: null });
}, 120_000);

test('A Job beside them does its work first, and refuses the release when it fails', async () => {
  const job = (word: string): string => `---
apiVersion: batch/v1
kind: Job
metadata: {name: "@@TRAINYARD_NAME@@-job-@@TRAINYARD_RELEASE_SHORT@@"}
spec:
  backoffLimit: 0
  template:
    metadata: {labels: {job: "@@TRAINYARD_RELEASE_SHORT@@"}}
    spec:
      restartPolicy: Never
      containers: [{name: job, image: "${cluster.images.oras}", command: [/bin/oras, ${word}]}]
`;
  const env = { API_KEY: 'a key of the test' };
  const one = await ownRelease('job', job('version'));
  const first = await deployTo(cluster, store, one, { env });
  expect(first.rollout).toMatchObject({ outcome: 'live', before: null });
  expect(first.log.lines.join('\n')).toContain(`waits for Job toy-job-job-${hexOf(one.digest, 12)}`);
  const bad = await deployTo(cluster, store, await ownRelease('job', job('forget')), { env });
  expect(bad.rollout).toMatchObject({ outcome: 'refused', before: one.digest });
  expect(bad.rollout.reason).toMatch(/^Job toy-job-job-[0-9a-f]{12} failed: /);
  expect(bad.rollout.lines.join('\n')).toContain('unknown command "forget"');
  const jobs = await cluster.kubectl('get', 'jobs', '--namespace', NAMESPACE, '--output', 'name');
  expect(jobs.trim()).toBe(`job.batch/toy-job-job-${hexOf(one.digest, 12)}`);
}, 180_000);
