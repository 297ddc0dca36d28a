import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { action as buildAction } from '../../src/actions/build.ts';
import { cacheKey } from '../../src/data/source.ts';
import { program } from '../../src/records/program.ts';
import { getRecord } from '../../src/store/records.ts';
import { type DataMachine, dataMachine } from '../support/data-cache.ts';
import { type HubHost, startHub } from '../support/hub-host.ts';
import { PROJECT } from '../support/project.ts';
import { digestIn, openWorkshop, refusalOf, testJob, type Workshop } from '../support/workshop.ts';

const FILES = {
  'README.md': '# Digits\n',
  'data/ä b.csv': '1,2\n',
  'data/train.bin': 'large one',
  'data/deep/test.bin': 'large two',
  '.gitattributes': '*.bin filter=lfs\n',
};
let machine: DataMachine;
let shop: Workshop;
let host: HubHost;
beforeEach(async () => {
  machine = await dataMachine();
  host = await startHub(FILES, { mirrors: 'https://hub.example' });
  machine.env.HF_ENDPOINT = `${host.hub.url}/`;
  shop = await openWorkshop();
});
afterEach(async () => {
  await host.close();
  await shop.remove();
  await machine.remove();
});

/** Builds a project with this data set; gives what the Program says of it. */
async function pin(data: string, env: Record<string, string> = {}) {
  const yaml = PROJECT['trainyard.yml'].replace(/data: .*/, `data: {set: ${data}}`);
  await shop.repository.commit({ 'trainyard.yml': yaml });
  const inputs: Record<string, string> = {
    project: '.',
    store: shop.store.location,
    handoff: shop.handoff.location,
  };
  const job = { ...testJob(shop.repository.folder), env: { ...machine.env, ...env } };
  const { outputs } = await buildAction.run((name) => inputs[name] ?? '', job);
  const { config } = await getRecord(shop.handoff, program, digestIn(outputs, 'trainer'));
  const reference = config.role === 'trainer' ? config.data.set : undefined;
  if (reference === undefined) throw new Error('the trainer has no data');
  return { reference, trainingId: outputs['training-id'] };
}

describe('a data set of the Hub', () => {
  test('is pinned by build, fetched by train, every file of it proved', async () => {
    const { reference } = await pin('{hf: acme/digits, revision: main}');
    expect(reference).toMatchObject({ hf: 'acme/digits', type: 'dataset', commit: host.commit });
    const { path } = await machine.use(reference);
    for (const [file, text] of Object.entries(FILES))
      expect(await readFile(join(path, file), 'utf8')).toBe(text);
    const before = host.hub.asked.length;
    await machine.use(reference);
    expect(host.hub.asked).toHaveLength(before);
  });

  test('is the same one at the same files, whatever the revision is called', async () => {
    const one = await pin('{hf: acme/digits, revision: main}');
    expect((await pin('{hf: acme/digits, revision: main, type: dataset}')).trainingId).toBe(one.trainingId);
    const part = await pin('{hf: acme/digits, revision: main, files: ["data/*.csv", "**/*.bin"]}');
    expect(part.trainingId).not.toBe(one.trainingId);
    const { path } = await machine.use(part.reference);
    expect(await readFile(join(path, 'data/deep/test.bin'), 'utf8')).toBe('large two');
    await expect(readFile(join(path, 'README.md'))).rejects.toThrow('ENOENT');
  });

  test('is refused when the host sends another file, small or large', async () => {
    const { reference } = await pin('{hf: acme/digits, revision: main, files: ["**/*.bin"]}');
    host.storage.files.set('/data/train.bin?signature=abc', Buffer.from('large ONE'));
    expect(await refusalOf(machine.use(reference))).toMatch(
      /^data\/train\.bin of 127\.0\.0\.1:\d+\/acme\/digits: the bytes differ from their digest .*sends another file than it lists/,
    );
    const small = (await pin('{hf: acme/digits, revision: main, files: [README.md]}')).reference;
    host.hub.files.set(`/datasets/acme/digits/resolve/${host.commit}/README.md`, Buffer.from('# Digitz\n'));
    expect(await refusalOf(machine.use(small))).toMatch(/^README\.md of .*: the bytes differ/);
    host.hub.files.clear();
    await machine.use(small);
  });

  test('is refused when the files are not those that build saw', async () => {
    const { reference } = await pin('{hf: acme/digits, revision: main}');
    const tree = `/api/datasets/acme/digits/tree/${host.commit}?recursive=true`;
    host.hub.files.set(
      tree,
      Buffer.from(JSON.stringify([{ type: 'file', path: 'a', oid: 'a'.repeat(40), size: 1 }])),
    );
    expect(await refusalOf(machine.use(reference))).toMatch(/lists other files at commit \w+ than build saw/);
  });

  test.each([
    [
      '{hf: acme/gone, revision: main}',
      /trainyard\.yml:7:\d+: the look for acme\/gone at main: .* answered 404, Entry not found\. Check/,
    ],
    ['{hf: acme/digits, revision: v9}', /the look for acme\/digits at v9: .* answered 404/],
    ['{hf: acme/digits, revision: main, type: model}', /Check the repository's name, type and revision/],
    [
      '{hf: acme/digits, revision: main, files: ["*.parquet"]}',
      /acme\/digits at \w{40} has no file that \*\.parquet selects/,
    ],
  ])('%s is refused by build, with its line', async (data, said) => {
    expect(await refusalOf(pin(data))).toMatch(said);
  });

  test('with a name that would leave the folder is refused by build', async () => {
    const tree = `/api/datasets/acme/digits/tree/${host.commit}?recursive=true`;
    const evil = [{ type: 'file', path: '../../.bashrc', oid: 'a'.repeat(40), size: 1 }];
    host.hub.files.set(tree, Buffer.from(JSON.stringify(evil)));
    expect(await refusalOf(pin('{hf: acme/digits, revision: main}'))).toMatch(
      /"\.\.\/\.\.\/\.bashrc" leads out of its folder; leave it out by files: \[GLOB\]/,
    );
  });
});

describe('the token of the machine', () => {
  beforeEach(async () => {
    await host.close();
    host = await startHub(FILES, { token: 'hf_secret' });
    machine.env.HF_ENDPOINT = host.hub.url;
  });

  test('fault 28: is shown to the Hub, and not to the host that large files are redirected to', async () => {
    const { reference } = await pin('{hf: acme/digits, revision: main}', { HF_TOKEN: 'hf_secret' });
    await mkdir(join(machine.root, 'home/.cache/huggingface'), { recursive: true });
    await writeFile(join(machine.root, 'home/.cache/huggingface/token'), 'hf_secret\n');
    await machine.use(reference);
    expect(new Set(host.hub.asked.map(({ headers }) => headers.authorization))).toEqual(
      new Set(['Bearer hf_secret']),
    );
    expect(host.storage.asked.length).toBeGreaterThan(1);
    expect(host.storage.asked.map(({ headers }) => headers.authorization).filter(Boolean)).toEqual([]);
    const kept = await readFile(join(machine.folder, cacheKey('hf', reference.digest), 'plan.json'), 'utf8');
    expect([kept, ...machine.log.lines, ...machine.log.warnings].join('\n')).not.toContain('hf_secret');
  });

  test('that is missing is asked for', async () => {
    expect(await refusalOf(pin('{hf: acme/digits, revision: main}'))).toMatch(
      /answered 401, Invalid username or password\.\. Check .*; a private or gated one needs HF_TOKEN/,
    );
  });
});
