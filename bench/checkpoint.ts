import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { digestOf } from '../src/lib/digest.ts';
import { openPlace, saveCheckpoint } from '../src/train/checkpoints/place.ts';
import { look } from '../src/train/checkpoints/scan.ts';
import { type Figure, seconds, settle } from './figure.ts';
import { fillRandom } from './random.ts';

const BYTES = 1e9;
const ROUNDS = { full: 9, short: 5 };
/** Seconds of a round of work on all cores. */
const WORK = 4;
const GUESS = 1e8;
const run = promisify(execFile);

/** Does as many steps as a line says, and answers with the seconds that they took. */
const PROGRAM = `
require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
  const begin = performance.now();
  let x = 1;
  for (let left = Number(line); left > 0; left--) x = (Math.imul(x, 1103515245) + 12345) | 0;
  console.log((performance.now() - begin) / 1000, x);
});`;

/** A checkpoint of 1 GB: made durable, beside cp and sync of the same file; and a program on all cores while that goes on. */
export async function checkpoint({ isShort }: { isShort: boolean }): Promise<Figure[]> {
  const rounds = isShort ? ROUNDS.short : ROUNDS.full;
  const folder = await mkdtemp(join(tmpdir(), 'trainyard-checkpoint-'));
  const program = join(folder, 'program');
  const workers = Array.from({ length: availableParallelism() }, () =>
    spawn(process.execPath, ['-e', PROGRAM]),
  );
  try {
    await mkdir(program);
    await fillRandom(join(program, 'model.pt'), BYTES);
    const ours: number[] = [];
    const cp: number[] = [];
    const copy = join(folder, 'copy');
    for (let round = 0; round < rounds; round++) {
      const works = [
        async () => {
          ours.push(await seconds(() => save(folder, false)));
        },
        async () => {
          cp.push(
            await seconds(() =>
              run('sh', ['-c', 'cp "$0" "$1" && sync "$1"', join(program, 'model.pt'), copy]),
            ),
          );
        },
      ];
      for (const work of round % 2 === 0 ? works : works.toReversed()) {
        await settle();
        await work();
        await rm(copy, { force: true });
        await rm(join(folder, 'place'), { recursive: true, force: true });
      }
    }
    const amount = Math.round((GUESS * WORK) / (await workOn(workers, GUESS)));
    const alone: number[] = [];
    const beside: number[] = [];
    for (let round = 0; round < rounds; round++) {
      const works = [
        async () => {
          alone.push(await workOn(workers, amount));
        },
        async () => {
          const saving = save(folder, true);
          beside.push(await workOn(workers, amount));
          await saving;
          await rm(join(folder, 'place'), { recursive: true });
        },
      ];
      for (const work of round % 2 === 0 ? works : works.toReversed()) {
        await settle();
        await work();
      }
    }
    return [
      {
        name: 'checkpoint of 1 GB durable, against cp and sync',
        measured: Math.min(...ours) / Math.min(...cp),
        limit: 1.25,
        unit: '×',
        how: `on one disk; 1.25 is 0.8 of the rate; the fastest of ${rounds} each, taken in turn`,
      },
      {
        name: 'a program on all cores while a checkpoint is made durable',
        measured: Math.min(...beside) / Math.min(...alone),
        limit: 1.02,
        unit: '×',
        how: `${WORK} s of work on ${workers.length} cores; the fastest of ${rounds} each, taken in turn`,
      },
    ];
  } finally {
    for (const worker of workers) worker.kill();
    await rm(folder, { recursive: true, force: true });
  }
}

async function save(folder: string, isGentle: boolean): Promise<void> {
  const program = join(folder, 'program');
  const place = await openPlace(join(folder, 'place'), digestOf(Buffer.from('bench')), async () => {
    throw new Error('no repository is used');
  });
  const entry = await look(program, 'model.pt');
  if (entry === undefined) throw new Error('there is no checkpoint');
  const config = {
    trainingId: place.trainingId,
    sequence: 1,
    name: entry.name,
    form: entry.form,
    madeAt: new Date().toISOString(),
    metrics: {},
    segments: [],
  };
  await saveCheckpoint(place, program, entry, config, isGentle);
}

/** Seconds until all have done so many steps. */
async function workOn(workers: readonly ChildProcess[], steps: number): Promise<number> {
  const times = workers.map(
    (worker) =>
      new Promise<number>((resolve, reject) => {
        if (worker.stdout === null || worker.stdin === null) return reject(new Error('no pipes'));
        const lines = createInterface({ input: worker.stdout });
        lines.once('line', (line) => {
          lines.close();
          resolve(Number(line.split(' ')[0]));
        });
        worker.stdin.write(`${steps}\n`);
      }),
  );
  return Math.max(...(await Promise.all(times)));
}
