import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DefaultArtifactClient } from '@actions/artifact';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { type Blob, type Digest, digestOf, hexOf } from '../../src/lib/digest.ts';
import { canonicalBytes } from '../../src/lib/json.ts';
import { type ArtifactStoreOptions, artifactStore } from '../../src/store/artifact.ts';
import { LayoutStore } from '../../src/store/layout.ts';
import { readBytes } from '../../src/store/records.ts';
import type { Store } from '../../src/store/store.ts';
import { type ResultsService, startResultsService } from '../support/results-service.ts';

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const client = new DefaultArtifactClient();
let root: string;
let service: ResultsService;
let waits: number[];
let said: string[];

beforeEach(async () => {
  jest.spyOn(process.stdout, 'write').mockReturnValue(true);
  root = await mkdtemp(join(tmpdir(), 'artifact-store-'));
  service = await startResultsService({ dir: join(root, 'service') });
  waits = [];
  said = [];
});
afterEach(async () => {
  jest.restoreAllMocks();
  await service.close();
  for (const name of Object.keys(service.env())) delete process.env[name];
  await rm(root, { recursive: true, force: true });
});

/** The store as a job of the run opens it; this process is that job until the next one. */
async function openIn(job: string, env: Partial<ArtifactStoreOptions['env']> = {}): Promise<Store> {
  Object.assign(process.env, service.env({ job }));
  const folder = join(root, `job-${job}`);
  await mkdir(folder, { recursive: true });
  const say = (line: string): number => said.push(line);
  return artifactStore({
    env: { ...process.env, ...env },
    folder,
    log: { info: say, warning: say, group: (_title, work) => work() },
    sleep: async (milliseconds) => waits.push(milliseconds),
  });
}

/** Puts a record with these layers, as a stage does. */
async function put(
  store: Store,
  kind: string,
  layers: readonly Blob[] = [],
  subject?: Digest,
): Promise<{ digest: Digest; tag: string }> {
  const config = await store.write({ bytes: canonicalBytes({ kind }) });
  const bytes = canonicalBytes({
    schemaVersion: 2,
    mediaType: MANIFEST,
    artifactType: 'application/vnd.trainyard.source.v1+json',
    config: { mediaType: 'application/json', ...config },
    layers: layers.map((layer) => ({ mediaType: 'application/octet-stream', ...layer })),
    ...(subject && { subject: { mediaType: MANIFEST, digest: subject, size: 1 } }),
  });
  const tag = `${kind}-${hexOf(digestOf(bytes), 12)}`;
  return { digest: await store.put(bytes, [tag]), tag };
}

const write = (store: Store, bytes: Buffer | string): Promise<Blob> =>
  store.write({ bytes: Buffer.from(bytes) });
const uploads = (): number => service.requests.filter((request) => request === 'PutBlockList').length;
const downloads = (): number => service.requests.filter((request) => request === 'GetBlob').length;
const artifacts = async (): Promise<Set<string>> =>
  new Set((await client.listArtifacts()).artifacts.map(({ name }) => name));

describe('the artifacts of a workflow run as a store', () => {
  test('a record of one job is read by the next, byte for byte', async () => {
    const model = randomBytes(20 << 20);
    const first = await openIn('train');
    const layers = [await write(first, model), await write(first, 'log'), await write(first, '')];
    const { digest } = await put(first, 'run', layers);
    // A name is looked for only once it turned out to be taken.
    expect(service.requests).not.toContain('ListArtifacts');

    const second = await openIn('package');
    const manifest = await second.get(digest);
    expect(manifest && digestOf(manifest)).toBe(digest);
    for (const layer of layers) expect(await second.has(layer.digest)).toBe(true);
    expect(downloads()).toBe(1);
    for (const [i, bytes] of [model, Buffer.from('log'), Buffer.alloc(0)].entries())
      expect((await readBytes(second, layers[i]?.digest ?? digest)).equals(bytes)).toBe(true);
    expect(downloads()).toBe(2);
    expect(await second.has(digestOf(Buffer.from('absent')))).toBe(false);
    expect(await second.get(digestOf(Buffer.from('absent')))).toBeUndefined();
    await expect(second.read(digestOf(Buffer.from('absent')))).rejects.toThrow('there is no blob');
  });

  test('names and children are found without downloading a layer', async () => {
    const first = await openIn('1');
    const program = await put(first, 'program', [await write(first, 'source')]);
    const run = await put(first, 'run', [await write(first, 'model')], program.digest);
    const other = await put(first, 'run-again', [], program.digest);

    const second = await openIn('2');
    expect(await second.names('run')).toEqual(
      new Map([
        [run.tag, run.digest],
        [other.tag, other.digest],
      ]),
    );
    expect(new Set(await second.children(program.digest))).toEqual(new Set([run.digest, other.digest]));
    expect(await second.children(run.digest)).toEqual([]);
    expect(await artifacts()).toEqual(
      new Set([
        `trainyard.${program.tag}`,
        `trainyard.${program.tag}.layers`,
        `trainyard.${run.tag}.layers`,
        `trainyard.${run.tag}.of-${hexOf(program.digest, 12)}`,
        `trainyard.${other.tag}.of-${hexOf(program.digest, 12)}`,
      ]),
    );
    expect(downloads()).toBe(2);
  });

  test('layers that are wanted at the same time come in one download', async () => {
    const build = await openIn('build');
    const layers: Blob[] = [];
    for (const text of ['one', 'two', 'three', 'four']) layers.push(await write(build, text));
    await put(build, 'run', layers);
    const train = await openIn('train');
    const read = await Promise.all(layers.map(({ digest }) => readBytes(train, digest)));
    expect(read.map(String)).toEqual(['one', 'two', 'three', 'four']);
    // The record, and its layers.
    expect(downloads()).toBe(2);
  });

  test('a layer that another record brought is neither copied nor uploaded again', async () => {
    const first = await openIn('1');
    const model = await write(first, randomBytes(100_000));
    await put(first, 'run', [model]);

    const second = await openIn('2');
    expect(await second.has(model.digest)).toBe(true);
    const card = await write(second, 'card');
    const { digest } = await put(second, 'package', [model, card]);

    const third = await openIn('3');
    await third.get(digest);
    expect(await readBytes(third, card.digest)).toEqual(Buffer.from('card'));
    expect((await readBytes(third, model.digest)).length).toBe(100_000);
    const { artifacts } = await client.listArtifacts();
    expect(artifacts.filter(({ size }) => size > 100_000)).toHaveLength(1);
  });

  test('the same record twice, by a re-run, uploads nothing', async () => {
    const first = await openIn('1');
    const { digest } = await put(first, 'program', [await write(first, 'source')]);
    const before = uploads();
    const rerun = await openIn('1-again');
    expect(await put(rerun, 'program', [await write(rerun, 'source')])).toMatchObject({ digest });
    expect(uploads()).toBe(before);
    expect((await artifacts()).size).toBe(2);
  });

  test('a record’s artifact is an image layout that holds it', async () => {
    const { digest, tag } = await put(await openIn('1'), 'release');
    const { artifact } = await client.getArtifact(`trainyard.${tag}`);
    await client.downloadArtifact(artifact.id, { path: join(root, 'by-hand') });
    expect(await new LayoutStore(join(root, 'by-hand')).names('')).toEqual(new Map([[tag, digest]]));
  });
});

describe('when something goes wrong', () => {
  test('a name that is taken but unreadable gets a suffix, and the record is found under it', async () => {
    const first = await openIn('1');
    service.inject({ on: 'PutBlock', nth: 2, what: 403 });
    const { digest, tag } = await put(first, 'program', [await write(first, 'source')]);
    expect(await artifacts()).toEqual(new Set([`trainyard.${tag}.2`, `trainyard.${tag}.layers`]));
    expect(waits).toHaveLength(1);
    const second = await openIn('2');
    expect((await second.names('program')).get(tag)).toBe(digest);
    expect(await second.get(digest)).toBeDefined();
    expect((await readBytes(second, digestOf(Buffer.from('source')))).toString()).toBe('source');
  });

  test('a readable artifact of another content gets out of the way, too', async () => {
    const first = await openIn('1');
    const { tag } = await put(first, 'program');
    await client.deleteArtifact(`trainyard.${tag}`);
    await writeFile(join(root, 'index.json'), 'not an index');
    await client.uploadArtifact(`trainyard.${tag}`, [join(root, 'index.json')], root);
    const { digest } = await put(await openIn('2'), 'program');
    expect(await artifacts()).toEqual(new Set([`trainyard.${tag}`, `trainyard.${tag}.2`]));
    expect(await (await openIn('3')).names('')).toEqual(new Map([[tag, digest]]));
  });

  test('connections that break are tried again, and an answer that was lost uploads nothing twice', async () => {
    const first = await openIn('1');
    service.inject({ on: 'ListArtifacts', what: 'reset', times: 2 });
    service.inject({ on: 'CreateArtifact', what: 'reset' });
    service.inject({ on: 'FinalizeArtifact', nth: 2, what: 'lose-answer' });
    const { digest, tag } = await put(first, 'run', [await write(first, 'model')]);
    expect(uploads()).toBe(2);
    expect(await artifacts()).toEqual(new Set([`trainyard.${tag}`, `trainyard.${tag}.layers`]));
    expect(waits).toHaveLength(4);
    for (const wait of waits) expect(wait).toBeGreaterThanOrEqual(500);
    expect(said.join('\n')).toMatch(/the list of artifacts failed \(.*ECONNRESET.*attempt 2 of 5 in /s);
    service.inject({ on: 'GetSignedArtifactURL', what: 'reset' });
    expect(await (await openIn('2')).get(digest)).toBeDefined();
  });

  test('it gives up in the end, and says on what', async () => {
    const first = await openIn('1');
    service.inject({ on: 'ListArtifacts', what: 'reset', times: 99 });
    await expect(first.names('run')).rejects.toMatchObject({
      name: 'MachineError',
      message: expect.stringContaining('the list of artifacts failed'),
    });
    expect(waits).toHaveLength(4);
  });

  test('a byte that differs refuses the blob, and leaves nothing', async () => {
    const first = await openIn('1');
    const model = await write(first, randomBytes(100_000));
    const { digest, tag } = await put(first, 'run', [model]);
    const second = await openIn('2');
    await second.get(digest);
    service.inject({ on: 'GetBlob', what: 'corrupt', times: 5 });
    await expect(readBytes(second, model.digest)).rejects.toMatchObject({
      name: 'UserError',
      message: expect.stringContaining(`artifact trainyard.${tag}.layers of this workflow run was damaged`),
      cause: expect.objectContaining({ message: expect.stringContaining('differ from their digest') }),
    });
    expect(await readdir(join(root, 'job-2', 'tmp'))).toEqual([]);
    expect(await readdir(join(root, 'job-2', 'blobs', 'sha256'))).not.toContain(hexOf(model.digest));
    expect((await readBytes(second, model.digest)).length).toBe(100_000);
  });

  test('a record whose bytes differ is refused', async () => {
    const { digest } = await put(await openIn('1'), 'run');
    const second = await openIn('2');
    service.inject({ on: 'GetBlob', what: 'corrupt', times: 5 });
    await expect(second.get(digest)).rejects.toThrow(/of this workflow run was damaged/);
    expect(await readdir(join(root, 'job-2', 'blobs', 'sha256'))).toEqual([]);
  });
});

describe('what it tells', () => {
  test('when its records end', async () => {
    const { limits } = await openIn('1', { GITHUB_RETENTION_DAYS: '7' });
    const end = new Date(Date.now() + 7 * 86_400_000).toISOString().slice(0, 10);
    expect(limits).toContain(`end with its artifacts about ${end} (7 days)`);
    expect((await openIn('1')).limits).toMatch(/unless the repository sets another retention/);
  });

  test('outside a job, what to use instead', async () => {
    await expect(openIn('1', { ACTIONS_RUNTIME_TOKEN: undefined })).rejects.toMatchObject({
      name: 'UserError',
      message: expect.stringMatching(
        /only in an action of a GitHub Actions job, .*ACTIONS_RUNTIME_TOKEN is not set.*folder/,
      ),
    });
  });
});
