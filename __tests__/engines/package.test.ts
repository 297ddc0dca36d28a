/** A package in a real registry, unpacked by the field's tools; and the image beside it. */
import { execFile, spawnSync } from 'node:child_process';
import { mkdtemp, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { extract } from 'tar-stream';
import { skopeo as findSkopeo } from '../../scripts/skopeo.ts';
import { tool } from '../../scripts/tools.ts';
import { type Digest, digestOf, hexOf } from '../../src/lib/digest.ts';
import { byBytes } from '../../src/lib/json.ts';
import { manifest } from '../../src/records/oci.ts';
import { type Distribution, startDistribution } from '../support/distribution.ts';
import { gguf, onnx, safetensors } from '../support/models.ts';
import { GOLDEN } from '../support/runs.ts';
import { digestIn, openWorkshop, type Workshop } from '../support/workshop.ts';

const external = { location: 'model.data', offset: '0', length: '16' };
/** One of each kind that a package takes. */
const MODEL = {
  'model.safetensors': safetensors({ w: [300, 400] }),
  'config.json': Buffer.from('{"architectures": ["ToyModel"], "model_type": "toy"}'),
  'onnx/model.onnx': onnx({ weights: [{ name: 'w', dims: [4], external }] }),
  'onnx/model.data': Buffer.alloc(16, 1),
  'quantised.gguf': gguf(),
  [`deep/${'long-name-'.repeat(12)}/labels.txt`]: Buffer.from('cat\ndog\n'),
};

let shop: Workshop;
let registry: Distribution;
let repository: string;
let outputs: Readonly<Record<string, string>>;
let packaged: Digest;
let image: Digest;
let tools: Readonly<Record<'oras' | 'modctl' | 'crane' | 'skopeo' | 'model-spec', string>>;

beforeAll(async () => {
  const named = ['oras', 'modctl', 'crane', 'model-spec'] as const;
  const [oras = '', modctl = '', crane = '', modelSpec = ''] = await Promise.all(
    named.map((name) => tool(name)),
  );
  tools = { oras, modctl, crane, skopeo: await findSkopeo(), 'model-spec': modelSpec };
  registry = await startDistribution();
  repository = `${registry.host}/acme/toy`;
  shop = await openWorkshop();
  const model = `model: {files: ${JSON.stringify(Object.keys(MODEL))}, card: MODEL.md, image: true}`;
  await shop.repository.edit('trainyard.yml', /model: .*/, model);
  outputs = await pack();
  packaged = digestIn(outputs, 'package');
  image = digestIn(outputs, 'image');
}, 300_000);
afterAll(async () => {
  await registry.close();
  await shop.remove();
});

async function pack(): Promise<Readonly<Record<string, string>>> {
  const { built, run } = await shop.trained({ outputs: { ...MODEL, 'golden.jsonl': GOLDEN } });
  return (await shop.package(built, run, { store: `oci://${repository}` })).outputs;
}

async function run(name: keyof typeof tools, ...args: string[]): Promise<Buffer> {
  const options = { cwd: shop.root, encoding: 'buffer' as const, maxBuffer: 2 ** 28 };
  return (await promisify(execFile)(tools[name], args, options)).stdout;
}

/** Every file below a folder, by path. */
async function filesOf(folder: string): Promise<Record<string, Buffer>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files: Record<string, Buffer> = {};
  for (const entry of entries.filter((one) => one.isFile())) {
    const path = join(entry.parentPath, entry.name);
    files[path.slice(folder.length + 1)] = await readFile(path);
  }
  return files;
}

/** The files of a tar, by path. */
async function filesIn(tar: Buffer): Promise<Record<string, Buffer>> {
  const files: Record<string, Buffer> = {};
  const entries = extract();
  Readable.from([tar]).pipe(entries);
  for await (const entry of entries) {
    const bytes = await buffer(entry);
    if (entry.header.type === 'file') files[entry.header.name] = bytes;
  }
  return files;
}

describe('a package', () => {
  test('is unpacked by oras and by modctl into the same files', async () => {
    const tag = `package-${hexOf(packaged, 12)}`;
    const [byOras, byModctl, storage] = await Promise.all(
      ['oras-', 'modctl-', 'storage-'].map((name) => mkdtemp(join(shop.root, name))),
    );
    await run('oras', 'pull', '--plain-http', `${repository}:${tag}`, '--output', byOras ?? '');
    const quiet = ['--no-progress', '--storage-dir', storage ?? '', '--log-dir', storage ?? ''];
    const modctl = ['pull', '--plain-http', '--extract-from-remote', '--extract-dir', byModctl ?? ''];
    await run('modctl', ...modctl, ...quiet, `${repository}:${tag}`);
    const files = await filesOf(byOras ?? '');
    expect(await filesOf(byModctl ?? '')).toEqual(files);
    expect(files).toMatchObject(MODEL);
    const others = Object.keys(files).filter((path) => !(path in MODEL));
    expect(others.sort(byBytes)).toEqual([
      'README.md',
      'golden.jsonl',
      'server/serve.txt',
      'server/source.tar',
    ]);
  });

  test('has a configuration that ModelPack’s validator accepts, with facts out of the files', async () => {
    const { config } = manifest.parse(
      JSON.parse((await run('crane', 'manifest', '--insecure', `${repository}@${packaged}`)).toString()),
    );
    const bytes = await run('crane', 'blob', '--insecure', `${repository}@${config.digest}`);
    expect(spawnSync(tools['model-spec'], [config.mediaType], { input: bytes }).status).toBe(0);
    expect(JSON.parse(bytes.toString())).toMatchObject({
      descriptor: { name: 'toy', family: 'toy' },
      config: { format: 'safetensors', architecture: 'ToyModel', quantization: 'Q4_K_M' },
    });
  });

  test('made twice has one digest, and so has its image', async () => {
    expect(await pack()).toEqual(outputs);
    const folder = (
      await shop.package(
        await shop.build(),
        (
          await shop.trained({ outputs: { ...MODEL, 'golden.jsonl': GOLDEN } })
        ).run,
      )
    ).outputs;
    expect(folder).toEqual(outputs);
  });
});

describe('the image', () => {
  test.each(['amd64', 'arm64'])(
    'holds the model’s files under /models for linux/%s',
    async (architecture) => {
      const platform = ['--insecure', '--platform', `linux/${architecture}`];
      const name = `${repository}@${image}`;
      const files = await filesIn(await run('crane', 'export', ...platform, name, '-'));
      expect(files).toEqual(
        Object.fromEntries(Object.entries(MODEL).map(([path, bytes]) => [`models/${path}`, bytes])),
      );
      expect(JSON.parse((await run('crane', 'config', ...platform, name)).toString())).toMatchObject({
        architecture,
        os: 'linux',
      });
    },
  );

  test('is copied for one machine by skopeo, and as a whole with its package by crane', async () => {
    const name = `${repository}@${image}`;
    const one = ['--insecure-policy', '--override-arch', 'arm64', 'copy', '--src-tls-verify=false'];
    await run('skopeo', ...one, `docker://${name}`, `oci:${join(shop.root, 'one')}:model`);
    const inspected = await run('skopeo', 'inspect', '--config', `oci:${join(shop.root, 'one')}:model`);
    expect(JSON.parse(inspected.toString())).toMatchObject({ architecture: 'arm64', os: 'linux' });

    await run('crane', 'copy', '--insecure', name, `${registry.host}/other/toy:model`);
    const index = await run('crane', 'manifest', '--insecure', `${registry.host}/other/toy:model`);
    expect(digestOf(index)).toBe(image);
    expect(JSON.parse(index.toString()).manifests).toMatchObject([
      { platform: { architecture: 'amd64', os: 'linux' } },
      { platform: { architecture: 'arm64', os: 'linux' } },
      { digest: packaged, artifactType: 'application/vnd.cncf.model.manifest.v1+json' },
    ]);
    const type = 'application/vnd.oci.image.index.v1+json';
    expect(spawnSync(tools['model-spec'], [type], { input: index, encoding: 'utf8' }).stderr).toBe('');
    const config = await run(
      'crane',
      'config',
      '--insecure',
      '--platform',
      'linux/amd64',
      `${repository}@${image}`,
    );
    const imageConfig = 'application/vnd.oci.image.config.v1+json';
    expect(spawnSync(tools['model-spec'], [imageConfig], { input: config, encoding: 'utf8' }).stderr).toBe(
      '',
    );
  });

  test('has a name for all that it consists of, so that no clean-up of untagged manifests takes it', async () => {
    const tags = (await run('oras', 'repo', 'tags', '--plain-http', repository)).toString().split('\n');
    const own = `image-${hexOf(packaged, 12)}`;
    expect(tags).toEqual(expect.arrayContaining([own, `${own}-amd64`, `${own}-arm64`]));
  });
});
