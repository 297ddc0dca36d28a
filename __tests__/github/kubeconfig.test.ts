import { readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterEach, expect, test } from '@jest/globals';
import { action } from '../../src/actions/deploy.ts';
import { withKubeconfig } from '../../src/github/kubeconfig.ts';
import { scratchFolders } from '../../src/github/place.ts';
import { type ReleaseConfig, release } from '../../src/records/release.ts';
import { LayoutStore } from '../../src/store/layout.ts';
import { putRecord } from '../../src/store/records.ts';
import { putServer } from '../support/programs.ts';
import { refusalOf, testJob } from '../support/workshop.ts';

const folders = scratchFolders();
afterEach(() => folders.remove());

const TEXT = 'apiVersion: v1\nkind: Config\nclusters: [{name: a, cluster: {server: "https://a"}}]\n';
const given = (env: Record<string, string>) => withKubeconfig({ env, scratch: folders.make });

test('a kubeconfig in the environment becomes a file that only this user can read, and ends with the action', async () => {
  const { KUBECONFIG = '', ...rest } = await given({
    TRAINYARD_KUBECONFIG: TEXT,
    KUBECONFIG: 'other',
    PATH: '/bin',
  });
  expect(rest).toEqual({ PATH: '/bin' });
  expect(await readFile(KUBECONFIG, 'utf8')).toBe(TEXT);
  expect([(await stat(KUBECONFIG)).mode & 0o777, (await stat(dirname(KUBECONFIG))).mode & 0o777]).toEqual([
    0o600, 0o700,
  ]);
  await folders.remove();
  await expect(stat(KUBECONFIG)).rejects.toThrow(/ENOENT/);
});

test('without one, or with a secret that is not set, the runner has its own', async () => {
  const env = { KUBECONFIG: '/home/runner/.kube/config', TRAINYARD_KUBECONFIG: '' };
  expect(await given(env)).toEqual(env);
});

test.each([Buffer.from(TEXT).toString('base64'), 'a-token', '{"clusters": []}', '['.repeat(5000)])(
  '%j is refused, and not told',
  async (text) => {
    const said = await refusalOf(given({ TRAINYARD_KUBECONFIG: text }));
    expect(said).toMatch(
      /^TRAINYARD_KUBECONFIG is no kubeconfig: it has no clusters\. Give the secret the text/,
    );
    expect(said).not.toContain(text);
  },
);

test('deploy reads it for a cluster, and for no other target', async () => {
  const folder = await folders.make();
  const store = new LayoutStore(join(folder, 'yard'));
  const subject = await putServer(store, { 'serve.py': '#' });
  const deployTo = async (target: ReleaseConfig['target']): Promise<string> => {
    const config = { name: 'toy', environment: 'staging', server: subject.digest, config: {}, secrets: [] };
    const { digest } = await putRecord(store, release, {
      config: { ...config, target },
      layers: [],
      subject,
    });
    const inputs: Readonly<Record<string, string>> = { release: digest, store: store.location };
    const env = { TRAINYARD_KUBECONFIG: 'none', TRAINYARD_STATE: join(folder, 'state') };
    return refusalOf(action.run((name) => inputs[name] ?? '', testJob(folder, true, env)));
  };
  const cluster = { kind: 'kubernetes' as const, namespace: 'models', replicas: 1, port: 8080 };
  expect(await deployTo(cluster)).toMatch(/^TRAINYARD_KUBECONFIG is no kubeconfig/);
  expect(await deployTo({ kind: 'process', port: 8080, host: '127.0.0.1' })).not.toContain('KUBECONFIG');
});
