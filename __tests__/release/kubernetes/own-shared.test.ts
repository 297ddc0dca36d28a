/** What all releases share changes with the switch, and must not make the proof of a new one a proof of another thing. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { DEPLOYMENT, type OwnManifests, openOwnManifests, SERVICE } from '../../support/own-manifests.ts';

let own: OwnManifests;
beforeAll(async () => {
  own = await openOwnManifests();
});
beforeEach(() => own.reset());
afterAll(() => own.close());

const DEPLOYED = '@@TRAINYARD_NAME@@-@@TRAINYARD_RELEASE_SHORT@@';

describe('A Deployment that is scaled', () => {
  const scaler = (target: string, kind = 'HorizontalPodAutoscaler', apiVersion = 'autoscaling/v2'): string =>
    `apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata: {name: scaler}\nspec: {scaleTargetRef: {${target}}, maxReplicas: 9}\n`;
  const unsized = DEPLOYMENT.replace('  replicas: 2\n', '');

  test('is refused without replicas, with which each release begins', async () => {
    const wrong = [
      scaler(`kind: Deployment, name: "${DEPLOYED}"`),
      scaler(`name: "${DEPLOYED}"`, 'ScaledObject', 'keda.sh/v1alpha1'),
    ];
    for (const text of wrong) {
      expect(await own.problems({ 'k8s/deployment.yaml': unsized, 'k8s/scaler.yaml': text })).toEqual([
        expect.stringMatching(
          /deployment\.yaml:7:\d+: Deployment toy-test-\S+ has no replicas: .* and (HorizontalPodAutoscaler|ScaledObject) scaler adds others after .* give replicas/,
        ),
      ]);
    }
  });

  test('is released with them, or when something else is scaled', async () => {
    const scaled = scaler(`kind: Deployment, name: "${DEPLOYED}"`);
    await own.repository.commit({ 'k8s/scaler.yaml': scaled });
    expect((await own.released()).map(({ kind }) => kind)).toContain('HorizontalPodAutoscaler');
    const other = scaler('kind: Deployment, name: other');
    await own.repository.commit({ 'k8s/deployment.yaml': unsized, 'k8s/scaler.yaml': other });
    expect((await own.released()).map(({ kind }) => kind)).toContain('HorizontalPodAutoscaler');
  });
});

describe('A ConfigMap that pods name', () => {
  const map = (name: string, more = ''): string =>
    `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: "${name}"}\ndata: {LIMIT: "1"}\n${more}`;
  const variables = (name: string): string =>
    DEPLOYMENT.replace('envFrom: [', `envFrom: [{configMapRef: {name: "${name}"}}, `);
  const one = (name: string): string =>
    DEPLOYMENT.replace('env: [', `env: [{name: A, valueFrom: {configMapKeyRef: {name: ${name}, key: A}}}, `);
  const volume = (name: string): string => `${DEPLOYMENT}        - {name: s, configMap: {name: ${name}}}\n`;
  const part = (name: string): string =>
    `${DEPLOYMENT}        - {name: s, projected: {sources: [{configMap: {name: ${name}}}]}}\n`;

  test.each([
    ['as variables', variables],
    ['as one variable', one],
    ['as a volume', volume],
    ['as a part of one', part],
  ])('%s is refused when all releases share it', async (_, naming) => {
    expect(
      await own.problems({ 'k8s/deployment.yaml': naming('settings'), 'k8s/settings.yaml': map('settings') }),
    ).toEqual([
      expect.stringMatching(
        /settings\.yaml:3:\d+: ConfigMap settings is shared .* so that Deployment toy-test-\S+ would be proved with .* name it settings-@@TRAINYARD_RELEASE_SHORT@@, here and there, or write immutable: true$/,
      ),
    ]);
  });

  test.each([
    ['of one release', map('settings-@@TRAINYARD_RELEASE_SHORT@@'), 'settings-@@TRAINYARD_RELEASE_SHORT@@'],
    ['that never changes', map('settings', 'immutable: true\n'), 'settings'],
    [
      'by the hash of its content, as kustomize writes it,',
      map('settings-g4hk9g2ff8'),
      'settings-g4hk9g2ff8',
    ],
    ['that is not among the manifests', SERVICE.replaceAll('@@TRAINYARD_NAME@@', 'other'), 'elsewhere'],
    ['beside one that none names,', map('settings'), 'elsewhere'],
  ])('%s is released', async (_, more, name) => {
    await own.repository.commit({ 'k8s/deployment.yaml': variables(name), 'k8s/settings.yaml': more });
    expect(JSON.stringify(await own.released())).toContain(`{"configMapRef":{"name":"${name}"}}`);
  });
});
