import { createReadStream, createWriteStream } from 'node:fs';
import { lstat, rename, rm } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Collected } from './collected.ts';
import { openRegular } from './growing.ts';

/**
 * Puts the points of all sources into the metrics file, behind what the program wrote into it itself: each metric of the first
 * source that has it. Where there is no other source, the file stays as it is.
 */
export async function mergeInto(file: string, all: readonly Collected[]): Promise<void> {
  const parts = all.flatMap(({ spool, series }, index) => {
    const above = all.slice(0, index);
    const own = new Set([...series.keys()].filter((name) => !above.some((one) => one.series.has(name))));
    return spool === undefined ? [] : [{ spool, own }];
  });
  if (parts.some(({ own }) => own.size > 0)) {
    const merged = `${file}.all`;
    await pipeline(Readable.from(linesOf(file, parts)), createWriteStream(merged, { flags: 'wx' }));
    await rename(merged, file);
  }
  for (const { spool } of parts) await rm(spool, { force: true });
}

async function* linesOf(
  file: string,
  parts: readonly { spool: string; own: ReadonlySet<string> }[],
): AsyncGenerator<string | Buffer> {
  yield* programsOwn(file);
  for (const { spool, own } of parts) {
    for await (const line of createInterface({ input: createReadStream(spool), crlfDelay: Infinity })) {
      const values: [string, unknown][] = Object.entries(JSON.parse(line));
      const kept = values.filter(([name]) => name === 'step' || own.has(name));
      if (kept.some(([name]) => name !== 'step')) yield `${JSON.stringify(Object.fromEntries(kept))}\n`;
    }
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
