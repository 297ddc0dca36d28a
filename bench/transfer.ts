import { execFile } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { mkdir, mkdtemp, open, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
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

/** Three pushes, what changed, and a pull. */
const MOST_AT_ONCE = 4.5;
/** A folder that Linux keeps in memory. */
const SHARED_MEMORY = '/dev/shm';

/** In seconds, one of each round. */
type Times = Record<'put' | 'oras' | 'push' | 'again' | 'orasPull' | 'pull', number[]>;

interface Place {
  /** The folder store that is pushed from. */
  readonly layout: string;
  readonly pulled: string;
  /** `127.0.0.1:PORT` of a distribution registry v3. */
  readonly host: string;
  readonly oras: string;
}

/**
 * Pushes and pulls of four large files, each beside what others take for the same bytes in the same round. The registry and what is
 * pulled are in memory where there is room: each client has every byte written once, and a slow disk would make them all alike.
 */
export async function transfer({ isShort }: { isShort: boolean }): Promise<Figure[]> {
  const megabytes = isShort ? SIZES.short : SIZES.full;
  const size = megabytes * 2 ** 20;
  const folder = await mkdtemp(join(tmpdir(), 'trainyard-transfer-'));
  const memory = await mkdtemp(join(await memoryFor(FILES * MOST_AT_ONCE * size), 'trainyard-transfer-'));
  try {
    const oras = await tool('oras');
    const files = await makeFiles(join(folder, 'files'), size);
    const times: Times = { put: [], oras: [], push: [], again: [], orasPull: [], pull: [] };
    for (let round = 0; round < ROUNDS; round++) {
      const home = join(memory, String(round));
      const registry = await startDistribution(join(home, 'registry'));
      const layout = join(folder, 'layout');
      const place = { layout, pulled: join(home, 'pulled'), host: registry.host, oras };
      await runRound(place, files, times, round % 2 === 0).finally(registry.close);
      await rm(layout, { recursive: true });
      await rm(home, { recursive: true });
    }
    const where = memory.startsWith(SHARED_MEMORY) ? 'in memory' : 'on its disk';
    const how = `4 × ${megabytes} MB, distribution v3 on this machine, ${where}; median of ${ROUNDS}, taken in turn`;
    const figure = (name: string, mine: keyof Times, other: keyof Times, limit: number): Figure => ({
      name,
      measured: median(times[mine]) / median(times[other]),
      limit,
      unit: '×',
      how,
    });
    return [
      figure('push, against bare parallel PUTs of known digests', 'push', 'put', 1.15),
      figure('push, against oras push', 'push', 'oras', 0.6),
      figure('pull, verified, against oras pull', 'pull', 'orasPull', 0.9),
      figure('push after one of four files changed, against the first', 'again', 'push', 0.35),
    ];
  } finally {
    await rm(folder, { recursive: true, force: true });
    await rm(memory, { recursive: true, force: true });
  }
}

/** Whoever is first in one round is last in the next. */
async function runRound(
  place: Place,
  files: readonly string[],
  times: Times,
  isForward: boolean,
): Promise<void> {
  const measure = async (name: keyof Times, work: () => Promise<void>): Promise<void> => {
    await settle();
    times[name].push(await seconds(work));
  };
  const inTurn = async (works: readonly (() => Promise<void>)[]): Promise<void> => {
    for (const work of isForward ? works : works.toReversed()) await work();
  };
  const record = await packFiles(place.layout, files);
  await inTurn([
    () => measure('put', () => putAll(place, 'put', record)),
    () => measure('oras', () => orasPush(place, 'oras', files)),
    () => measure('push', () => push(place, 'ours', record)),
  ]);
  await changeOne(files);
  const changed = await packFiles(place.layout, files);
  await measure('again', () => push(place, 'ours', changed));
  // What one has written is gone before the other begins: else memory is full of it, and whoever comes second is slower.
  const removed = (): Promise<void> => rm(place.pulled, { recursive: true });
  await inTurn([
    () => measure('orasPull', () => orasPull(place, 'oras')).then(removed),
    () => measure('pull', () => pull(place, 'ours', changed)).then(removed),
  ]);
}

/** A folder in memory for so many bytes, if it has room for them; else one on the disk. */
async function memoryFor(bytes: number): Promise<string> {
  const { bavail, bsize } = await statfs(SHARED_MEMORY).catch(() => ({ bavail: 0, bsize: 0 }));
  return bavail * bsize > bytes ? SHARED_MEMORY : tmpdir();
}

async function makeFiles(folder: string, size: number): Promise<string[]> {
  await mkdir(folder);
  const files = Array.from({ length: FILES }, (_, n) => join(folder, `model-${n}.bin`));
  for (const file of files) await fillRandom(file, size);
  return files;
}

/** Other bytes somewhere in the middle of one. */
async function changeOne([first = '']: readonly string[]): Promise<void> {
  const file = await open(first, 'r+');
  await file.write(Buffer.from(String(performance.now())), 0, undefined, (await file.stat()).size / 2);
  await file.close();
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

const storeAt = ({ host, pulled }: Place, repository: string) =>
  openRegistry(`oci://${host}/${repository}`, 'store', registryPlace(dirname(pulled)));

async function push(place: Place, repository: string, { store, digest }: Packed): Promise<void> {
  await copyRecord(store, storeAt(place, repository), digest);
}

async function pull(place: Place, repository: string, { digest }: Packed): Promise<void> {
  await copyRecord(storeAt(place, repository), new LayoutStore(place.pulled), digest);
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

async function orasPull({ oras, host, pulled }: Place, repository: string): Promise<void> {
  await promisify(execFile)(oras, ['pull', '--plain-http', '-o', pulled, `${host}/${repository}:model`]);
}
