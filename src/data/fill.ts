import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { extractInto } from '../lib/archive/extract.ts';
import { inParallel } from '../lib/in-parallel.ts';
import type { Log } from '../lib/log.ts';
import { Meter } from '../lib/progress.ts';
import { countBytes } from '../lib/streams.ts';
import { shardsAtOnce } from './cut.ts';
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
    const place = await entry.aside(String(all.get(unit)));
    if (unit.kind === 'shard') {
      await unpackShard(unit, place, source, progress.moved);
      await entry.adopt(unit, (path) => join(place, path));
      await rm(place, { recursive: true });
    } else {
      await completePart(place, source, unit, signal, progress.moved);
      await entry.adopt(unit, () => place);
    }
  };
  try {
    await inParallel(
      units,
      shardsAtOnce(units.map(({ kind, size }) => (kind === 'shard' ? (size ?? 0) : 0))),
      fetch,
    );
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

/** Its digest is proved before its first byte is parsed; a store's stream fails where it differs. */
async function unpackShard(
  unit: Unit,
  place: string,
  source: Source,
  onBytes: (count: number) => void,
): Promise<void> {
  const bytes = await buffer(countBytes(await source.open(unit, 0), onBytes));
  await rm(place, { recursive: true, force: true });
  const expected = new Map(unit.files.map(([path, size]) => [path, size ?? 0]));
  const total = [...expected.values()].reduce((sum, size) => sum + size, 0);
  const rules = {
    what: `a part of the data set ${source.digest} in ${source.place}`,
    fix: 'its index says otherwise; push the data set again with the action data',
    limits: { entries: expected.size * 2 + 1000, bytes: total, fileBytes: total, ratio: 1 },
    expected,
  };
  await extractInto(place, rules, (into) => into.tar(Readable.from([bytes])));
}
