/** What release-config tells besides the release itself: the difference to what is live, and what has no effect. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { byBytes } from '../../src/lib/json.ts';
import { release } from '../../src/records/release.ts';
import { source } from '../../src/records/source.ts';
import { getManifest, getRecord, readConfig } from '../../src/store/records.ts';
import { putDeployment } from '../support/runs.ts';
import { digestIn, openWorkshop, refusalOf, type Workshop } from '../support/workshop.ts';

let shop: Workshop;
let base: string;
let packaged: string;
let firstTraining: string;
beforeAll(async () => {
  shop = await openWorkshop();
  base = (await shop.repository.git('rev-parse', 'HEAD')).trim();
  const made = await shop.toPackage();
  packaged = made.package;
  firstTraining = made.run;
});
afterEach(async () => {
  await shop.repository.git('reset', '-q', '--hard', base);
  shop.log.lines.splice(0);
  shop.log.warnings.splice(0);
});
afterAll(() => shop.remove());

const STAGING = 'environments/staging.yml';
const TARGET = 'target: {kind: process, port: 8081}\n';

async function releaseOf(inputs: Readonly<Record<string, string>> = {}, of = packaged) {
  const outcome = await shop.release(of, inputs);
  return { ...outcome, ...(await getRecord(shop.store, release, digestIn(outcome.outputs, 'release'))) };
}

const shortOf = (digest: string): string => `<code>${digest.slice(7, 19)}</code>`;
let time = 0;

/** Releases and deploys, and gives the release. */
async function goLive(inputs: Readonly<Record<string, string>> = {}, of = packaged) {
  const released = await releaseOf(inputs, of);
  time++;
  const endedAt = `2026-01-02T03:04:${String(time).padStart(2, '0')}Z`;
  await putDeployment(shop.store, released.digest, { endedAt });
  return released;
}

describe('the summary', () => {
  test('shows the live release beside the new one: model, metrics, configuration, commit and data', async () => {
    const before = await goLive();
    const data = `sha256:${'e'.repeat(64)}`;
    await shop.repository.edit('trainyard.yml', /sha256:d+/, data);
    await shop.repository.edit('serve.py', 'serving', 'serving more');
    await shop.repository.commit({
      [STAGING]:
        'target: {kind: process, port: 8082}\nconfig: {THRESHOLD: 0.5, LIMIT: 3}\nsecrets: [API_KEY]\n',
    });
    const { package: next, run } = await shop.toPackage({ claims: { metrics: { accuracy: 0.991 } } });
    const { summary, digest, config } = await releaseOf({}, next);
    const commit = (await shop.repository.git('rev-parse', 'HEAD')).slice(0, 12);
    const lines = summary.split('\n');
    expect(lines[0]).toBe(
      `### 🟢 staging · toy release ${shortOf(digest)} · differs from what is live in 6 places`,
    );
    expect(lines.slice(2, 13)).toEqual([
      `|  | live ${shortOf(before.digest)} | new ${shortOf(digest)} |`,
      '| --- | --- | --- |',
      `| model | run ${shortOf(firstTraining)}, 2026-01-02, accuracy 0.97, loss 0.1 | **run ${shortOf(run)}, 2026-01-02, accuracy 0.991** |`,
      '| config <code>LIMIT</code> | – | **<code>3</code>** |',
      '| config <code>THRESHOLD</code> | <code>0.4</code> | **<code>0.5</code>** |',
      `| server | ${shortOf(before.config.server)} | **${shortOf(config.server)}** |`,
      '| target | process: port <code>8081</code>, host <code>&#34;127.0.0.1&#34;</code> | **process: port <code>8082</code>, host <code>&#34;127.0.0.1&#34;</code>** |',
      '| secrets | – | **API&#95;KEY** |',
      `| commit | <code>${base.slice(0, 12)}</code> | **<code>${commit}</code>** |`,
      `| data | numbers <code>dddddddddddd</code> | **numbers <code>eeeeeeeeeeee</code>** |`,
      '',
    ]);
  });

  test('says of what is the same that it is, and counts a server alone as one place', async () => {
    const before = await goLive({ environment: 'production' });
    await shop.repository.edit('serve.py', 'serving', 'another server');
    const built = await shop.build();
    const next = digestIn((await shop.package(built, firstTraining)).outputs, 'package');
    const { summary } = await releaseOf({ environment: 'production' }, next);
    expect(summary.split('\n')[0]).toMatch(/ · differs from what is live in 1 place$/);
    expect(summary).toMatch(/^\| model \| run .*accuracy 0\.97.* \| same \|$/m);
    expect(summary).toMatch(/^\| data \| numbers <code>dddddddddddd<\/code> \| same \|$/m);
    expect(summary).not.toMatch(/^\| config /m);
    expect(summary).toContain(`| server | ${shortOf(before.config.server)} | **`);
  });

  test('folds every value with its origin, and escapes what it shows', async () => {
    await shop.repository.edit(
      'config.schema.json',
      '"LIMIT": {"type": "integer"}',
      '"LIMIT": {"type": "string"}',
    );
    const built = await shop.build();
    const next = digestIn((await shop.package(built, firstTraining)).outputs, 'package');
    const vars = JSON.stringify({ LIMIT: '`</td><img src=x>` | [a](b)' });
    const { summary } = await releaseOf({ vars }, next);
    expect(summary).toMatch(
      /<details><summary>Configuration, and where each value came from<\/summary>\n\n\| configuration \| value \| from \|\n/,
    );
    expect(summary).toContain('&#60;/td&#62;&#60;img src=x&#62;&#96; &#124; &#91;a&#93;(b)');
    expect(summary).not.toContain('<img');
  });
});

describe('the same input', () => {
  test('gives the same release, which is said, and the commit is a source of it', async () => {
    await shop.repository.commit({ [STAGING]: `${TARGET}config: {THRESHOLD: 0.11}\n` });
    const first = await releaseOf();
    expect(first.outputs).toMatchObject({ unchanged: 'false', package: packaged });
    const commit = await shop.repository.commit({ 'README.md': 'Another.\n' });
    const again = await releaseOf();
    expect(again.outputs).toEqual({ release: first.digest, package: packaged, unchanged: 'true' });
    expect(again.summary).toContain('The very same release was made before');
    const commits = [];
    for (const child of await shop.store.children(first.digest)) {
      const { manifest } = (await getManifest(shop.store, child)) ?? {};
      if (manifest !== undefined)
        commits.push((await readConfig(shop.store, source, child, manifest)).commit);
    }
    expect(commits).toContain(commit);
    expect(commits).toHaveLength(2);
  });
});

describe('what has no effect is told:', () => {
  test('values that others lie over, and keys without any', async () => {
    await shop.repository.commit({
      [STAGING]: 'extends: base\nconfig: {LEVEL: high}\n',
      'environments/base.yml': `${TARGET}config: {THRESHOLD: 0.3, LEVEL: low}\n`,
    });
    const { summary, config } = await releaseOf({ vars: '{"THRESHOLD": "0.35"}' });
    expect(config.config).toEqual({ THRESHOLD: 0.35, LEVEL: 'high' });
    for (const line of [
      'THRESHOLD = 0.35 (vars.THRESHOLD)',
      'environments/base.yml:2:33: config.LEVEL is not used: environments/staging.yml:2:17 lies over it',
      'environments/base.yml:2:21: config.THRESHOLD is not used: vars.THRESHOLD lies over it',
      'LIMIT is declared by the server, and has no value here',
      'API_KEY is declared by the server, and has no value here',
    ])
      expect(shop.log.lines).toContain(line);
    expect(summary).toContain('<details><summary>Unused, and without a value</summary>');
    expect(shop.log.warnings).toEqual([]);
  });

  test('variables that are nearly a key, or a secret, whose value is not shown', async () => {
    const vars = {
      TRESHOLD: '1',
      limit: '2',
      LEVELS: 'x',
      OTHER: 'y',
      API_KEY: 'hush-hush',
      NODE_VERSION: '20',
    };
    const { summary } = await releaseOf({ vars: JSON.stringify(vars) });
    expect(shop.log.warnings).toEqual([
      'vars.TRESHOLD is not used: the server declares no such key. Is THRESHOLD meant?',
      'vars.limit is not used: the server declares no such key. Is LIMIT meant?',
      'vars.LEVELS is not used: the server declares no such key. Is LEVEL meant?',
      expect.stringMatching(/^vars\.API_KEY is not used: API_KEY is a secret, and everyone who may read/),
    ]);
    expect(summary).toContain('⚠ vars.TRESHOLD is not used');
    expect(JSON.stringify([summary, shop.log])).not.toContain('hush');
  });

  test('a key that an open schema does not declare; probes without a time', async () => {
    await shop.repository.edit(
      'config.schema.json',
      '"additionalProperties": false',
      '"additionalProperties": true',
    );
    await shop.repository.commit({
      [STAGING]: `${TARGET}config: {THRESHOLD: 0.3, SPEED: 3}\nprobe: {rate: 9, p95: 1s}\n`,
    });
    const next = digestIn((await shop.package(await shop.build(), firstTraining)).outputs, 'package');
    const { config } = await releaseOf({}, next);
    expect(config.config).toMatchObject({ SPEED: 3 });
    expect(shop.log.warnings).toEqual([
      'environments/staging.yml:3:15: probe.rate has no effect without probe.window or probe.watch',
      'environments/staging.yml:3:23: probe.p95 has no effect without probe.window or probe.watch',
      "environments/staging.yml:2:33: SPEED is not declared by the server's schema; the server gets it all the same",
    ]);
  });

  test('variables where the server declares nothing at all', async () => {
    await shop.repository.edit('trainyard.yml', '  config: config.schema.json\n', '');
    const next = digestIn((await shop.package(await shop.build(), firstTraining)).outputs, 'package');
    await releaseOf({ vars: '{"THRESHOLD": "1", "OTHER": "2"}' }, next);
    expect(shop.log.warnings).toEqual([
      expect.stringMatching(/^vars\.THRESHOLD is not used: without a schema/),
    ]);
  });
});

describe('what deploy is told', () => {
  test('probes and approvers are in the release, and absent where nobody asked for them', async () => {
    await shop.repository.commit({
      [STAGING]: `${TARGET}config: {THRESHOLD: 0.3}\nprobe: {watch: 10m, p95: 250ms}\napprovers: [bob, acme/leads, bob]\n`,
    });
    const { config } = await releaseOf();
    expect(config).toMatchObject({
      probing: { windowSeconds: 0, watchSeconds: 600, rate: 5, p95Milliseconds: 250, errors: 0 },
      approvers: ['acme/leads', 'bob'],
    });
    const plain = await releaseOf({ environment: 'production' });
    expect(Object.keys(plain.config).toSorted(byBytes)).toEqual([
      'config',
      'environment',
      'name',
      'secrets',
      'server',
      'target',
    ]);
  });

  test('a secret that a cluster keeps is refused for a process; one that is named in two ways always', async () => {
    await shop.repository.commit({
      [STAGING]: `${TARGET}config: {THRESHOLD: 0.3}\nsecrets: [API_KEY, {API_KEY: {secretKeyRef: {name: db, key: password}}}]\n`,
    });
    expect((await refusalOf(releaseOf())).split('\n')).toEqual([
      'the configuration cannot be released:',
      '  - environments/staging.yml:3:20: the secret API_KEY is named twice, in different ways',
      '  - environments/staging.yml:3:20: the secret API_KEY is kept by a cluster (secretKeyRef), and the target is of the kind process; write its name alone, and give the value to the deploy step',
    ]);
  });
});
