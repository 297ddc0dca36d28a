import { readFileSync } from 'node:fs';
import { type Figure, median } from './figure.ts';
import { Track, type Worker } from './turns.ts';

const STARTS = 5;
const ROUNDS = { full: 15, short: 7 };
const LINES = 200_000;
const FLOOD = 10_000_000;
/** While the first come, a process finds the memory that it goes on with. */
const BEGINNING = 1_000_000;

/** How soon a program starts, and what it costs that it is followed while it prints much. */
export async function following({ isShort }: { isShort: boolean }): Promise<Figure[]> {
  const track = await Track.lay();
  try {
    const starts: number[] = [];
    for (let round = 0; round < STARTS; round++) starts.push(await track.startTime());
    const rounds = isShort ? ROUNDS.short : ROUNDS.full;
    const { ratios, rate } = await floods(track, rounds);
    const grown = await growth(track);
    return [
      {
        name: 'warm start of a training',
        measured: median(starts),
        limit: 2,
        unit: 's',
        how: `from the step's start to the program's, environment and 64 MB of data cached; median of ${STARTS}`,
      },
      {
        name: 'a program that prints, against its output in a file',
        measured: median(ratios),
        limit: 1.02,
        unit: '×',
        how: `${Math.round(rate / 1000)},000 lines a second; median of ${rounds} pairs`,
      },
      {
        name: 'memory that 10 million lines take',
        measured: grown / 1e6,
        limit: 30,
        unit: 'MB',
        how: 'the most of Trainyard’s process, less the most while the first million came',
      },
    ];
  } finally {
    await track.remove();
  }
}

async function floods(track: Track, rounds: number): Promise<{ ratios: number[]; rate: number }> {
  const [bare, ours] = [await track.bare(), await track.ours()];
  const ratios: number[] = [];
  const times: number[] = [];
  for (let round = 0; round <= rounds; round++) {
    const measure = async (worker: Worker): Promise<number> => (await worker.turn('flood', LINES)).wall;
    const isOursFirst = round % 2 === 0;
    const first = await measure(isOursFirst ? ours : bare);
    const second = await measure(isOursFirst ? bare : ours);
    const [a, b] = isOursFirst ? [first, second] : [second, first];
    // The first round fills the caches.
    if (round > 0) ratios.push(a / b);
    times.push(b);
  }
  for (const worker of [bare, ours]) await worker.finish();
  return { ratios, rate: LINES / median(times) };
}

/** Bytes that Trainyard's process grows by after the first million lines, to its end. */
async function growth(track: Track): Promise<number> {
  const worker = await track.ours();
  let most = 0;
  const looking = setInterval(() => {
    most = Math.max(most, memoryOf(worker));
  }, 50);
  await worker.turn('pour', BEGINNING);
  const before = most;
  await worker.turn('pour', FLOOD - BEGINNING);
  await worker.finish();
  clearInterval(looking);
  return Math.max(0, most - before);
}

/** Bytes; none once it has ended. */
function memoryOf({ child }: Worker): number {
  if (child.exitCode !== null) return 0;
  const status = readFileSync(`/proc/${child.pid}/status`, 'latin1');
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024;
}
