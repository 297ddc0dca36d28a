import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { missingSecrets, referencedValues } from '../../../src/deploy/kubernetes/references.ts';
import { aDeployment, aService, FakeCluster } from '../../support/fake-cluster.ts';

let cluster: FakeCluster;
beforeEach(async () => {
  cluster = await FakeCluster.start();
});
afterEach(() => cluster.close());

const base64 = (text: string): string => Buffer.from(text).toString('base64');
const keep = (name: string, data: Record<string, string>) =>
  cluster.server.put(`/api/v1/namespaces/ns/secrets/${name}`, {
    metadata: { name },
    data: Object.fromEntries(Object.entries(data).map(([key, value]) => [key, base64(value)])),
  });
const variable = (name: string, key: string, optional = false) => ({
  name: key,
  valueFrom: { secretKeyRef: { name, key, optional } },
});
const manifestsWith = async (container: object, volumes: object[] = []) =>
  cluster.manifests(await cluster.release([aDeployment(container, { volumes }), aService('toy')]));

test('Values that pods take of Secrets of others are known, to be hidden: by key, and all of one', async () => {
  keep('db', { password: 'hunter-two', user: 'not-asked-for' });
  keep('keys', { first: 'one-of-two', second: 'two-of-two' });
  keep('other', { key: 'optional-value' });
  const env = [variable('db', 'password'), variable('other', 'key', true), variable('absent', 'key', true)];
  const manifests = await manifestsWith({ env, envFrom: [{ secretRef: { name: 'keys' } }] });
  expect(await referencedValues(cluster.place, manifests)).toEqual({
    'db/password': 'hunter-two',
    'keys/first': 'one-of-two',
    'keys/second': 'two-of-two',
    'other/key': 'optional-value',
  });
  expect(await missingSecrets(cluster.place, manifests)).toEqual([]);
});

test('The same of Secrets that become files, whole or in part', async () => {
  keep('tls', { 'tls.key': 'private-key', 'tls.crt': 'certificate' });
  keep('ca', { 'ca.crt': 'authority', other: 'not-asked-for' });
  const manifests = await manifestsWith({}, [
    { name: 'whole', secret: { secretName: 'tls' } },
    { name: 'maybe', secret: { secretName: 'absent', optional: true } },
    { name: 'scratch', emptyDir: {} },
    {
      name: 'several',
      projected: {
        sources: [
          { secret: { name: 'ca', items: [{ key: 'ca.crt', path: 'ca' }] } },
          { secret: { name: 'gone' } },
          { configMap: { name: 'settings' } },
        ],
      },
    },
  ]);
  expect(await referencedValues(cluster.place, manifests)).toEqual({
    'tls/tls.key': 'private-key',
    'tls/tls.crt': 'certificate',
    'ca/ca.crt': 'authority',
  });
  expect(await missingSecrets(cluster.place, manifests)).toEqual([
    'there is no Secret gone in namespace ns; the release needs it',
  ]);
});

test('What a pod leaves empty is as if it were not there', async () => {
  keep('tls', { 'tls.key': 'private-key' });
  keep('ca', { 'ca.crt': 'authority' });
  const env = [{ name: 'EMPTY', valueFrom: null }];
  const container = { env, envFrom: null, ports: null, volumeMounts: null, readinessProbe: null };
  const manifests = await manifestsWith(container, [
    { name: 'whole', secret: { secretName: 'tls', items: null, optional: null }, projected: null },
    { name: 'scratch', emptyDir: {}, secret: null },
    { name: 'none', projected: { sources: null } },
    { name: 'several', projected: { sources: [{ secret: null }, { secret: { name: 'ca', items: [] } }] } },
    { name: 'gone', projected: { sources: [{ secret: { name: 'gone', items: null, optional: null } }] } },
  ]);
  expect(await referencedValues(cluster.place, manifests)).toEqual({
    'tls/tls.key': 'private-key',
    'ca/ca.crt': 'authority',
  });
  expect(await missingSecrets(cluster.place, manifests)).toEqual([
    'there is no Secret gone in namespace ns; the release needs it',
  ]);
});

test('What is not there is told, unless it may be absent', async () => {
  keep('db', { user: 'toy' });
  const env = [
    variable('db', 'password'),
    variable('absent', 'one'),
    variable('absent', 'two'),
    variable('optional', 'key', true),
  ];
  const manifests = await manifestsWith({ env });
  expect(await missingSecrets(cluster.place, manifests)).toEqual([
    'the Secret db in namespace ns has no key password (it has user)',
    'there is no Secret absent in namespace ns; the release needs its one, two',
  ]);
  expect(await referencedValues(cluster.place, manifests)).toEqual({});
});
