import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { recordingLog } from '../__tests__/support/log.ts';
import { fakeNvidiaSmi } from '../__tests__/support/nvidia-smi.ts';
import { startGroup } from '../src/lib/process.ts';
import { startTelemetry } from '../src/train/telemetry/telemetry.ts';
import type { Figure } from './figure.ts';

/** Of a training with data loaders. */
const PROCESSES = 40;
const SECONDS = { full: 120, short: 60 };

/** What the measuring of a program costs: processor time of this process, which does nothing else meanwhile. */
export async function telemetry({ isShort }: { isShort: boolean }): Promise<Figure[]> {
  const seconds = isShort ? SECONDS.short : SECONDS.full;
  const folder = await mkdtemp(join(tmpdir(), 'trainyard-telemetry-'));
  const { path } = await fakeNvidiaSmi(folder, { cards: [{ uuid: 'GPU-a', use: 50, power: 300 }] });
  const script = `for i in $(seq ${PROCESSES}); do sleep 1000 & done; wait`;
  const group = await startGroup(['sh', '-c', script], { cwd: folder, env: { PATH: process.env.PATH } });
  try {
    await sleep(2000);
    const gpu = { vendor: 'nvidia' as const, id: 'GPU-a', card: 'GPU-a', index: 0, name: 'H100' };
    const before = process.cpuUsage();
    const began = performance.now();
    const measuring = startTelemetry(
      { marker: group.marker, gpus: [gpu], log: recordingLog() },
      { env: { ...process.env, PATH: path } },
    );
    await sleep(1000 * seconds);
    await measuring.stop();
    const { user, system } = process.cpuUsage(before);
    return [
      {
        name: 'what a training uses, measured beside it',
        measured: (100 * (user + system)) / 1000 / (performance.now() - began),
        limit: 1,
        unit: '% of a core',
        how: `${PROCESSES} processes and a GPU for ${seconds} s; nvidia-smi itself not counted, which is a stand-in here`,
      },
    ];
  } finally {
    await group.end(1);
    await rm(folder, { recursive: true, force: true });
  }
}
