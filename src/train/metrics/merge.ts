import { createReadStream, createWriteStream } from 'node:fs';
import { lstat, rename, rm } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { parseMetricsLine, textOf } from '../../records/metrics-line.ts';
import type { Collected } from './collected.ts';
import type { Earlier } from './earlier.ts';
import { openRegular } from './growing.ts';
import type { Series } from './series.ts';

/**
 * Puts the points of all sources into the metrics file, behind what the program wrote into it itself: each metric of the first
 * source that has it, and before all of it the segments before. Where there is nothing else, the file stays as it is.
 * @param now the course of every metric in this segment
 */
export async function mergeInto(
  file: string,
  all: readonly Collected[],
  earlier: Earlier,
  now: ReadonlyMap<string, Series>,
): Promise<void> {
  const parts = all.flatMap(({ spool, series }, index) => {
    const above = all.slice(0, index);
    const own = new Set([...series.keys()].filter((name) => !above.some((one) => one.series.has(name))));
    return spool === undefined ? [] : [{ spool, own }];
  });
  if (earlier.series.size > 0 || parts.some(({ own }) => own.size > 0)) {
    const merged = `${file}.all`;
    const texts = async function* () {
      for await (const line of earlier.lines(now)) yield textOf(line);
      yield* programsOwn(file);
      for (const part of parts) yield* linesOf(part);
    };
    await pipeline(Readable.from(texts()), createWriteStream(merged, { flags: 'wx' }));
    await rename(merged, file);
  }
  for (const { spool } of parts) await rm(spool, { force: true });
}

async function* linesOf({ spool, own }: { spool: string; own: ReadonlySet<string> }): AsyncGenerator<string> {
  for await (const text of createInterface({ input: createReadStream(spool), crlfDelay: Infinity })) {
    const { step, values } = parseMetricsLine(text);
    const kept = values.filter(([name]) => own.has(name));
    if (kept.length > 0) yield textOf({ step, values: kept });
  }
}

/** The file's bytes, and an end for its last line. A second name of it may lie anywhere: then it is not taken, as ever. */
async function* programsOwn(path: string): AsyncGenerator<string | Buffer> {
  const file = (await lstat(path).catch(() => undefined))?.nlink === 1 ? await openRegular(path) : undefined;
  if (file === undefined) return;
  let last: number | undefined = 10;
  for await (const chunk of file.createReadStream()) {
    last = chunk.at(-1);
    yield chunk;
  }
  if (last !== 10) yield '\n';
}
