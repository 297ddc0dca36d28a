/** The images that run in a cluster of the tests, made without Docker: one program each, and nothing else. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { pack } from 'tar-stream';
import { aside, cacheFolder, goBuild, tool } from '../../../scripts/tools.ts';
import { startDistribution } from '../distribution.ts';

const execute = promisify(execFile);

/** Repositories with their digests, `model-server@sha256:…`. */
export interface Images {
  /** Serves a model, see model-server/main.go; as a user that is not root. */
  readonly modelServer: string;
  /** `/bin/oras`, nothing else; as the official image it runs as root unless told otherwise. */
  readonly oras: string;
}

/** Gives the images with the folder of a distribution registry that holds them, made on the first call. Beside them it has `pause:1`. */
export async function testImages(): Promise<Images & { readonly storage: string }> {
  const source = join(import.meta.dirname, 'model-server');
  const programs = { oras: await tool('oras'), crane: await tool('crane') };
  const inputs = [
    await readFile(join(source, 'main.go')),
    await readFile(import.meta.filename),
    JSON.stringify(programs),
  ];
  const digest = inputs.reduce((hash, input) => hash.update(input), createHash('sha256')).digest('hex');
  const folder = join(cacheFolder(), 'tools', `cluster-images-${digest.slice(0, 12)}`);
  if (!existsSync(folder))
    await aside(folder, async (place) => {
      const server = join(place, 'model-server');
      await goBuild(source, 'main.go', server, ['-trimpath', '-ldflags', '-s -w']);
      await fillRegistry(place, programs.crane, server, programs.oras);
      await rm(server);
    });
  const images: Images = JSON.parse(await readFile(join(folder, 'images.json'), 'utf8'));
  return { ...images, storage: join(folder, 'storage') };
}

/**
 * Puts an image with these files, and no program, into a registry: what a pod mounts as a volume.
 *
 * @param repository `HOST/NAME`
 * @returns the image by its digest
 */
export async function putFiles(repository: string, files: Readonly<Record<string, Buffer>>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'files-image-'));
  try {
    const layer = join(folder, 'layer.tar');
    const archive = pack();
    for (const [name, content] of Object.entries(files)) archive.entry({ name, mtime: new Date(0) }, content);
    archive.finalize();
    await pipeline(archive, createWriteStream(layer));
    return await put(await tool('crane'), repository, layer, []);
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function fillRegistry(place: string, crane: string, server: string, oras: string): Promise<void> {
  const registry = await startDistribution(join(place, 'storage'));
  const image = async (name: string, program: string, ...options: string[]) => {
    const layer = await layerOf(program, join(place, 'layer.tar'));
    const reference = await put(crane, `${registry.host}/${name}`, layer, options);
    await rm(layer);
    return reference.slice(reference.indexOf('/') + 1);
  };
  try {
    const notRoot = ['--user', '65532:65532'];
    await image('pause', server, ...notRoot, '--entrypoint', '/bin/model-server,pause');
    const images: Images = {
      modelServer: await image('model-server', server, ...notRoot, '--entrypoint', '/bin/model-server'),
      oras: await image('oras', oras, '--entrypoint', '/bin/oras'),
    };
    await writeFile(join(place, 'images.json'), JSON.stringify(images));
  } finally {
    await registry.close();
  }
}

/** An image of one layer, as `REPOSITORY:1`; gives it by its digest. */
async function put(crane: string, repository: string, layer: string, how: string[]): Promise<string> {
  const run = async (...args: string[]): Promise<string> => (await execute(crane, args)).stdout.trim();
  const platform = `linux/${process.arch === 'x64' ? 'amd64' : process.arch}`;
  const base = await run('append', '--new_layer', layer, '--new_tag', `${repository}:base`);
  return run('mutate', '--set-platform', platform, ...how, '--tag', `${repository}:1`, base);
}

/** A layer with a program in `/bin`. */
async function layerOf(program: string, file: string): Promise<string> {
  const archive = pack();
  const written = pipeline(archive, createWriteStream(file));
  const { size } = await stat(program);
  const entry = archive.entry({ name: `bin/${basename(program)}`, mode: 0o755, mtime: new Date(0), size });
  await pipeline(createReadStream(program), entry);
  archive.finalize();
  await written;
  return file;
}
