import { readFile, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { afterEach, expect, test } from '@jest/globals';
import { withKubeconfig } from '../../src/github/kubeconfig.ts';
import { scratchFolders } from '../../src/github/place.ts';
import { refusalOf } from '../support/workshop.ts';

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
