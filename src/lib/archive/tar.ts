import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Extract, extract } from 'tar-stream';
import { UserError } from '../errors.ts';
import type { Judge } from './rules.ts';
import type { TreeWriter } from './writer.ts';

const KINDS: Readonly<Record<string, string>> = {
  symlink: 'a symbolic link',
  link: 'a hard link',
  fifo: 'a named pipe',
  'block-device': 'a device',
  'character-device': 'a device',
};

type Entry = Extract extends AsyncIterable<infer T> ? T : never;

/** Files up to this size are held in memory, and written while the next ones are read. */
const SMALL = 2 ** 20;
/** A tar ends in two blocks of zeros (POSIX, ustar interchange format); without them something is missing. */
const TRAILER = 1024;

/** Unpacks a tar as it flows in. @throws UserError by the judge's rules, and what the stream fails with */
export async function unpackTar(
  tar: Readable,
  judge: Judge,
  writer: TreeWriter,
  signal: AbortSignal,
): Promise<void> {
  const archive = extract();
  let outside: unknown;
  tar.once('error', (error) => {
    outside = error;
  });
  let broken: unknown;
  archive.on('error', (error: unknown) => {
    broken = error;
  });
  const fed = pipeline(tar, (source: AsyncIterable<Buffer>) => endingInZeros(source, judge), archive, {
    signal,
  });
  // Told by the loop, or awaited after it.
  fed.catch(() => {});
  try {
    for await (const entry of archive) await unpackEntry(entry, judge, writer);
    await fed;
  } catch (error) {
    signal.throwIfAborted();
    // An entry whose stream is gone tells less than what took the stream away.
    const first = error instanceof UserError ? error : (outside ?? broken ?? error);
    throw first === broken && first !== outside && !(first instanceof UserError)
      ? judge.whole('it is not a tar', { cause: first })
      : first;
  }
}

async function unpackEntry(entry: Entry, judge: Judge, writer: TreeWriter): Promise<void> {
  const { name, type, mode, size } = entry.header;
  if (type === 'directory') {
    const path = name.replace(/\/$/, '');
    judge.folder(path);
    entry.resume();
    return writer.folder(path);
  }
  if (type !== 'file')
    throw judge.refusal(
      name,
      `is ${KINDS[type] ?? 'of a kind that is not known'}; only files and folders can be taken`,
    );
  judge.file(name, size);
  const executable = (mode & 0o100) !== 0;
  if (size > SMALL) return writer.large(name, executable, async () => contentOf(entry));
  const chunks: Buffer[] = [];
  for await (const chunk of contentOf(entry)) chunks.push(chunk);
  return writer.small(name, chunks, executable);
}

/** By its own iterator, which fails when the archive does; Node's pipeline takes a stream that is gone for one that waits. */
async function* contentOf(entry: Entry): AsyncIterable<Buffer> {
  for await (const chunk of entry) {
    if (!Buffer.isBuffer(chunk)) throw new TypeError('tar-stream gives buffers');
    yield chunk;
  }
}

async function* endingInZeros(source: AsyncIterable<Buffer>, judge: Judge): AsyncIterable<Buffer> {
  let tail: Buffer = Buffer.alloc(0);
  for await (const chunk of source) {
    tail = (chunk.length < TRAILER ? Buffer.concat([tail, chunk]) : chunk).subarray(-TRAILER);
    yield chunk;
  }
  if (tail.length < TRAILER || tail.some((byte) => byte !== 0)) throw judge.whole('its end is missing');
}
