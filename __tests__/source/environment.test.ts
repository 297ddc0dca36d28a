import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { openCommit } from '../../src/source/commit.ts';
import { readEnvironment } from '../../src/source/read-environment.ts';
import { makeRepository, type Repository } from '../support/project.ts';
import { refusalOf } from '../support/workshop.ts';

let place: string;
let repository: Repository;
beforeAll(async () => {
  place = await mkdtemp(join(tmpdir(), 'trainyard-'));
  repository = await makeRepository(place, { files: { 'README.md': 'Nothing.\n' } });
});
afterAll(() => rm(place, { recursive: true, force: true }));

/** Reads the first of the environments that are given by their files' texts; no others are there. */
async function read(texts: Readonly<Record<string, string>>) {
  await rm(join(place, 'environments'), { recursive: true, force: true });
  const files = Object.entries(texts).map(([name, text]) => [`environments/${name}.yml`, text] as const);
  await repository.commit(Object.fromEntries(files));
  return readEnvironment(await openCommit(place, '.'), Object.keys(texts)[0] ?? '');
}

const refusal = (texts: Readonly<Record<string, string>>): Promise<string> => refusalOf(read(texts));
const TARGET = 'target: {kind: process, port: 1}\n';

describe('an environment’s file', () => {
  test('is read though another one is not on this machine', async () => {
    const absent = `version https://git-lfs.github.com/spec/v1\noid sha256:${'0'.repeat(64)}\nsize 9\n`;
    expect((await read({ a: TARGET, b: absent })).value.target.kind).toBe('process');
    expect(await refusal({ b: absent, a: TARGET })).toMatch(/Git LFS.*environments\/b\.yml/s);
  });

  test('gates, probes and approvals are read in the units that records have', async () => {
    const { value } = await read({
      a: `${TARGET}metrics: {accuracy: {baseline: production, tolerance: 0.005}, loss: {baseline: b}}
probe: {window: 30s, watch: 10m, rate: 5, p95: 250ms, errors: 0.01}
approvers: [alice, acme/ml-leads, 'renovate[bot]']
secrets: [API_KEY, {DB: {secretKeyRef: {name: db, key: password}}}]
`,
    });
    expect(value).toEqual({
      target: { kind: 'process', port: 1, host: '127.0.0.1' },
      config: {},
      secrets: [
        { name: 'API_KEY', reference: undefined },
        { name: 'DB', reference: { secretKeyRef: { name: 'db', key: 'password' } } },
      ],
      metrics: {
        accuracy: { baseline: 'production', tolerance: 0.005 },
        loss: { baseline: 'b', tolerance: 0 },
      },
      probe: { window: 30, watch: 600, rate: 5, p95: 250, errors: 0.01 },
      approvers: ['alice', 'acme/ml-leads', 'renovate[bot]'],
    });
    expect((await read({ a: `${TARGET}probe: {p95: 2s}\n` })).value.probe).toEqual({ p95: 2000 });
  });

  test('all mistakes are told at once, each where it stands', async () => {
    const message = await refusal({
      a: `target: {kind: process, port: 1}
metrics: {accuracy: {tolerance: -1}}
probe: {window: 30, p95: 0ms, errors: 2, rate: 0, wait: 1s}
approvers: [a b, '@alice']
secrets: [{DB: {secretKeyRef: {name: db}}}, {A: {secretKeyRef: {name: a, key: b}}, B: {secretKeyRef: {name: a, key: b}}}, 7]
`,
    });
    expect(message.split('\n')).toEqual([
      'environments/a.yml has mistakes:',
      '  - environments/a.yml:2:21: metrics.accuracy.baseline: missing; expected string',
      '  - environments/a.yml:2:33: metrics.accuracy.tolerance: Too small: expected number to be >=0',
      '  - environments/a.yml:3:17: probe.window: expected string, received number',
      '  - environments/a.yml:3:26: probe.p95: a time such as 250ms or 2s',
      '  - environments/a.yml:3:39: probe.errors: Too big: expected number to be <=1',
      '  - environments/a.yml:3:48: probe.rate: Too small: expected number to be >0',
      '  - environments/a.yml:3:51: probe: unknown key "wait"; allowed are window, watch, rate, p95, errors',
      '  - environments/a.yml:4:13: approvers.0: a user of GitHub, or a team: alice, acme/ml-leads',
      '  - environments/a.yml:4:18: approvers.1: a user of GitHub, or a team: alice, acme/ml-leads',
      '  - environments/a.yml:5:31: secrets.0.DB.secretKeyRef.key: missing; expected string',
      '  - environments/a.yml:5:45: secrets.1: each item of the list is one secret',
      expect.stringMatching(
        /^ {2}- environments\/a\.yml:5:123: secrets\.2: the name of a secret, or \{NAME: /,
      ),
    ]);
  });

  test('a byte order mark and line ends of Windows change nothing', async () => {
    const { value, place: at } = await read({
      a: '\uFEFFtarget: {kind: process, port: 1}\r\nconfig:\r\n  A: one\r\n  B: |\r\n    two\r\n    lines\r\n',
    });
    expect(value.config).toEqual({ A: 'one', B: 'two\nlines\n' });
    expect(at(['config', 'A'])).toBe('environments/a.yml:3:6');
  });

  test.each([
    [
      'config: {A: 1, B: 2, A: 3}\n',
      /^environments\/a\.yml is not YAML: environments\/a\.yml:2:22: Map keys must be unique$/,
    ],
    ['config: {__proto__: {A: 1}}\n', /a\.yml:2:10: a key can't be named __proto__$/],
    ['__proto__: {config: {A: 1}}\n', /a\.yml:2:1: a key can't be named __proto__$/],
    [
      'config: {constructor: 1, <<: {A: 1}}\n',
      /a\.yml:2:26: config\.<<: the name of an environment variable/,
    ],
    [
      `config: {A: ${'['.repeat(60)}${']'.repeat(60)}}\n`,
      /^environments\/a\.yml cannot be read: it has more than 50 levels$/,
    ],
    [`config: {A: ${'['.repeat(20_000)}`, /more than 50 levels$/],
    [`config: {A: ${'{a: '.repeat(5000)}1${'}'.repeat(5000)}}\n`, /more than 50 levels$/],
    [`config:\n  A:\n    ${'- '.repeat(5000)}1\n`, /more than 50 levels$/],
    [
      `config: {l0: &l0 [x, x]${Array.from({ length: 9 }, (_, i) => `, l${i + 1}: &l${i + 1} [${Array(9).fill(`*l${i}`).join(', ')}]`).join('')}}\n`,
      /^environments\/a\.yml cannot be read: too many aliases/,
    ],
    ['config: {A: !!js/function "x"}\n', /a\.yml:2:13: Unresolved tag: tag:yaml\.org,2002:js\/function$/],
  ])('%.40j is refused', async (text, said) => {
    expect(await refusal({ a: TARGET + text })).toMatch(said);
  });

  test('50 levels are not too many', async () => {
    const { value } = await read({ a: `${TARGET}config: {A: ${'['.repeat(48)}${']'.repeat(48)}}\n` });
    expect(JSON.stringify(value.config.A)).toBe('['.repeat(48) + ']'.repeat(48));
  });
});

describe('extends', () => {
  test('lays a file over others, key by key, and every value keeps its place', async () => {
    const { value, place: at } = await read({
      production: `extends: base
target: {kind: process, host: 0.0.0.0}
config: {B: over}
secrets: [{DB: {secretKeyRef: {name: x, key: y}}}, OWN]
probe: {watch: 5m}
metrics: {loss: {baseline: production}}
`,
      base: `extends: ground
target: {kind: process, port: 8080}
config: {A: 1, B: 2}
secrets: [API_KEY, DB]
probe: {window: 30s, watch: 10m}
metrics: {loss: {baseline: staging}, accuracy: {baseline: production}}
approvers: [alice]
`,
      ground: 'config:\n  C: {deep: [1]}\n  A: 0\napprovers: [bob]\n',
    });
    expect(value).toEqual({
      extends: 'base',
      target: { kind: 'process', port: 8080, host: '0.0.0.0' },
      config: { A: 1, B: 'over', C: { deep: [1] } },
      secrets: [
        { name: 'API_KEY', reference: undefined },
        { name: 'DB', reference: { secretKeyRef: { name: 'x', key: 'y' } } },
        { name: 'OWN', reference: undefined },
      ],
      probe: { window: 30, watch: 300 },
      metrics: {
        loss: { baseline: 'production', tolerance: 0 },
        accuracy: { baseline: 'production', tolerance: 0 },
      },
      approvers: ['alice'],
    });
    const places = [
      [['config', 'A'], 'base.yml:3:13'],
      [['config', 'B'], 'production.yml:3:13'],
      [['config', 'C', 'deep', 0], 'ground.yml:2:14'],
      [['target', 'port'], 'base.yml:2:31'],
      [['target', 'host'], 'production.yml:2:31'],
      [['secrets', 0], 'base.yml:4:11'],
      [['secrets', 1], 'production.yml:4:11'],
      [['probe', 'window'], 'base.yml:5:17'],
      [['approvers', 0], 'base.yml:7:13'],
      [['config', 'NOWHERE'], 'production.yml:3:9'],
    ] as const;
    for (const [path, where] of places) expect(at(path)).toBe(`environments/${where}`);
  });

  test('a target of another kind takes the place of the base’s as a whole', async () => {
    const texts = {
      a: 'extends: base\ntarget: {kind: cluster}\n',
      base: 'target: {kind: process, port: 1}\n',
    };
    expect(await refusal(texts)).toMatch(
      /^environments\/a\.yml has mistakes: environments\/a\.yml:2:16: target\.kind: /,
    );
  });

  test('a base’s values can be replaced by others of any form', async () => {
    const { value } = await read({
      a: 'extends: base\nconfig: {A: [1]}\napprovers: []\n',
      base: `${TARGET}config: {A: {b: 1}}\napprovers: [alice]\n`,
    });
    expect(value).toMatchObject({ config: { A: [1] }, approvers: [] });
  });

  test('mistakes of both files are told at once, each with its file', async () => {
    const message = await refusal({
      a: 'extends: base\nconfig: {a-b: 1}\nconfigs: 1\n',
      base: 'target: {kind: process, port: 80800}\nsecrets: [x y]\nprob: 1\n',
    });
    expect(message.split('\n')).toEqual([
      'environments/a.yml has mistakes:',
      expect.stringMatching(/ environments\/a\.yml:2:10: config\.a-b: the name of/),
      expect.stringMatching(/ environments\/a\.yml:3:1: unknown key "configs"; allowed are/),
      expect.stringMatching(/ environments\/base\.yml:1:31: target\.port: /),
      expect.stringMatching(/ environments\/base\.yml:2:11: secrets\.0: the name of/),
      expect.stringMatching(/ environments\/base\.yml:3:1: unknown key "prob"; allowed are/),
    ]);
  });

  test.each([
    [
      { a: 'extends: base\n' },
      'environments/a.yml:1:10: extends is base, and the commit has no environments/base.yml; it has a',
    ],
    [
      { a: 'extends: b\n', b: 'extends: c\n', c: 'config: {}\nextends: b\n' },
      'environments/c.yml:2:10: extends goes round in a circle: a → b → c → b; end it in one of them',
    ],
    [
      { a: `extends: a\n${TARGET}` },
      'environments/a.yml:1:10: extends goes round in a circle: a → a; end it in one of them',
    ],
    [
      { a: `extends: ../../etc/passwd\n${TARGET}` },
      'environments/a.yml has mistakes: environments/a.yml:1:10: extends: an environment is named by a letter or digit, then up to 40 of A-Z a-z 0-9 . _ -',
    ],
    [
      { a: `extends: [base]\n${TARGET}` },
      'environments/a.yml has mistakes: environments/a.yml:1:10: extends: expected string, received array',
    ],
    [
      { a: 'extends: base\n', base: '' },
      'environments/base.yml has mistakes: environments/base.yml:1:1: expected object, received null',
    ],
    [
      { a: 'extends: base\n', base: 'config: {}\n' },
      'environments/a.yml has mistakes: environments/a.yml:1:1: target: missing; expected object',
    ],
    [{ a: 'extends: base\n', base: '[' }, /^environments\/base\.yml is not YAML: environments\/base\.yml:1:/],
  ])('%j is refused', async (texts, said) => {
    expect(await refusal(texts)).toMatch(
      said instanceof RegExp ? said : new RegExp(`^${said.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}$`),
    );
  });
});
