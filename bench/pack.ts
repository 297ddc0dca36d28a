import { execFile } from 'node:child_process';
import { rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { digestIn } from '../__tests__/support/workshop.ts';
import { packageModel } from '../src/package/package.ts';
import { type Commit, openProject } from '../src/source/commit.ts';
import { LayoutStore } from '../src/store/layout.ts';
import { type Figure, median, seconds } from './figure.ts';
import { type LargeRun, makeLargeRun } from './large-run.ts';
import { sha256 } from './sha256.ts';

const cli = join(import.meta.dirname, '..', 'dist', 'cli', 'index.js');
const ROUNDS = 5;
const MiB = 2 ** 20;
const MANY = [512, 512, 512, 512].map((size) => size * MiB);
const ONE = [2048 * MiB];
const SMALL_MODEL = [1024 * MiB];
const LARGE_MODEL = [4096 * MiB];
/** Both sets of files at once, and some room. */
const ROOM = 6144 * MiB;

/** What package-model takes for large models, beside the SHA-256 of the same files, and how much memory. */
export async function pack(): Promise<Figure[]> {
  const { bavail, bsize } = await statfs(tmpdir());
  if (bavail * bsize < ROOM)
    throw new Error(`${tmpdir()} needs ${ROOM / MiB} MiB for the files of this benchmark`);
  return [...(await many()), ...(await one()), ...(await memory())];
}

async function many(): Promise<Figure[]> {
  const { first, again, how } = await measure(MANY);
  return [
    figure('pack 4 × 512 MB, against their SHA-256 on all cores', first, 1.25, how),
    figure('pack again, nothing changed, against the first', again, 0.1, how),
  ];
}

async function one(): Promise<Figure[]> {
  const { first, how } = await measure(ONE);
  return [figure('pack one file of 2 GB, against its SHA-256', first, 1.25, how)];
}

const figure = (name: string, measured: number, limit: number, how: string): Figure => ({
  name,
  measured,
  limit,
  unit: '×',
  how,
});

/** Packs into a new folder store in each round, then once more into it; whoever is first in one round is last in the next. */
async function measure(sizes: readonly number[]): Promise<{ first: number; again: number; how: string }> {
  const large = await makeLargeRun(sizes);
  const { shop } = large;
  const commit = await openProject(shop.repository.folder, '.', shop.log);
  const times = new Map<string, number[]>();
  const note = (name: string, time: number): void => void times.set(name, [...(times.get(name) ?? []), time]);
  try {
    for (let round = 0; round < ROUNDS; round++) {
      const works = Object.entries(sha256).map(
        ([name, hash]) =>
          async () =>
            note(name, await seconds(() => hash(large.files))),
      );
      works.push(async () => {
        const store = join(shop.root, `yard-${round}`);
        note('first', await seconds(() => packInto(large, commit, store)));
        note('again', await seconds(() => packInto(large, commit, store)));
        await rm(store, { recursive: true });
      });
      for (const work of round % 2 === 0 ? works : works.reverse()) await work();
    }
  } finally {
    await large.remove();
  }
  const medianOf = (name: string): number => median(times.get(name) ?? []);
  const [fastest = ''] = Object.keys(sha256).sort((a, b) => medianOf(a) - medianOf(b));
  return {
    first: medianOf('first') / medianOf(fastest),
    again: medianOf('again') / medianOf('first'),
    how: `folder to folder on one disk, against ${fastest}; median of ${ROUNDS}, taken in turn`,
  };
}

/** What package-model does once the commit is open. */
async function packInto({ shop, built, run }: LargeRun, commit: Commit, folder: string): Promise<void> {
  const refuse = () => Promise.reject(new Error('nothing here has to be scanned'));
  const packaged = await packageModel({
    commit,
    trainer: digestIn(built, 'trainer'),
    server: digestIn(built, 'server'),
    trainingId: digestIn(built, 'training-id'),
    run,
    handoff: new LayoutStore(shop.handoff.location),
    store: new LayoutStore(folder),
    log: shop.log,
    signal: new AbortController().signal,
    python: refuse,
    scratch: refuse,
  });
  if (packaged.package === undefined) throw new Error('nothing was packaged');
}

/** Prints the most memory of a process at its end, in KiB; its `maxRSS` would begin with that of the process that spawned it. */
const TELL_PEAK = `
import { readFileSync } from 'node:fs';
process.on('exit', () => process.stderr.write('PEAK ' + /VmHWM:\\s*(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]));
`;

/** The most memory that a process of package-model had at any moment, in MB. */
async function memory(): Promise<Figure[]> {
  const small = await peakOf(SMALL_MODEL);
  const large = await peakOf(LARGE_MODEL);
  const how = `largest resident set of a process from dist; median of ${ROUNDS}`;
  return [
    { name: 'peak memory, a model of 1 GB', measured: small, limit: 250, unit: 'MB', how },
    { name: 'peak memory, a model of 4 GB', measured: large, limit: 250, unit: 'MB', how },
    figure(
      'the larger of the two, against the other',
      Math.max(small, large) / Math.min(small, large),
      1.1,
      how,
    ),
  ];
}

async function peakOf(sizes: readonly number[]): Promise<number> {
  const large = await makeLargeRun(sizes, true);
  const { shop, built, run } = large;
  const watch = `data:text/javascript,${encodeURIComponent(TELL_PEAK)}`;
  const peaks: number[] = [];
  try {
    for (let round = 0; round < ROUNDS; round++) {
      const store = join(shop.root, `yard-${round}`);
      const inputs = {
        project: '.',
        handoff: shop.handoff.location,
        store,
        run,
        trainer: built.trainer,
        server: built.server,
        'training-id': built['training-id'],
      };
      const args = Object.entries(inputs).flatMap(([name, value]) => [`--${name}`, value ?? '']);
      const { stderr } = await promisify(execFile)(
        process.execPath,
        ['--import', watch, cli, 'package-model', ...args],
        {
          cwd: shop.repository.folder,
        },
      );
      const peak = /PEAK (\d+)/.exec(stderr)?.[1];
      if (peak === undefined) throw new Error(`package-model did not tell its memory: ${stderr}`);
      peaks.push((Number(peak) * 1024) / 1e6);
      await rm(store, { recursive: true });
    }
  } finally {
    await large.remove();
  }
  return median(peaks);
}
