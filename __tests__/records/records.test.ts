import { describe, expect, test } from '@jest/globals';
import { type DeploymentConfig, deployment, servesAfter } from '../../src/records/deployment.ts';
import { kindOf, kinds } from '../../src/records/kinds.ts';
import { environmentName, isInside, projectName, variableName } from '../../src/records/names.ts';
import { manifestOf } from '../../src/records/oci.ts';
import { resolveParams } from '../../src/records/params.ts';
import { trainingIdOf, trainingName } from '../../src/records/run.ts';

const digest = (letter: string) => `sha256:${letter.repeat(64)}` as const;

describe('names', () => {
  test.each([
    ['digits', true],
    ['0.a_b-c', true],
    ['a'.repeat(41), true],
    ['a'.repeat(42), false],
    ['', false],
    ['Digits', false],
    ['-a', false],
    ['a/b', false],
    ['a\n', false],
  ])('a project may be called %j: %j', (name, may) => {
    expect(projectName.safeParse(name).success).toBe(may);
    expect(environmentName.safeParse(name.replace('Digits', '/')).success).toBe(may);
  });

  test('environments may have capitals; variables are those of a shell', () => {
    expect(environmentName.safeParse('EU-Production').success).toBe(true);
    for (const name of ['A', '_a1', 'API_KEY']) expect(variableName.safeParse(name).success).toBe(true);
    for (const name of ['', '1A', 'A-B', 'A=B', 'A\n', 'É'])
      expect(variableName.safeParse(name).success).toBe(false);
  });

  test.each(['a', 'a/b.c', '.hidden', 'a..b', '..a', 'é', 'a b'])('%j is inside', (path) => {
    expect(isInside(path)).toBe(true);
  });

  test.each([
    '',
    '.',
    '..',
    '../a',
    'a/../b',
    'a/..',
    '/a',
    '\\a',
    'a\\b',
    'C:a',
    'c:/a',
    'a//b',
    'a/',
    './a',
    'a\0b',
  ])('%j is not', (path) => {
    expect(isInside(path)).toBe(false);
  });
});

describe('kinds', () => {
  test('are told by their types; a later version is not taken for none', () => {
    for (const [name, { artifactType }] of Object.entries(kinds)) expect(kindOf(artifactType)).toBe(name);
    expect(kindOf('application/vnd.trainyard.run.v2+json')).toBe('newer');
    expect(kindOf('application/vnd.trainyard.evaluation.v1+json')).toBe('newer');
    expect(kindOf('application/vnd.cncf.model.manifest.v3+json')).toBe('newer');
    expect(kindOf('application/vnd.dev.cosign.simplesigning.v1+json')).toBeUndefined();
    expect(kindOf(undefined)).toBeUndefined();
  });

  test('name their records', () => {
    const config = { repository: '', commit: 'c'.repeat(40), path: '.', ref: 'HEAD' };
    expect(kinds.source.tag(config, digest('a'))).toBe('source-cccccccccccc-aaaaaaaaaaaa');
    expect(kinds.source.tagOf(config, digest('a'))).toBe('source-cccccccccccc-aaaaaaaaaaaa');
    expect(() => kinds.source.tagOf({ commit: 3 }, digest('a'))).toThrow();
    expect(trainingName(digest('b'))).toBe(`training-${'b'.repeat(64)}`);
  });

  test('what is no manifest is told by its place', () => {
    for (const bytes of ['', '{}', 'x', '{"schemaVersion":1}'])
      expect(() => manifestOf(Buffer.from(bytes), 'yard: sha256:1')).toThrow(
        'yard: sha256:1 holds something that is not an OCI image manifest where a record was expected',
      );
  });
});

describe('a training id', () => {
  const training = {
    source: digest('a'),
    environment: { kind: 'requirements' as const, lock: digest('b') },
    command: ['python', 'train.py'],
    params: { epochs: 3, rate: 0.1 },
    data: { x: digest('c'), y: digest('d') },
  };

  test('is the digest of the canonical JSON of what can change the model', () => {
    // Worked out with Python's json and hashlib. Another one would train everything anew.
    expect(trainingIdOf(training)).toBe(
      'sha256:a63e6745d1b0fee0e126247fa75068282a262081250e1c5f66026a2ba2952271',
    );
    const { params, data, ...rest } = training;
    const turned = { data: { y: data.y, x: data.x }, params: { rate: 0.1, epochs: 3.0 }, ...rest };
    expect(trainingIdOf(turned)).toBe(trainingIdOf(training));
  });

  test.each([
    { source: digest('e') },
    { environment: { kind: 'requirements' as const, lock: digest('f') } },
    { command: ['python train.py'] },
    { params: { epochs: '3', rate: 0.1 } },
    { data: { x: digest('d'), y: digest('c') } },
  ])('differs with %j', (change) => {
    expect(trainingIdOf({ ...training, ...change })).not.toBe(trainingIdOf(training));
  });
});

describe('parameters', () => {
  const declared = { epochs: 3, name: 'a', deep: { x: 1 }, list: [1], flag: true, nothing: null };

  test('are overridden by name, with values of their type; null takes any', () => {
    const overrides = { epochs: 4.5, deep: {}, list: [], flag: false, nothing: 'now' };
    expect(resolveParams(declared, overrides, 'x')).toEqual({ ...declared, ...overrides });
    expect(resolveParams(declared, {}, 'x')).toEqual(declared);
  });

  test.each([
    [
      { epoch: 3 },
      'x cannot be used: "epoch" is not a parameter; declared are: epochs, name, deep, list, flag, nothing',
    ],
    [{ toString: 3 }, 'x cannot be used: "toString" is not a parameter'],
    [{ epochs: '3' }, 'x cannot be used: epochs is "3" (string), but the default 3 is a number'],
    [{ epochs: null }, 'x cannot be used: epochs is null (null), but the default 3 is a number'],
    [{ list: {} }, 'x cannot be used: list is {} (object), but the default [1] is a list'],
  ])('%j is refused', (overrides, said) => {
    expect(() => resolveParams(declared, overrides, 'x')).toThrow(said);
  });

  test('none are declared', () => {
    expect(() => resolveParams({}, { a: 1 }, 'x')).toThrow('declared are: none');
  });
});

test('a Deployment tells what serves after it', () => {
  const config: DeploymentConfig = {
    name: 'toy',
    environment: 'staging',
    outcome: 'live',
    endpoint: 'http://x',
    checks: [],
    before: digest('a'),
    reason: null,
    startedAt: '2026-01-01T00:00:00Z',
    endedAt: '2026-01-01T00:00:01Z',
  };
  const after = (outcome: DeploymentConfig['outcome'], before = config.before): string =>
    servesAfter({ ...config, outcome, before });
  expect([after('live'), after('unchanged', null)]).toEqual(['this', 'this']);
  expect([after('refused'), after('rolled-back')]).toEqual(['before', 'before']);
  expect([after('refused', null), after('restore-failed')]).toEqual(['none', 'none']);
  expect(deployment.tag(config, digest('b'))).toBe('deployment-toy-staging-bbbbbbbbbbbb');
});
