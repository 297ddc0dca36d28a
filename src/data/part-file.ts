import { createHash, type Hash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { rm, stat } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { UserError } from '../lib/errors.ts';
import type { Source, Unit } from './source.ts';

/**
 * Brings the file of a unit to its end: goes on behind what an earlier run has left there, and proves the whole.
 * @param onBytes is told how many bytes came
 * @throws UserError when they are not those of the digest; then the file is gone
 */
export async function completePart(
  part: string,
  source: Source,
  unit: Unit,
  signal: AbortSignal,
  onBytes: (count: number) => void,
): Promise<void> {
  const had = (await stat(part).catch(() => undefined))?.size ?? 0;
  if (had === 0 && source.fetchInto !== undefined) {
    await rm(part, { force: true });
    if (await source.fetchInto(unit, part)) return onBytes(unit.size ?? 0);
    await rm(part, { force: true });
  }
  const found = await append(part, had, source, unit, signal, onBytes);
  if (found === undefined || found === unit.hex) return;
  await rm(part);
  // What was left may have been another file's beginning, or damaged.
  if (had > 0) return completePart(part, source, unit, signal, onBytes);
  const [name] = unit.files[0] ?? [''];
  throw new UserError(
    `${name} of ${source.place}: the bytes differ from their digest (expected ${unit.hex}, found ${found}); ${source.fix(found)}`,
  );
}

/** The digest of the whole file, hexadecimal; undefined when the source has proved it. */
async function append(
  part: string,
  had: number,
  source: Source,
  unit: Unit,
  signal: AbortSignal,
  onBytes: (count: number) => void,
): Promise<string | undefined> {
  const hash = source.proves && had === 0 ? undefined : hashOf(unit);
  if (hash !== undefined && had > 0)
    for await (const chunk of createReadStream(part, { highWaterMark: 1 << 20 })) hash.update(chunk);
  // An empty rest is no range that a server could give.
  if (unit.size === null || had < unit.size || had === 0) {
    const look = async function* (chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
      for await (const chunk of chunks) {
        hash?.update(chunk);
        onBytes(chunk.length);
        yield chunk;
      }
    };
    const file = createWriteStream(part, { flags: 'a', flush: true, highWaterMark: 1 << 20 });
    await pipeline(await source.open(unit, had), look, file, { signal });
  }
  return hash?.digest('hex');
}

function hashOf({ kind, size }: Unit): Hash {
  if (kind === 'md5') return createHash('md5');
  return kind === 'git' ? createHash('sha1').update(`blob ${size}\0`) : createHash('sha256');
}
