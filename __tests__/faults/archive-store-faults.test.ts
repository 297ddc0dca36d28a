/** Archives that mean harm, where Trainyard meets them: in the artifacts of a workflow run, and in a program's source. */
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { DefaultArtifactClient } from '@actions/artifact';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { tool } from '../../scripts/tools.ts';
import { digestOf, hexOf } from '../../src/lib/digest.ts';
import { listTree } from '../../src/lib/tree.ts';
import { program, SOURCE_LAYER } from '../../src/records/program.ts';
import { artifactStore } from '../../src/store/artifact.ts';
import { layersName, recordName } from '../../src/store/artifact-names.ts';
import { LayoutStore } from '../../src/store/layout.ts';
import { layer, putRecord, readBytes } from '../../src/store/records.ts';
import type { Store } from '../../src/store/store.ts';
import { tar, type ZipEntry, zip } from '../support/archives.ts';
import { putTrainer } from '../support/programs.ts';
import { uploadRaw } from '../support/results-raw.ts';
import { type ResultsService, startResultsService } from '../support/results-service.ts';
import { runStep, type StepResult } from '../support/step.ts';

const FILES = { 'train.sh': 'echo model > $TRAINYARD_OUTPUT_DIR/m' };
const SH = { command: ['sh', 'train.sh'] };
const DAMAGED =
  /^artifact trainyard\.program-[\w.]+ of this workflow run was damaged on its way, or Trainyard did not write it; run this job again/;
const client = new DefaultArtifactClient();

let root: string;
let service: ResultsService;
beforeEach(async () => {
  jest.spyOn(process.stdout, 'write').mockReturnValue(true);
  root = await mkdtemp(join(tmpdir(), 'archive-store-'));
  service = await startResultsService();
  Object.assign(process.env, service.env());
});
afterEach(async () => {
  jest.restoreAllMocks();
  await service.close();
  for (const name of Object.keys(service.env())) delete process.env[name];
  await rm(root, { recursive: true, force: true });
});

/** The artifacts of the run as a new step sees them. */
async function openIn(name: string): Promise<Store> {
  const folder = join(root, name);
  await mkdir(folder);
  return artifactStore({
    env: process.env,
    folder,
    log: { info: () => {}, warning: () => {}, group: (_title, work) => work() },
    sleep: async () => {},
  });
}

const blob = `blobs/sha256/${hexOf(digestOf(Buffer.from('x')))}`;
const zeros = Buffer.alloc(80 << 20);
const EVIL: readonly [string, () => Buffer, RegExp][] = [
  ['9: leads out', () => zip([{ name: '../../evil', data: 'x' }]), /leads out of its folder/],
  ['10: absolute', () => zip([{ name: '/tmp/evil' }]), /has an absolute name/],
  [
    '11: a link, and a file through it',
    () => zip([{ name: 'blobs', data: '/tmp', attributes: (0o120777 << 16) >>> 0 }, { name: blob }]),
    /no plain file/,
  ],
  [
    '12: one name twice',
    () =>
      zip([
        { name: blob, data: 'x' },
        { name: blob, data: 'y' },
      ]),
    /is there twice/,
  ],
  [
    '13: a bomb',
    () => zip([{ name: blob, data: zeros, method: 8 }]),
    /has 83886080 bytes; a file may have \d+/,
  ],
  [
    '13: too many',
    () => zip(Array.from({ length: 1000 }, (_, i): ZipEntry => ({ name: `${i}` }))),
    /it has 1000 entries; \d+ are allowed/,
  ],
  ['14: a CRC that is wrong', () => zip([{ name: blob, data: 'x', crc: 1 }]), /differs from its CRC/],
  [
    '14: another name in the header',
    () => zip([{ name: blob, local: { name: blob.replace('b', 'B') } }]),
    /is not described in the same way/,
  ],
  [
    '15: cut',
    () => zip([{ name: blob, data: randomBytes(5000) }]).subarray(0, -1024),
    /it is not a sound zip/,
  ],
];

/** Lets what a name stands for be these bytes, which another one uploaded. */
async function replace(name: string, bytes: Buffer): Promise<void> {
  await client.deleteArtifact(name).catch(() => {});
  await uploadRaw(service, name, bytes);
}

/** What the folder of a step holds besides the marks of a store. */
async function leftIn(name: string): Promise<string[]> {
  const { files } = await listTree(join(root, name));
  return files.map(({ path }) => path).filter((path) => path !== 'oci-layout');
}

describe('an artifact of the run that another one uploaded under our name', () => {
  test.each(EVIL)('fault %s, as a record: refused, and the next run succeeds', async (_, make, why) => {
    const { digest } = await putTrainer(new LayoutStore(join(root, 'yard')), FILES, SH);
    await replace(recordName(`program-${hexOf(digest, 12)}`, undefined), make());
    await expect((await openIn('refused')).get(digest)).rejects.toMatchObject({
      name: 'UserError',
      message: expect.stringMatching(DAMAGED),
      cause: expect.objectContaining({ message: expect.stringMatching(why) }),
    });
    expect(await leftIn('refused')).toEqual([]);
    await putTrainer(await openIn('again'), FILES, SH);
    expect(await (await openIn('next')).get(digest)).toBeDefined();
  });

  test.each(EVIL)('fault %s, as layers: refused, and the next run succeeds', async (_, make, why) => {
    const { digest, manifest } = await putTrainer(await openIn('first'), FILES, SH);
    const [source = { digest }] = manifest.layers;
    await replace(layersName(`program-${hexOf(digest, 12)}`), make());
    const refused = await openIn('refused');
    await refused.get(digest);
    const before = await leftIn('refused');
    await expect(readBytes(refused, source.digest)).rejects.toMatchObject({
      message: expect.stringMatching(DAMAGED),
      cause: expect.objectContaining({ message: expect.stringMatching(why) }),
    });
    expect(await leftIn('refused')).toEqual(before);
    // The record is there already, and its layers are told apart from those of the other one.
    await putTrainer(await openIn('again'), FILES, SH);
    expect((await readBytes(await openIn('next'), source.digest)).length).toBeGreaterThan(0);
  });
});

describe('the action train', () => {
  let cache: string;
  let env: Record<string, string>;
  beforeAll(async () => {
    cache = await mkdtemp(join(tmpdir(), 'archive-store-cache-'));
  });
  afterAll(() => rm(cache, { recursive: true, force: true }));
  beforeEach(async () => {
    const PATH = `${dirname(await tool('uv'))}:${process.env.PATH}`;
    env = {
      PATH,
      TRAINYARD_CACHE: cache,
      GITHUB_EVENT_NAME: 'push',
      RUNNER_TEMP: join(root, 'temp'),
    };
    await mkdir(env.RUNNER_TEMP ?? '');
  });

  /** The step fails for this reason, nothing ran, and nothing is left of it; then `mend`, and it succeeds. */
  async function expectRefusal(
    train: () => Promise<StepResult>,
    why: RegExp,
    mend: () => Promise<unknown>,
  ): Promise<void> {
    const refused = await train();
    expect(refused).toMatchObject({ status: 1, outputs: {} });
    expect(/^::error::(.*)$/m.exec(refused.stdout)?.[1]).toMatch(why);
    expect(await readdir(env.RUNNER_TEMP ?? '')).toEqual([]);
    await mend();
    expect(await train()).toMatchObject({ status: 0, outputs: { state: 'succeeded' } });
  }

  test.each(EVIL.filter(([name]) => /^(9|11|13: a bomb|15)/.test(name)))(
    'fault %s, in its trainer’s artifact',
    async (_, make, why) => {
      const { digest } = await putTrainer(await openIn('build'), FILES, SH);
      await replace(layersName(`program-${hexOf(digest, 12)}`), make());
      await expectRefusal(
        () =>
          runStep(
            'train',
            { trainer: digest, params: '', handoff: 'artifact:' },
            { ...env, ...service.env() },
          ),
        why,
        async () => putTrainer(await openIn('build-again'), FILES, SH),
      );
    },
  );

  test('fault 11: its trainer’s source holds a link, and a file through it', async () => {
    const outside = join(root, 'outside');
    await mkdir(outside);
    const yard = new LayoutStore(join(root, 'yard'));
    const { config, manifest, digest } = await putTrainer(yard, FILES, SH);
    const link = { name: 'lib', type: '2', link: outside };
    const source = await yard.write({ bytes: tar([link, { name: 'lib/train.sh', data: 'touch PWN' }]) });
    const layers = [layer(SOURCE_LAYER, source, 'source.tar'), ...manifest.layers.slice(1)];
    let trainer = (await putRecord(yard, program, { config, layers })).digest;
    await expectRefusal(
      () => runStep('train', { trainer, params: '', handoff: yard.location }, env),
      /the program's source sha256:\w+ cannot be unpacked: "lib" is a symbolic link.*build it again/,
      async () => {
        trainer = digest;
      },
    );
    expect(await readdir(outside)).toEqual([]);
  });
});
