import { type FileHandle, open } from 'node:fs/promises';
import { Transform } from 'node:stream';
import { crc32 } from 'node:zlib';
import { type Entry, fromFdPromise, type ZipFile } from 'yauzl';
import { codeOf } from '../errors.ts';
import type { Judge } from './rules.ts';
import type { TreeWriter } from './writer.ts';
import { checkParts, entryName } from './zip-parts.ts';

/**
 * Unpacks a zip (APPKNOTE 6.3, stored and deflated files) that says everything twice the same and holds nothing else.
 * @throws UserError by the judge's rules
 */
export async function unpackZip(
  file: string,
  judge: Judge,
  writer: TreeWriter,
  signal: AbortSignal,
): Promise<void> {
  const handle = await open(file, 'r');
  try {
    await unpack(handle, judge, writer, signal);
  } catch (error) {
    throw isOfZip(error) ? judge.whole('it is not a sound zip', { cause: error }) : error;
  } finally {
    await handle.close();
  }
}

async function unpack(
  handle: FileHandle,
  judge: Judge,
  writer: TreeWriter,
  signal: AbortSignal,
): Promise<void> {
  const zip = await fromFdPromise(handle.fd, { decodeStrings: false, autoClose: false });
  judge.announce(zip.entryCount);
  // yauzl's types say boolean; it is the offset of the next header of the central directory.
  const central = Number(zip.readEntryCursor);
  const entries: { readonly entry: Entry; readonly name: string }[] = [];
  for await (const entry of zip.eachEntry()) {
    const name = entryName(entry, judge);
    if (name.endsWith('/')) judge.folder(name.slice(0, -1));
    else judge.file(name, entry.uncompressedSize, entry.compressedSize);
    entries.push({ entry, name });
  }
  await checkParts(
    handle,
    zip,
    central,
    entries.map(({ entry }) => entry),
    judge,
  );
  for (const { entry, name } of entries) {
    signal.throwIfAborted();
    if (name.endsWith('/')) await writer.folder(name.slice(0, -1));
    else await unpackFile(zip, entry, name, judge, writer);
  }
}

async function unpackFile(
  zip: ZipFile,
  entry: Entry,
  name: string,
  judge: Judge,
  writer: TreeWriter,
): Promise<void> {
  let crc = 0;
  const check = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      crc = crc32(chunk, crc);
      done(null, chunk);
    },
    flush(done) {
      done(crc === entry.crc32 ? null : judge.refusal(name, 'differs from its CRC'));
    },
  });
  const executable = ((entry.externalFileAttributes >>> 16) & 0o100) !== 0;
  await writer.large(name, executable, () => zip.openReadStreamPromise(entry), check);
}

/** The errors of yauzl have no code, those of zlib their own; what else fails is not the zip's fault. */
function isOfZip(error: unknown): boolean {
  return error instanceof Error && error.constructor === Error && (codeOf(error) ?? 'Z_').startsWith('Z_');
}
