import { readFileSync } from 'node:fs';
import { type Figure, median } from './figure.ts';
import { Track, type Turn, type Worker } from './turns.ts';

/** Seconds of work on each side, and of one turn. */
const WORK = { full: 600, short: 60 };
const TURN = 2;
/** So much work is measured first, and all turns are made as long as they should be. */
const GUESS = 1_000_000;

/** Training through Trainyard and the bare command, each as a whole: its start, its work, its end. */
export async function training({ isShort }: { isShort: boolean }): Promise<Figure[]> {
  const track = await Track.lay();
  try {
    const seconds = isShort ? WORK.short : WORK.full;
    const bare = await whole(() => track.bare());
    const ours = await whole(() => track.ours());
    const amount = await turnsAmount(bare.worker);
    const turns = { bare: [] as Turn[], ours: [] as Turn[] };
    for (let round = 0; round < Math.round(seconds / TURN); round++) {
      // Whoever is first in one round is last in the next.
      for (const name of round % 2 === 0 ? (['bare', 'ours'] as const) : (['ours', 'bare'] as const))
        turns[name].push(await { bare, ours }[name].worker.turn('train', amount));
    }
    const rest = { bare: await bare.end(), ours: await ours.end() };
    const work = median(turns.bare.map(({ wall }) => wall)) * turns.bare.length;
    const ratio = (pick: (turn: Turn) => number): number =>
      median(turns.ours.map((turn, i) => pick(turn) / pick(turns.bare[i] ?? turn)));
    const how = `${seconds} s of work each, in turns of ${TURN} s; the median of the turns, and all that comes before and after`;
    return [
      {
        name: 'training against the bare command, time',
        measured: ratio(({ wall }) => wall) + (rest.ours - rest.bare) / work,
        limit: 1.02,
        unit: '×',
        how,
      },
      {
        name: 'training against the bare command, processors',
        measured: ratio(({ cpu }) => cpu) + ours.cpu() / work,
        limit: 1.01,
        unit: '×',
        how: `${how}; with those that Trainyard uses itself`,
      },
    ];
  } finally {
    await track.remove();
  }
}

/** A worker, the seconds that it takes before its first turn and after its last, and those of processors in all. */
async function whole(
  begin: () => Promise<Worker>,
): Promise<{ worker: Worker; end(): Promise<number>; cpu(): number }> {
  const started = performance.now();
  const worker = await begin();
  await worker.turn('train', 1);
  const before = performance.now() - started;
  let cpu = 0;
  return {
    worker,
    cpu: () => cpu,
    end: async () => {
      const last = performance.now();
      const looking = setInterval(() => {
        cpu = Math.max(cpu, cpuOf(worker));
      }, 20);
      await worker.finish();
      clearInterval(looking);
      return (before + performance.now() - last) / 1000;
    },
  };
}

async function turnsAmount(worker: Worker): Promise<number> {
  const { cpu } = await worker.turn('train', GUESS);
  return Math.round((GUESS * TURN) / cpu);
}

/** Seconds of a processor that Trainyard's process itself has used. */
function cpuOf({ child }: Worker): number {
  if (child.exitCode !== null) return 0;
  const stat = readFileSync(`/proc/${child.pid}/stat`, 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}
