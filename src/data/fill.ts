import { createReadStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { extractInto } from '../lib/archive/extract.ts';
import { inParallel } from '../lib/in-parallel.ts';
import type { Log } from '../lib/log.ts';
import { Meter } from '../lib/progress.ts';
import { AT_ONCE } from '../store/store.ts';
import type { Entry } from './entry.ts';
import { completePart } from './part-file.ts';
import type { Source, Unit } from './source.ts';

/** Fetches units, several at a time, proves each, and puts its files in their place. */
export async function fill(
  entry: Entry,
  source: Source,
  units: readonly Unit[],
  { name, log, signal }: { name: string; log: Log; signal: AbortSignal },
): Promise<void> {
  const progress = new Meter(log, `data ${name}: fetched`).start(bytesOf(units));
  const all = new Map(entry.plan.units.map((unit, i) => [unit, i]));
  const fetch = async (unit: Unit): Promise<void> => {
    signal.throwIfAborted();
    const part = await entry.aside(String(all.get(unit)));
    await completePart(part, source, unit, signal, progress.moved);
    if (unit.kind !== 'shard') return entry.adopt(unit, () => part);
    const unpacked = `${part}.unpacked`;
    await unpack(unit, part, source, unpacked);
    await entry.adopt(unit, (path) => join(unpacked, path));
    for (const done of [unpacked, part]) await rm(done, { recursive: true });
  };
  try {
    await inParallel(units, AT_ONCE, fetch);
  } finally {
    progress.end();
  }
}

/** How many bytes are on their way; undefined where only the other side knows. */
export function bytesOf(units: readonly Unit[]): number | undefined {
  return units.reduce<number | undefined>(
    (sum, { size }) => (sum === undefined || size === null ? undefined : sum + size),
    0,
  );
}

/** Its digest was proved before its first byte is parsed. */
async function unpack(unit: Unit, tar: string, source: Source, folder: string): Promise<void> {
  const expected = new Map(unit.files.map(([path, size]) => [path, size ?? 0]));
  const total = [...expected.values()].reduce((sum, size) => sum + size, 0);
  const rules = {
    what: `the part sha256:${unit.hex} of a data set in ${source.place}`,
    fix: 'its index says otherwise; push the data set again with the action data',
    limits: { entries: expected.size * 2 + 1000, bytes: total, fileBytes: total, ratio: 1 },
    expected,
  };
  await rm(folder, { recursive: true, force: true });
  await extractInto(folder, rules, (into) => into.tar(createReadStream(tar, { highWaterMark: 1 << 20 })));
}
