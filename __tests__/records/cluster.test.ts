/** How projects, environments and releases are called in a cluster. */
import { describe, expect, test } from '@jest/globals';
import { digestOf, hexOf } from '../../src/lib/digest.ts';
import {
  type ClusterObject,
  fillManifests,
  isOfOneRelease,
  RELEASE,
  RELEASE_SHORT,
} from '../../src/records/cluster.ts';
import { clusterLabels, clusterName, resourceNames } from '../../src/records/cluster-names.ts';
import { environmentName, projectName } from '../../src/records/names.ts';

/** RFC 1035, which Services must follow, with the 13 characters of a release still to come. */
const LABEL = /^[a-z]([a-z0-9-]{0,48}[a-z0-9])?$/;
const LABEL_VALUE = /^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/;

const LONG = 'a'.repeat(41);
const projects = [
  'digits',
  'a',
  'a-b',
  'a.b',
  'a_b',
  'a-',
  'a.',
  '3d',
  `${LONG}`,
  'a-b-c',
  'a--b',
  'a-deadbeef',
];
const environments = [
  'production',
  'Production',
  'b',
  'b-c',
  'c',
  'b.c',
  'b_c',
  '1',
  'deadbeef',
  LONG,
  'b-',
  'B',
];

describe('the name of an environment in a cluster', () => {
  test('says project and environment where both are plain', () => {
    expect(clusterName('digits', 'production')).toBe('digits-production');
    expect(clusterName('small-digits', 'staging')).toBe('small-digits-staging');
  });

  test('is a DNS label, and no two environments have the same', () => {
    const names = projects.flatMap((project) => environments.map((one) => clusterName(project, one)));
    for (const project of projects) expect(projectName.safeParse(project).success).toBe(true);
    for (const environment of environments) expect(environmentName.safeParse(environment).success).toBe(true);
    for (const name of names) expect(name).toMatch(LABEL);
    expect(new Set(names).size).toBe(projects.length * environments.length);
  });

  test('tells apart what only the place of a hyphen, a capital or a sign tells apart', () => {
    const pairs = [
      [clusterName('a-b', 'c'), clusterName('a', 'b-c')],
      [clusterName('a', 'B'), clusterName('a', 'b')],
      [clusterName('a.b', 'c'), clusterName('a_b', 'c')],
    ];
    for (const [one, other] of pairs) expect(one).not.toBe(other);
    expect(clusterName('a', 'B')).toMatch(/^a-b-[0-9a-f]{8}$/);
  });

  test('leaves room for the release in every name made of it', () => {
    const { release, service, source, ledger } = resourceNames(LONG, LONG);
    expect(release.replace(RELEASE_SHORT, '0'.repeat(12)).length).toBeLessThanOrEqual(63);
    expect(service).not.toContain('@@');
    expect([source, ledger]).toEqual([`${release}-source`, `trainyard-${service}`]);
  });

  test('has labels that Kubernetes takes', () => {
    for (const project of projects)
      for (const environment of environments)
        for (const value of Object.values(clusterLabels(project, environment)))
          if (value !== RELEASE_SHORT) expect(value).toMatch(LABEL_VALUE);
    expect(clusterLabels('a.', 'x')['trainyard.dev/project']).toMatch(/^a-[0-9a-f]{8}$/);
    expect(clusterLabels('a.b', 'X')).toMatchObject({
      'app.kubernetes.io/name': 'a.b',
      'app.kubernetes.io/managed-by': 'trainyard',
      'trainyard.dev/environment': 'X',
    });
  });
});

describe('objects', () => {
  const object = (kind: string, name: string, more: object = {}): ClusterObject => ({
    apiVersion: 'v1',
    kind,
    metadata: { name },
    ...more,
  });

  test('get the digest of the release where the placeholders are, and nowhere else', () => {
    const release = digestOf(Buffer.from('one'));
    const text = `${RELEASE} ${RELEASE_SHORT} @@TRAINYARD_OTHER@@ "$&"`;
    const [filled] = fillManifests([object('ConfigMap', `a-${RELEASE_SHORT}`, { data: { text } })], release);
    expect(filled).toEqual({
      ...object('ConfigMap', `a-${hexOf(release, 12)}`),
      data: { text: `${release} ${hexOf(release, 12)} @@TRAINYARD_OTHER@@ "$&"` },
    });
  });

  test('come and go with a release, or are shared by all', () => {
    expect(isOfOneRelease(object('ConfigMap', `a-${RELEASE_SHORT}`))).toBe(true);
    expect(isOfOneRelease(object('Service', 'a', { spec: { selector: { release: RELEASE_SHORT } } }))).toBe(
      false,
    );
  });
});
