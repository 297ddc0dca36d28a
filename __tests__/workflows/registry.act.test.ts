/**
 * The templates on a registry that asks who comes: hosted jobs have the team's secret, and the training machine holds an account
 * that may write the hand-off and nothing else.
 */
import { tmpdir } from 'node:os';
import { expect, test } from '@jest/globals';
import { parseDigest } from '../../src/lib/digest.ts';
import { getManifest } from '../../src/store/records.ts';
import { credentials, openOn } from '../support/registries.ts';
import { startRegistry } from '../support/registry.ts';
import { describeLine, LARGE } from '../support/registry-line.ts';

const team = { username: 'team', password: 'of the team' };
const robot = { username: 'robot', password: 'of the robot' };
const users = {
  team: { password: team.password },
  robot: { password: robot.password, may: { 'acme/digits-handoff': ['pull', 'push'] } },
} as const;
const configOf = (host: string, account: object): string => {
  const { DOCKER_AUTH_CONFIG = '' } = credentials(host, account);
  return DOCKER_AUTH_CONFIG;
};

describeLine(
  'a registry',
  () => startRegistry({ access: { kind: 'bearer', users } }),
  (line) => {
    test('a large model goes from hand-off to store inside the registry: package-model moves none of it', async () => {
      const { registry, run } = line();
      const { store } = openOn(registry, tmpdir(), { env: credentials(registry.host, team) });
      const found = await getManifest(store, parseDigest(run, 'run'));
      const { digest = '' } = found?.manifest.layers.find(({ size }) => size > LARGE) ?? {};
      const ofStore = registry.requests.filter(({ repository }) => repository === 'acme/digits');
      const mounts = ofStore.filter(({ path }) => path.includes(encodeURIComponent(digest)));
      expect(mounts.at(-1)).toMatchObject({ operation: 'mountBlob', status: 201 });
      const sent = ofStore.reduce((sum, { bytesIn }) => sum + bytesIn, 0);
      const looked = registry.requests
        .filter(({ repository, reference }) => repository === 'acme/digits-handoff' && reference === digest)
        .reduce((sum, { bytesOut }) => sum + bytesOut, 0);
      expect([sent < LARGE / 100, looked < LARGE / 100]).toEqual([true, true]);
    });
  },
  (host) => ({ hosted: configOf(host, team), machine: configOf(host, robot) }),
);
