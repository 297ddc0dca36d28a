/** A lineage that the stages wrote into a folder, read and written by the field's own tools. */
import { execFile, spawnSync } from 'node:child_process';
import { cp, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { skopeo as findSkopeo } from '../../scripts/skopeo.ts';
import { tool } from '../../scripts/tools.ts';
import { type Digest, digestOf, hexOf, parseDigest } from '../../src/lib/digest.ts';
import { deployment } from '../../src/records/deployment.ts';
import { kinds } from '../../src/records/kinds.ts';
import { LayoutStore } from '../../src/store/layout.ts';
import { getManifest, getRecord, readBytes } from '../../src/store/records.ts';
import { traceRecords } from '../../src/trace/lineage.ts';
import { GOLDEN, putDeployment } from '../support/runs.ts';
import { openWorkshop, type Workshop } from '../support/workshop.ts';

const MODEL_CONFIG = 'application/vnd.cncf.model.config.v1+json';

let workshop: Workshop;
let store: LayoutStore;
/** From trainer to deployment, each the subject of the next. */
let chain: readonly { readonly kind: keyof typeof kinds; readonly digest: Digest; readonly tag: string }[];
let tools: { readonly oras: string; readonly skopeo: string; readonly modelSpec: string };

beforeAll(async () => {
  tools = { oras: await tool('oras'), skopeo: await findSkopeo(), modelSpec: await tool('model-spec') };
  workshop = await openWorkshop();
  store = workshop.store;
  const { built, ...made } = await workshop.toPackage();
  const { release: released = '' } = (await workshop.release(made.package)).outputs;
  const release = parseDigest(released, 'release');
  const { digest } = await putDeployment(store, release);
  const records = {
    program: built.trainer,
    run: made.run,
    package: made.package,
    release,
    deployment: digest,
  };
  chain = (['program', 'run', 'package', 'release', 'deployment'] as const).map((kind) => {
    const of = parseDigest(records[kind] ?? '', kind);
    const middle = kind === 'deployment' ? 'toy-staging-' : '';
    return { kind, digest: of, tag: `${kind}-${middle}${hexOf(of, 12)}` };
  });
}, 300_000);
afterAll(() => workshop.remove());

/** What a tool prints; fails as the tool does. */
async function oras(...args: string[]): Promise<Buffer> {
  const options = { cwd: workshop.root, encoding: 'buffer' as const };
  return (await promisify(execFile)(tools.oras, args, options)).stdout;
}
async function skopeo(...args: string[]): Promise<Buffer> {
  const options = { cwd: workshop.root, encoding: 'buffer' as const };
  return (await promisify(execFile)(tools.skopeo, ['--insecure-policy', ...args], options)).stdout;
}

function link(kind: keyof typeof kinds): { readonly digest: Digest; readonly tag: string } {
  const found = chain.find((one) => one.kind === kind);
  if (found === undefined) throw new Error(`there is no ${kind} in the chain`);
  return found;
}

/** A new folder, empty or with all that the store holds, for a tool to write to. */
async function folder(of: 'empty' | 'store'): Promise<string> {
  const place = await mkdtemp(join(workshop.root, 'layout-'));
  if (of === 'store') await cp(store.location, place, { recursive: true });
  return place;
}

/** Reads the chain and all its layers from a folder, every byte verified. */
async function readChain(from: LayoutStore): Promise<void> {
  for (const [index, { digest }] of chain.entries()) {
    const found = await getManifest(from, digest);
    expect(found?.manifest.subject?.digest).toBe(chain[index - 1]?.digest);
    for (const layer of found?.manifest.layers ?? [])
      expect((await readBytes(from, layer.digest)).length).toBe(layer.size);
    const next = chain[index + 1];
    if (next !== undefined) expect(await from.children(digest)).toContain(next.digest);
  }
  expect((await getRecord(from, deployment, link('deployment').digest)).config.outcome).toBe('live');
}

interface Referrers {
  readonly digest: string;
  readonly artifactType: string;
  readonly referrers?: readonly Referrers[];
}

describe('oras', () => {
  test('discovers the whole lineage, from the trainer to the deployment', async () => {
    const target = `${store.location}:${link('program').tag}`;
    const tree = (await oras('discover', '--oci-layout', target, '--format', 'tree')).toString();
    const places = chain.map(({ digest }) => tree.indexOf(digest));
    expect(places).toEqual([...places].sort((a, b) => a - b));
    expect(places).not.toContain(-1);

    let level: Referrers = JSON.parse(
      (await oras('discover', '--oci-layout', target, '--format', 'json')).toString(),
    );
    for (const { kind, digest } of chain.slice(1)) {
      const found = level.referrers?.find((referrer) => referrer.digest === digest);
      expect(found?.artifactType).toBe(kinds[kind].artifactType);
      // Beside the chain, a Source explains each Program and Release.
      const sources = level.referrers?.filter((other) => other.artifactType === kinds.source.artifactType);
      expect(sources).toHaveLength(kind === 'run' || kind === 'deployment' ? 1 : 0);
      level = found ?? { digest: '', artifactType: '' };
    }
  });

  test('fetches manifests and blobs, and pulls the model’s files', async () => {
    const { digest, tag } = link('package');
    const bytes = await oras('manifest', 'fetch', '--oci-layout', `${store.location}:${tag}`);
    expect(digestOf(bytes)).toBe(digest);
    const config = (await getManifest(store, digest))?.manifest.config.digest ?? digest;
    const blob = await oras('blob', 'fetch', '--output', '-', '--oci-layout', `${store.location}@${config}`);
    expect(digestOf(blob)).toBe(config);
    const place = await folder('empty');
    await oras('pull', '--oci-layout', `${store.location}:${tag}`, '--output', place);
    expect(await readFile(join(place, 'golden.jsonl'), 'utf8')).toBe(GOLDEN);
  });

  test('copies the tree to a folder that we read', async () => {
    const place = await folder('empty');
    const from = ['--from-oci-layout', `${store.location}:${link('program').tag}`];
    await oras('copy', '--recursive', ...from, '--to-oci-layout', `${place}:trainer`);
    const copy = new LayoutStore(place);
    await readChain(copy);
    expect((await copy.names('trainer')).get('trainer')).toBe(link('program').digest);
  });

  test('tags, pushes and attaches in our folder: we read on, and our next write keeps what it wrote', async () => {
    const place = await folder('store');
    const target = ['--oci-layout', `${place}:${link('release').tag}`];
    await writeFile(join(workshop.root, 'note.txt'), 'checked by hand');
    await oras('tag', ...target, 'approved');
    await oras('push', '--oci-layout', `${place}:notes`, 'note.txt');
    await oras('attach', ...target, '--artifact-type', 'application/vnd.example.note', 'note.txt');
    const ours = new LayoutStore(place);
    await readChain(ours);
    await putDeployment(ours, link('release').digest, { outcome: 'unchanged' });

    const tags = (await oras('repo', 'tags', '--oci-layout', place)).toString().split('\n');
    expect(tags).toEqual(expect.arrayContaining(['approved', 'notes', ...chain.map(({ tag }) => tag)]));
    expect((await ours.names('approved')).get('approved')).toBe(link('release').digest);
    const { nodes } = await traceRecords(ours, [link('release').digest]);
    expect(nodes.filter(({ kind }) => kind === 'deployment')).toHaveLength(2);
    const tree = (await oras('discover', ...target, '--format', 'tree')).toString();
    expect(tree).toContain('application/vnd.example.note');
  });

  test('deletes a record, and our next write does not bring its name back', async () => {
    const place = await folder('store');
    await oras('manifest', 'delete', '--force', '--oci-layout', `${place}:${link('deployment').tag}`);
    const ours = new LayoutStore(place);
    expect([...(await ours.names('deployment-')).keys()]).toEqual([]);
    await putDeployment(ours, link('release').digest, { outcome: 'refused' });
    expect(await readFile(join(place, 'index.json'), 'utf8')).not.toContain(link('deployment').tag);
  });
});

describe('skopeo', () => {
  test('inspects every record: its manifest and its configuration', async () => {
    for (const { digest, tag } of chain) {
      expect(digestOf(await skopeo('inspect', '--raw', `oci:${store.location}:${tag}`))).toBe(digest);
      const config = await skopeo('inspect', '--config', '--raw', `oci:${store.location}:${tag}`);
      expect(digestOf(config)).toBe((await getManifest(store, digest))?.manifest.config.digest);
    }
  });

  test('copies every record between folders, ours to its own and back, and both are read', async () => {
    const place = await folder('empty');
    const back = await folder('store');
    for (const { tag } of chain) await skopeo('copy', `oci:${store.location}:${tag}`, `oci:${place}:${tag}`);
    await skopeo('copy', `oci:${place}:${link('package').tag}`, `oci:${back}:theirs`);
    await readChain(new LayoutStore(place));
    const ours = new LayoutStore(back);
    await putDeployment(ours, link('release').digest, { outcome: 'unchanged' });
    expect((await ours.names('theirs')).get('theirs')).toBe(link('package').digest);
    await readChain(ours);
    await skopeo('inspect', '--raw', `oci:${back}:theirs`);
  });
});

describe('the validators of the specifications', () => {
  /** What a validator says against a text; empty when it is valid. */
  function complaint(mediaType: string, input: string | Uint8Array): string {
    const { status, stderr } = spawnSync(tools.modelSpec, [mediaType], { input, encoding: 'utf8' });
    return status === 0 ? '' : stderr;
  }

  test('ModelPack’s accepts the configuration of a package, and no other', async () => {
    const digest = (await getManifest(store, link('package').digest))?.manifest.config.digest;
    const config = await readBytes(store, parseDigest(digest ?? '', 'config'));
    expect(complaint(MODEL_CONFIG, config)).toBe('');
    expect(complaint(MODEL_CONFIG, JSON.stringify({ ...JSON.parse(config.toString()), extra: 1 }))).toMatch(
      /additionalProperties 'extra' not allowed/,
    );
  });

  test('OCI’s accepts the layout, its index and every manifest', async () => {
    const read = (file: string): Promise<string> => readFile(join(store.location, file), 'utf8');
    expect(complaint('application/vnd.oci.layout.header.v1+json', await read('oci-layout'))).toBe('');
    expect(complaint('application/vnd.oci.image.index.v1+json', await read('index.json'))).toBe('');
    const names = await store.names('');
    expect(names.size).toBeGreaterThan(chain.length);
    for (const digest of names.values()) {
      const bytes = await readBytes(store, digest);
      expect(complaint('application/vnd.oci.image.manifest.v1+json', bytes)).toBe('');
    }
  });
});
