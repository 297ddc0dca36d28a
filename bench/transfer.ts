import { execFile } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { mkdir, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { request } from 'undici';
import { startDistribution } from '../__tests__/support/distribution.ts';
import { registryPlace } from '../__tests__/support/registries.ts';
import { tool } from '../scripts/tools.ts';
import type { Blob } from '../src/lib/digest.ts';
import { source } from '../src/records/source.ts';
import { copyRecord } from '../src/store/copy.ts';
import { LayoutStore } from '../src/store/layout.ts';
import { layer, putRecord } from '../src/store/records.ts';
import { openRegistry } from '../src/store/registry/open.ts';
import { type Figure, median, seconds, settle } from './figure.ts';
import { fillRandom } from './random.ts';

const ROUNDS = 5;
const FILES = 4;
/** Of each file, in MB. What is more than the machine's memory takes at once measures its disk, which CI shares with others. */
const SIZES = { full: 512, short: 128 };

interface Place {
  readonly folder: string;
  /** `127.0.0.1:PORT` of a distribution registry v3. */
  readonly host: string;
  readonly oras: string;
}

/** Pushes and pulls of four large files, each beside what others take for the same bytes in the same round. */
export async function transfer({ isShort }: { isShort: boolean }): Promise<Figure[]> {
  const megabytes = isShort ? SIZES.short : SIZES.full;
  const size = megabytes * 2 ** 20;
  const folder = await mkdtemp(join(tmpdir(), 'trainyard-transfer-'));
  const registry = await startDistribution(join(folder, 'registry'));
  const place = { folder, host: registry.host, oras: await tool('oras') };
  try {
    const files = await makeFiles(join(folder, 'files'), size);
    const times = { put: [], oras: [], push: [], again: [], orasPull: [], pull: [] } satisfies Record<
      string,
      number[]
    >;
    const all: Record<keyof typeof times, number[]> = times;
    for (let round = 0; round < ROUNDS; round++) {
      const record = await packFiles(join(folder, `layout-${round}`), files);
      // Whoever is first in one round is last in the next.
      const pushes = [
        async () => all.put.push(await seconds(() => putAll(place, `put-${round}`, record))),
        async () => all.oras.push(await seconds(() => orasPush(place, `oras-${round}`, files))),
        async () => all.push.push(await seconds(() => push(place, `ours-${round}`, record))),
      ];
      for (const work of round % 2 === 0 ? pushes : pushes.reverse()) {
        await settle();
        await work();
      }
      const changed = await packFiles(join(folder, `layout-${round}`), await changeOne(files, size));
      await settle();
      all.again.push(await seconds(() => push(place, `ours-${round}`, changed)));
      // What one has written is gone before the other begins: else memory is full of it, and whoever comes second is slower.
      const pulls = [
        async () => {
          all.orasPull.push(await seconds(() => orasPull(place, `oras-${round}`)));
          await rm(join(folder, 'oras-pulled'), { recursive: true });
        },
        async () => {
          all.pull.push(await seconds(() => pull(place, `ours-${round}`, changed)));
          await rm(join(folder, 'pulled'), { recursive: true });
        },
      ];
      for (const work of round % 2 === 0 ? pulls : pulls.reverse()) {
        await settle();
        await work();
      }
      await rm(join(folder, `layout-${round}`), { recursive: true });
    }
    const ratio = (a: readonly number[], b: readonly number[]): number => median(a) / median(b);
    const how = `4 × ${megabytes} MB, distribution v3 on this machine; median of ${ROUNDS}, taken in turn`;
    const figure = (name: string, measured: number, limit: number): Figure => ({
      name,
      measured,
      limit,
      unit: '×',
      how,
    });
    return [
      figure('push, against bare parallel PUTs of known digests', ratio(all.push, all.put), 1.15),
      figure('push, against oras push', ratio(all.push, all.oras), 0.6),
      figure('pull, verified, against oras pull', ratio(all.pull, all.orasPull), 0.9),
      figure('push after one of four files changed, against the first', ratio(all.again, all.push), 0.35),
    ];
  } finally {
    await registry.close();
    await rm(folder, { recursive: true, force: true });
  }
}

async function makeFiles(folder: string, size: number): Promise<string[]> {
  await mkdir(folder);
  const files = Array.from({ length: FILES }, (_, n) => join(folder, `model-${n}.bin`));
  for (const file of files) await fillRandom(file, size);
  return files;
}

/** Other bytes somewhere in the middle of one. */
async function changeOne(files: readonly string[], size: number): Promise<readonly string[]> {
  const [first = ''] = files;
  const file = await open(first, 'r+');
  await file.write(Buffer.from(String(performance.now())), 0, undefined, size / 2);
  await file.close();
  return files;
}

interface Packed {
  readonly blobs: readonly Blob[];
  readonly store: LayoutStore;
  readonly digest: Awaited<ReturnType<typeof putRecord>>['digest'];
}

/** A record with the files as its layers, in a folder store; any kind of record does. */
async function packFiles(folder: string, files: readonly string[]): Promise<Packed> {
  const store = new LayoutStore(folder);
  const blobs = await Promise.all(files.map((file) => store.write({ file, how: 'copy' })));
  const layers = blobs.map((blob, n) => layer('application/octet-stream', blob, basename(files[n] ?? '')));
  const config = { repository: 'bench', commit: '0'.repeat(40), path: '.', ref: 'main' };
  return { store, blobs, digest: (await putRecord(store, source, { config, layers })).digest };
}

const storeAt = ({ host, folder }: Place, repository: string) =>
  openRegistry(`oci://${host}/${repository}`, 'store', registryPlace(folder));

async function push(place: Place, repository: string, { store, digest }: Packed): Promise<void> {
  await copyRecord(store, storeAt(place, repository), digest);
}

async function pull(place: Place, repository: string, { digest }: Packed): Promise<void> {
  await copyRecord(storeAt(place, repository), new LayoutStore(join(place.folder, 'pulled')), digest);
}

/** The least that a client can do: it knows the digests, and asks for nothing first. */
async function putAll({ host }: Place, repository: string, { store, blobs }: Packed): Promise<void> {
  await Promise.all(
    blobs.map(async ({ digest, size }) => {
      const begun = await request(`http://${host}/v2/${repository}/blobs/uploads/`, { method: 'POST' });
      await begun.body.dump();
      const url = new URL(String(begun.headers.location), `http://${host}`);
      url.searchParams.set('digest', digest);
      const headers = { 'content-type': 'application/octet-stream', 'content-length': String(size) };
      const body = createReadStream(store.pathOf(digest), { highWaterMark: 1 << 20 });
      const answer = await request(url, { method: 'PUT', headers, body });
      await answer.body.dump();
      if (answer.statusCode !== 201) throw new Error(`PUT was answered with ${answer.statusCode}`);
    }),
  );
}

async function orasPush({ oras, host }: Place, repository: string, files: readonly string[]): Promise<void> {
  const cwd = join(files[0] ?? '', '..');
  const names = files.map((file) => `${basename(file)}:application/octet-stream`);
  await promisify(execFile)(oras, ['push', '--plain-http', `${host}/${repository}:model`, ...names], { cwd });
}

async function orasPull({ oras, host, folder }: Place, repository: string): Promise<void> {
  const to = join(folder, 'oras-pulled');
  await promisify(execFile)(oras, ['pull', '--plain-http', '-o', to, `${host}/${repository}:model`]);
}
