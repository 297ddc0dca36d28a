/** What is wrong with the user's own manifests is told when the release is made: with file, line and fix, all of it at once. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import {
  DEPLOYMENT,
  type OwnManifests,
  openOwnManifests,
  SERVICE,
  TARGET,
} from '../../support/own-manifests.ts';
import { refusalOf } from '../../support/workshop.ts';

const PINNED = `docker.io/redis@sha256:${'7'.repeat(64)}`;

let own: OwnManifests;
beforeAll(async () => {
  own = await openOwnManifests();
});
beforeEach(() => own.reset());
afterAll(() => own.close());

describe('manifests of one’s own are refused', () => {
  test('with everything that would let a workload collide or differ, each with file, line and fix', async () => {
    const deployment = DEPLOYMENT.replace(
      'name: "@@TRAINYARD_NAME@@-@@TRAINYARD_RELEASE_SHORT@@"',
      'name: toy',
    )
      .replace('matchLabels: {app: toy, release: "@@TRAINYARD_RELEASE_SHORT@@"}', 'matchLabels: {app: toy}')
      .replace('"@@TRAINYARD_SERVER_IMAGE@@"', 'ghcr.io/acme/server:latest')
      .replace('"@@TRAINYARD_MODEL_IMAGE@@"', 'ghcr.io/acme/model:v1')
      .replace('TRAINYARD_RELEASE, value', 'RELEASE, value');
    const found = await own.problems({ 'k8s/deployment.yaml': deployment });
    const place = (line: number, text: string) =>
      expect.stringMatching(new RegExp(`^toys/toy/k8s/deployment\\.yaml:${line}:\\d+: ${text}`));
    expect(found).toEqual([
      place(
        4,
        'Deployment toy would take the place of the one that serves; .* such as toy-@@TRAINYARD_RELEASE_SHORT@@$',
      ),
      place(8, 'Deployment toy would take the pods of other releases'),
      place(15, 'the image of container server of Deployment toy is ghcr\\.io/acme/server:latest; pin it'),
      place(21, 'a volume of Deployment toy is the image ghcr\\.io/acme/model:v1; pin it'),
      place(14, "the pods of Deployment toy don't know which release they are"),
      expect.stringMatching(/^toys\/toy\/k8s: no container runs the server of the release; give one image:/),
      expect.stringMatching(/^toys\/toy\/k8s: nothing brings the model of the release into the pod; mount/),
    ]);
  });

  test('with values of secrets, wherever they stand', async () => {
    const token = `ghp_${'a'.repeat(36)}`;
    const found = await own.problems({
      'k8s/secret.yaml':
        'apiVersion: v1\nkind: Secret\nmetadata: {name: keys}\nstringData:\n  KEY: hush\n---\n' +
        `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata:\n  TOKEN: ${token}\n`,
    });
    expect(found).toEqual([
      expect.stringMatching(/secret\.yaml:2:7: Secret keys would put values of secrets into the release/),
      expect.stringMatching(/secret\.yaml:11:10: data\.TOKEN of ConfigMap c has the form of a GitHub token/),
    ]);
    expect(found.join()).not.toMatch(/hush|ghp_/);
  });

  test('with what is not of the namespace, is no object, or is there twice', async () => {
    const object = (kind: string, more: string): string =>
      `apiVersion: v1\nkind: ${kind}\nmetadata: {${more}}\n---\n`;
    const found = await own.problems({
      'k8s/more.yaml': `${object('Namespace', 'name: ml')}${object('ConfigMap', 'name: a, namespace: other')}${object('ConfigMap', 'name: b')}${object('ConfigMap', 'name: b')}${object('List', 'name: l')}text\n---\nkind: X\n`,
    });
    expect(found).toEqual([
      expect.stringMatching(/more\.yaml:2:7: Namespace ml belongs to the whole cluster/),
      expect.stringMatching(
        /more\.yaml:7:32: ConfigMap a is in the namespace other, and target\.namespace is ml/,
      ),
      expect.stringMatching(/more\.yaml:18:7: a List is not taken/),
      expect.stringMatching(/more\.yaml:21:1: an object of Kubernetes is needed here/),
      expect.stringMatching(/more\.yaml:23:1: apiVersion: /),
      expect.stringMatching(/more\.yaml:15:18: ConfigMap b is written twice; the first is .*more\.yaml:9:1$/),
    ]);
  });

  test('without a switch, or with one that switches nothing', async () => {
    expect(await own.problems({ 'k8s/service.yml': undefined })).toEqual([
      expect.stringMatching(/^toys\/toy\/k8s: no Service selects one release, so there is nothing to switch/),
    ]);
    const [first = ''] = await own.problems({
      'k8s/service.yml': SERVICE.replace('app: toy, ', 'app: other, '),
    });
    expect(first).toMatch(/service\.yml:6:\d+: Service toy-test selects no workload of these manifests/);
    const named = SERVICE.replace('@@TRAINYARD_NAME@@', 'second-@@TRAINYARD_RELEASE_SHORT@@');
    expect(await own.problems({ 'k8s/service.yml': `${named}---\n${SERVICE}` })).toEqual([
      expect.stringMatching(/service\.yml:3:\d+: Service second-.* has the release in its name/),
    ]);
    const other = SERVICE.replace('@@TRAINYARD_NAME@@', 'other').replace('app: toy', 'app: other');
    expect(await own.problems({ 'k8s/service.yml': `${SERVICE}---\n${other}` })).toEqual([
      expect.stringMatching(
        /service\.yml:13:\d+: Service other selects other workloads than Service toy-test/,
      ),
    ]);
    const open = SERVICE.replace(', release: "@@TRAINYARD_RELEASE_SHORT@@"', '').replace(
      '@@TRAINYARD_NAME@@',
      'all',
    );
    expect(await own.problems({ 'k8s/service.yml': `${open}---\n${SERVICE}` })).toEqual([
      expect.stringMatching(/service\.yml:6:\d+: Service all selects pods of all releases at once/),
    ]);
  });

  test('with placeholders that are unknown, or have no value here', async () => {
    expect(
      await own.problems({ 'k8s/service.yml': SERVICE.replace('@@TRAINYARD_NAME@@', '@@TRAINYARD_NAMES@@') }),
    ).toEqual([
      expect.stringMatching(
        /service\.yml:3:\d+: @@TRAINYARD_NAMES@@ is not known; known are @@TRAINYARD_RELEASE@@, /,
      ),
    ]);
    const bare = await own.other({ hasImage: false });
    expect(await own.problems({ 'k8s/service.yml': SERVICE }, bare)).toEqual([
      expect.stringMatching(
        /deployment\.yaml:21:\d+: @@TRAINYARD_MODEL_IMAGE@@ has no value: the package has no image; set model: \{image: true\}/,
      ),
      expect.stringMatching(
        /a volume of Deployment toy-test-.* is the image @@TRAINYARD_MODEL_IMAGE@@; pin it/,
      ),
    ]);
    const unquoted = (await own.problems({ 'k8s/service.yml': SERVICE.replaceAll('"', '') })).join(' ');
    expect(unquoted).toMatch(/service\.yml is not YAML.*Put placeholders that begin a value into quotes/);
  });

  test('with settings and secrets that reach no container', async () => {
    const config = {
      ...own.request.config,
      secrets: ['API_KEY'],
      secretReferences: { DB: { secretKeyRef: { name: 'db', key: 'password' } } },
    };
    const without = DEPLOYMENT.replace(/ +envFrom:.*\n/, '');
    expect(await own.problems({ 'k8s/deployment.yaml': without }, { config })).toEqual([
      expect.stringMatching(
        /^toys\/toy\/k8s: the configuration \(THRESHOLD\) reaches no container; give the server envFrom/,
      ),
      expect.stringMatching(
        /the secrets \(API_KEY\) reach no container; give .*secretRef: \{name: "@@TRAINYARD_SECRET@@"/,
      ),
      expect.stringMatching(/the secret DB reaches no container; give the server \{name: DB, valueFrom/),
    ]);
    const named = DEPLOYMENT.replace('@@TRAINYARD_CONFIGMAP@@', '@@TRAINYARD_SECRET@@');
    expect(
      await own.problems({ 'k8s/deployment.yaml': named }, { config: { ...own.request.config, config: {} } }),
    ).toEqual([expect.stringMatching(/@@TRAINYARD_SECRET@@ is named, and no Secret will be there/)]);
  });

  test('when there are none', async () => {
    const none = { ...own.request.config, target: { ...TARGET, manifests: 'cluster' } };
    expect(await refusalOf(own.layer({ config: none }))).toMatch(
      /toys\/toy\/cluster holds no manifest .* folders of the project with YAML files are environments, k8s$/,
    );
  });

  test('when a workload has no pod, and takes others of every kind', async () => {
    const job = `apiVersion: batch/v1
kind: CronJob
metadata: {name: clean}
spec: {jobTemplate: {spec: {template: {spec: {containers: [{name: c, image: "redis"}]}}}}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: none}
spec: {}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: "redis-@@TRAINYARD_RELEASE_SHORT@@"}
spec:
  selector: {matchLabels: {app: redis, release: "@@TRAINYARD_RELEASE_SHORT@@"}}
  template:
    metadata: {labels: {app: redis, release: "@@TRAINYARD_RELEASE_SHORT@@"}}
    spec: {containers: [{name: c, image: "${PINNED}"}]}
`;
    const pod = `---\napiVersion: v1\nkind: Pod\nmetadata: {name: "p-@@TRAINYARD_RELEASE_SHORT@@", labels: {r: "@@TRAINYARD_RELEASE_SHORT@@"}}\nspec: {containers: [{image: "${PINNED}"}]}\n`;
    expect(await own.problems({ 'k8s/jobs.yaml': job + pod })).toEqual([
      expect.stringMatching(/jobs\.yaml:9:\d+: spec\.template of StatefulSet none: /),
      expect.stringMatching(/jobs\.yaml:3:\d+: CronJob clean would take the place/),
      expect.stringMatching(
        /jobs\.yaml:4:\d+: the pods of CronJob clean are not told from those of other releases/,
      ),
      expect.stringMatching(/jobs\.yaml:4:\d+: the image of container c of CronJob clean is redis; pin it/),
      expect.stringMatching(/jobs\.yaml:21:7: Pod p-.* is a pod that nobody makes again when it ends/),
    ]);
  });

  test('when a kustomization names what is not in the commit, or there is no kubectl to build it', async () => {
    const kustomization = `resources:
  - service.yml
  - https://example.com/manifests.yaml
  - ../other
components: [github.com/acme/base?ref=v1]
commonAnnotations: {docs: "https://example.com"}
`;
    expect(await own.problems({ 'k8s/kustomization.yaml': kustomization })).toEqual([
      expect.stringMatching(
        /kustomization\.yaml:3:5: https:\/\/example\.com\/manifests\.yaml is not in this commit, and a release takes nothing from elsewhere/,
      ),
      expect.stringMatching(/kustomization\.yaml:4:5: \.\.\/other is not in this commit/),
      expect.stringMatching(
        /kustomization\.yaml:5:14: github\.com\/acme\/base\?ref=v1 is not in this commit/,
      ),
    ]);
    const { PATH } = process.env;
    const bin = await mkdtemp(join(tmpdir(), 'trainyard-path-'));
    try {
      for (const program of ['env', 'git']) {
        const { stdout } = await promisify(execFile)('which', [program]);
        await symlink(stdout.trim(), join(bin, program));
      }
      process.env.PATH = bin;
      expect(await own.problems({ 'k8s/kustomization.yaml': 'resources: [service.yml]\n' })).toEqual([
        'toys/toy/k8s/kustomization.yaml is a kustomization, which kubectl builds, and kubectl is not on the PATH of this machine; install it (hosted runners of GitHub have it)',
      ]);
    } finally {
      process.env.PATH = PATH;
      await rm(bin, { recursive: true });
    }
  });
});
