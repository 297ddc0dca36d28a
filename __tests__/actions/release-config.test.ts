import { readdir } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { canonicalBytes } from '../../src/lib/json.ts';
import { release } from '../../src/records/release.ts';
import { getManifest, getRecord, readBytes } from '../../src/store/records.ts';
import { putDeployment } from '../support/runs.ts';
import { digestIn, openWorkshop, refusalOf, type Workshop } from '../support/workshop.ts';

let shop: Workshop;
let base: string;
let made: Awaited<ReturnType<Workshop['toPackage']>>;
beforeAll(async () => {
  shop = await openWorkshop();
  base = (await shop.repository.git('rev-parse', 'HEAD')).trim();
  made = await shop.toPackage();
});
afterEach(async () => {
  await shop.repository.git('reset', '-q', '--hard', base);
  shop.log.lines.splice(0);
});
afterAll(() => shop.remove());

const STAGING = 'environments/staging.yml';

async function releaseOf(inputs: Readonly<Record<string, string>> = {}) {
  const outcome = await shop.release(made.package, inputs);
  return { ...outcome, ...(await getRecord(shop.store, release, digestIn(outcome.outputs, 'release'))) };
}

/** The error of a release that must leave nothing new in the store. */
async function refusal(
  inputs: Readonly<Record<string, string>> = {},
  of: string = made.package,
): Promise<string> {
  const blobs = (): Promise<string[]> => readdir(`${shop.store.location}/blobs/sha256`);
  const before = await blobs();
  const message = await refusalOf(shop.release(of, inputs));
  expect(await blobs()).toEqual(before);
  return message;
}

describe('a release', () => {
  test('binds the package to the environment’s configuration, with the schema’s defaults', async () => {
    const { config, manifest } = await releaseOf();
    expect(config).toEqual({
      name: 'toy',
      environment: 'staging',
      server: made.built.server,
      target: { kind: 'process', port: 8081, host: '127.0.0.1' },
      config: { THRESHOLD: 0.4, LEVEL: 'low' },
      secrets: [],
    });
    expect(manifest.subject?.digest).toBe(made.package);
    const [layer] = manifest.layers;
    expect(layer?.annotations).toEqual({ 'org.opencontainers.image.title': 'configuration.json' });
    expect(await readBytes(shop.store, digestIn({ layer: layer?.digest ?? '' }, 'layer'))).toEqual(
      canonicalBytes(config.config),
    );
  });

  test('lists the names of secrets, sorted, each once', async () => {
    const { config, summary } = await releaseOf({ environment: 'production' });
    expect(config.secrets).toEqual(['API_KEY']);
    expect(summary).toContain('| <code>API&#95;KEY</code> | _secret_ | the deploy step |');
  });

  test('takes variables of declared names, as the types that the schema declares, and no others', async () => {
    const vars = { THRESHOLD: '0.7', LEVEL: 'high', LIMIT: '12', OTHER: 'x', API_KEY: 'hush', PATH: '/evil' };
    const { config } = await releaseOf({ vars: JSON.stringify(vars) });
    expect(config.config).toEqual({ THRESHOLD: 0.7, LEVEL: 'high', LIMIT: 12 });
    expect(JSON.stringify(config)).not.toContain('hush');
  });

  test('shows where every value came from, in log and summary', async () => {
    const { summary } = await releaseOf({ environment: 'production', vars: 'LIMIT: 5' });
    for (const line of [
      'LEVEL = "high" (environments/production.yml:4:10)',
      'THRESHOLD = 0.62 (environments/production.yml:3:14)',
      'LIMIT = 5 (vars.LIMIT)',
    ])
      expect(shop.log.lines).toContain(line);
    expect(summary).toContain('| <code>LIMIT</code> | <code>5</code> | vars.LIMIT |');
    await releaseOf();
    expect(shop.log.lines).toContain('LEVEL = "low" (default)');
  });

  test('has the same digest for the same input, whichever commit it comes from; another configuration has another', async () => {
    const first = await releaseOf();
    await shop.repository.commit({ 'README.md': 'Another text.\n' });
    expect((await releaseOf()).digest).toBe(first.digest);
    await shop.repository.edit(STAGING, '0.4', '0.5');
    expect((await releaseOf()).digest).not.toBe(first.digest);
    expect((await releaseOf({ environment: 'production' })).digest).not.toBe(first.digest);
    const sources = [];
    for (const child of await shop.store.children(first.digest))
      sources.push((await getManifest(shop.store, child))?.manifest.artifactType);
    expect(sources).toEqual(Array(2).fill('application/vnd.trainyard.source.v1+json'));
  });

  test('is told in a summary that begins with its verdict and says what is live', async () => {
    const { summary, digest } = await releaseOf();
    const short = `<code>${digest.slice(7, 19)}</code>`;
    const head = (text: string): string | undefined => text.split('\n')[0];
    expect(head(summary)).toBe(`### 🟢 staging · toy release ${short} · nothing is known to be live there`);
    await putDeployment(shop.store, digest);
    expect(head((await releaseOf()).summary)).toBe(
      `### 🟢 staging · toy release ${short} · it is live already`,
    );
    await shop.repository.edit(STAGING, '0.4', '0.5');
    expect(head((await releaseOf()).summary)).toMatch(/ · differs from what is live in 1 place$/);
  });

  test('of a server without a schema takes the file’s values as they are, and no variables', async () => {
    await shop.repository.edit('trainyard.yml', '  config: config.schema.json\n', '');
    await shop.repository.commit({
      [STAGING]: 'target: {kind: process, port: 1}\nconfig: {ANY: {deep: [1]}}\n',
    });
    const packaged = await shop.package(await shop.build(), made.run);
    const { outputs } = await shop.release(digestIn(packaged.outputs, 'package'), {
      vars: '{"ANY": "x", "THRESHOLD": "1"}',
    });
    const { config } = await getRecord(shop.store, release, digestIn(outputs, 'release'));
    expect(config.config).toEqual({ ANY: { deep: [1] } });
  });
});

describe('a configuration is refused, with every mistake at once:', () => {
  test('values that are missing, of the wrong type, not declared, or secrets', async () => {
    await shop.repository.commit({
      [STAGING]: `target: {kind: process, port: 8081}
config:
  LEVEL: middle
  LIMIT: many
  SPEED: 3
  API_KEY: hush
secrets: [TOKEN]
`,
    });
    const message = await refusal();
    expect(message.split('\n')).toEqual([
      'the configuration cannot be released:',
      '  - environments/staging.yml:6:12: API_KEY is a secret; take its value out of config, and list its name under secrets',
      '  - environments/staging.yml:3:3: THRESHOLD is required and has no value',
      '  - environments/staging.yml:5:10: SPEED is not declared by the server (found 3); declared are LEVEL, LIMIT, THRESHOLD',
      '  - environments/staging.yml:3:10: LEVEL must be equal to one of the allowed values: ["low","high"] (found "middle")',
      '  - environments/staging.yml:4:10: LIMIT must be integer (found "many")',
      '  - environments/staging.yml:7:11: TOKEN is not a secret that the server declares (writeOnly)',
    ]);
    expect(message).not.toContain('hush');
  });

  test('variables of the wrong type, told by their name', async () => {
    expect(await refusal({ vars: '{"THRESHOLD": "2", "LIMIT": "1.5"}' })).toBe(
      'the configuration cannot be released:\n' +
        '  - vars.LIMIT: LIMIT must be integer (found 1.5)\n' +
        '  - vars.THRESHOLD: THRESHOLD must be <= 1 (found 2)',
    );
  });

  const tokens = [
    `ghp_${'a1'.repeat(18)}`,
    'AKIAABCDEFGHIJKLMNOP',
    `hf_${'x'.repeat(34)}`,
    `sk-ant-${'x'.repeat(24)}`,
    '-----BEGIN RSA PRIVATE KEY-----\nabc',
    'postgres://me:hunter2@db/x',
    'redis://:hunter2secret@cache:6379/0',
    `a line\n\tghp_${'a1'.repeat(18)}`,
    `eyJ${'a'.repeat(12)}.eyJ${'b'.repeat(12)}.c`,
  ];
  test.each(tokens)('a value with the form of a credential, which is not shown (%#)', async (token) => {
    await shop.repository.commit({
      [STAGING]: `target: {kind: process, port: 1}\nconfig: {THRESHOLD: 0.1, LEVEL: ${JSON.stringify(token)}, OTHER: ${JSON.stringify(token)}}\n`,
    });
    const message = await refusal();
    expect(message).toMatch(
      /staging\.yml:2:33: LEVEL has the form of an? .*\. Withdraw it, list the name under secrets/,
    );
    expect(message).toMatch(/OTHER has the form of/);
    expect(message).not.toContain(token.slice(0, 14));
  });

  test('a secret that the server needs and nobody lists; a value for a secret that is listed', async () => {
    await shop.repository.edit('config.schema.json', '["THRESHOLD"]', '["THRESHOLD", "API_KEY"]');
    await shop.repository.commit({
      [STAGING]: 'target: {kind: process, port: 1}\nconfig: {THRESHOLD: 0.1}\n',
      'environments/production.yml':
        'target: {kind: process, port: 1}\nconfig: {THRESHOLD: 0.1, LEVEL: hush}\nsecrets: [API_KEY, LEVEL]\n',
    });
    const packaged = digestIn((await shop.package(await shop.build(), made.run)).outputs, 'package');
    expect(await refusal({}, packaged)).toMatch(
      /staging\.yml:1:1: the server needs the secret API_KEY; list it under secrets$/,
    );
    const message = await refusal({ environment: 'production' }, packaged);
    expect(message).toMatch(/production\.yml:2:33: LEVEL is a secret; take its value out of config/);
    expect(message).not.toContain('hush');
  });

  test('keys that are unknown or mistyped in the environment’s file', async () => {
    await shop.repository.commit({
      [STAGING]:
        'target: {kind: process, port: 80800, hosts: x}\nconfigs: {A: 1}\nconfig: {a-b: 1}\nsecrets: [x y]\n',
    });
    expect((await refusal()).split('\n')).toEqual([
      'environments/staging.yml has mistakes:',
      expect.stringMatching(/staging\.yml:1:31: target\.port: .*65535/),
      expect.stringMatching(/staging\.yml:1:38: target: unknown key "hosts"; allowed are kind, port, host$/),
      expect.stringMatching(
        /staging\.yml:2:1: unknown key "configs"; allowed are extends, target, config, secrets, metrics, probe, approvers$/,
      ),
      expect.stringMatching(/staging\.yml:3:10: config\.a-b: the name of an environment variable/),
      expect.stringMatching(/staging\.yml:4:11: secrets\.0: the name of an environment variable/),
    ]);
    await shop.repository.commit({ [STAGING]: 'target: {kind: cluster}\n' });
    expect(await refusal()).toMatch(
      /staging\.yml:1:16: target\.kind: "cluster" is not known; expected 'process' \| 'kubernetes'$/,
    );
    await shop.repository.commit({ [STAGING]: 'config: {}\n' });
    expect(await refusal()).toMatch(/staging\.yml:1:1: target: missing; /);
  });
});

describe('refused:', () => {
  test('an environment that the commit does not have, or with a hostile name', async () => {
    expect(await refusal({ environment: 'edge' })).toBe(
      'input environment is edge, and the commit has no environments/edge.yml; it has production, staging',
    );
    for (const environment of ['../../etc/passwd', '"; touch PWN #', 'a\nEOF'])
      expect(await refusal({ environment })).toMatch(
        new RegExp(
          `^input environment is ${JSON.stringify(environment).replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')}: an environment is named by`,
        ),
      );
  });

  test('records of other kinds, of a newer version, and what is not there', async () => {
    const { run, built } = made;
    const { trainer = '' } = built;
    const needed = 'but a package (application/vnd.cncf.model.manifest.v1+json) is needed here';
    expect(await refusal({}, run)).toBe(`${run} is a run, ${needed}`);
    expect(await refusal({}, trainer)).toBe(`${trainer} is a program, ${needed}`);
    expect(await refusal({}, `sha256:${'0'.repeat(64)}`)).toMatch(
      /^there is no package sha256:0+ in .*yard\./,
    );
    const { manifest } = (await getManifest(shop.store, made.package)) ?? {};
    const other = (changes: object) => shop.store.put(canonicalBytes({ ...manifest, ...changes }), []);
    const newer = await other({ artifactType: 'application/vnd.cncf.model.manifest.v2+json' });
    expect(await refusal({}, newer)).toBe(
      `${newer} was written by a newer Trainyard (application/vnd.cncf.model.manifest.v2+json); use that version, or a later one, here too`,
    );
    const foreign = await other({ artifactType: 'application/vnd.example' });
    expect(await refusal({}, foreign)).toBe(
      `${foreign} is not a record of Trainyard (application/vnd.example), ${needed}`,
    );
    const kit = await other({ annotations: {} });
    expect(await refusal({}, kit)).toMatch(/this model package was not made by Trainyard/);
    const config = await shop.store.write({
      bytes: canonicalBytes({ descriptor: { name: 'x' }, modelfs: 3 }),
    });
    const odd = await other({ config: { mediaType: 'x', ...config } });
    expect(await refusal({}, odd)).toMatch(
      /^sha256:\w+ in .*yard is not a package that this version reads: config: .*; modelfs: .*$/,
    );
    const { digest } = await shop.store.write({ bytes: Buffer.from('no manifest') });
    expect(await refusal({}, digest)).toMatch(
      /yard: sha256:\w+ holds something that is not an OCI image manifest/,
    );
  });

  test('a package of another project, and one without a server', async () => {
    await shop.repository.edit('trainyard.yml', 'name: toy', 'name: other');
    expect(await refusal()).toMatch(/^package sha256:\w+ is of project toy, and input project is other$/);
    await shop.repository.git('reset', '-q', '--hard', base);
    const packaged = await shop.package({ ...made.built, server: '' }, made.run);
    expect(await refusal({}, digestIn(packaged.outputs, 'package'))).toMatch(
      /^package sha256:\w+ has no server, so there is nothing to run/,
    );
  });
});
