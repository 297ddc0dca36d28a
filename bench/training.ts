import { readFileSync } from 'node:fs';
import { type Figure, median } from './figure.ts';
import { Track, type Turn, type Worker } from './turns.ts';

/** Seconds of work on each side, and of one turn. */
const WORK = { full: 600, short: 60 };
const TURN = 2;
/**
 * The same program runs up to two per cent faster or slower from start to start, as its memory happens to lie: so a pair is
 * started anew so often, and its ratios are one measurement.
 */
const PAIRS = { full: 10, short: 5 };
/** So much work is measured first, and all turns are made as long as they should be. */
const GUESS = 1_000_000;

/** What a pair came to: ours over the bare command's. */
interface Ratios {
  readonly wall: number;
  readonly cpu: number;
  /** Of a processor, in each second of a training, by Trainyard itself. */
  readonly own: number;
  /** Seconds before the first turn and after the last: how much longer it takes, and what it uses of a processor. */
  readonly around: Turn;
}

/** Training through Trainyard and the bare command, each as a whole: its start, its work, its end. */
export async function training({ isShort }: { isShort: boolean }): Promise<Figure[]> {
  const track = await Track.lay();
  try {
    const [seconds, pairs] = isShort ? [WORK.short, PAIRS.short] : [WORK.full, PAIRS.full];
    const all: Ratios[] = [];
    for (let pair = 0; pair < pairs; pair++)
      all.push(await onePair(track, Math.round(seconds / pairs / TURN)));
    const middle = (pick: (ratios: Ratios) => number): number => median(all.map(pick));
    const how = `${seconds} s of work each, in turns of ${TURN} s, by ${pairs} pairs of processes; medians, and one start and end on top`;
    return [
      {
        name: 'training against the bare command, time',
        measured: middle(({ wall }) => wall) + middle(({ around }) => around.wall) / seconds,
        limit: 1.02,
        unit: '×',
        how,
      },
      {
        name: 'training against the bare command, processors',
        measured: middle(({ cpu }) => cpu) + middle(({ own, around }) => own + around.cpu / seconds),
        limit: 1.01,
        unit: '×',
        how: `${how}; with those that Trainyard uses itself`,
      },
    ];
  } finally {
    await track.remove();
  }
}

/** Works in turns of which whoever is first in one round is last in the next. */
async function onePair(track: Track, rounds: number): Promise<Ratios> {
  const bare = await whole(() => track.bare());
  const ours = await whole(() => track.ours());
  const amount = await turnsAmount(bare.worker);
  const turns = { bare: [] as Turn[], ours: [] as Turn[] };
  const from = { at: performance.now(), cpu: cpuOf(ours.worker) };
  for (let round = 0; round < rounds; round++)
    for (const name of round % 2 === 0 ? (['bare', 'ours'] as const) : (['ours', 'bare'] as const))
      turns[name].push(await { bare, ours }[name].worker.turn('train', amount));
  // While the other one works, it looks after its training just the same.
  const own = (1000 * (cpuOf(ours.worker) - from.cpu)) / (performance.now() - from.at);
  const rest = { bare: await bare.end(), ours: await ours.end() };
  const ratio = (pick: (turn: Turn) => number): number =>
    median(turns.ours.map((turn, i) => pick(turn) / pick(turns.bare[i] ?? turn)));
  return {
    wall: ratio(({ wall }) => wall),
    cpu: ratio(({ cpu }) => cpu),
    own,
    around: { wall: rest.ours.wall - rest.bare.wall, cpu: rest.ours.cpu },
  };
}

/** A worker, with the seconds that it takes before its first turn and after its last. */
async function whole(
  begin: () => Promise<Worker>,
): Promise<{ worker: Worker; end(): Promise<{ wall: number; cpu: number }> }> {
  const started = performance.now();
  const worker = await begin();
  await worker.turn('train', 1);
  const before = { at: performance.now(), cpu: cpuOf(worker) };
  return {
    worker,
    end: async () => {
      const last = { at: performance.now(), cpu: cpuOf(worker) };
      let cpu = last.cpu;
      const looking = setInterval(() => {
        cpu = Math.max(cpu, cpuOf(worker));
      }, 20);
      await worker.finish();
      clearInterval(looking);
      const ms = before.at - started + performance.now() - last.at;
      return { wall: ms / 1000, cpu: before.cpu + cpu - last.cpu };
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
