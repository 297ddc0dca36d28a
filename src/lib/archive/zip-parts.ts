import type { FileHandle } from 'node:fs/promises';
import { type Entry, type LocalFileHeader, parseExtraFields, type ZipFile } from 'yauzl';
import type { Judge } from './rules.ts';

const STORED = 0;
const DEFLATED = 8;
/** General purpose bits (APPNOTE 4.4.4): sizes and CRC follow the file; the name is UTF-8; encrypted, in three ways. */
const DESCRIPTOR = 0x0008;
const UTF8 = 0x0800;
const ENCRYPTED = 0x2041;
const KNOWN = DESCRIPTOR | UTF8 | 0x0006;
/** Extra fields: sizes of 64 bits (APPNOTE 4.5.3), another name for the file (4.6.9). */
const ZIP64 = 0x0001;
const UNICODE_PATH = 0x7075;
const FOLDER = 0o040000;
const FILE = 0o100000;
/** The end of a zip (APPNOTE 4.3.14 to 4.3.16), without a comment; one of 64 bits comes first where numbers are large. */
const [END, ZIP64_END, ZIP64_LOCATOR] = [0x06054b50, 0x06064b50, 0x07064b50];
const LONGEST_END = 56 + 20 + 22;
const IN_ZIP64 = 0xffffffff;
const DESCRIPTOR_SIGNATURE = 0x08074b50;
const LONGEST_DESCRIPTOR = 24;

/** The name of an entry, ending in a slash if it is a folder. @throws UserError for an entry that cannot be read in one way only */
export function entryName(entry: Entry, judge: Judge): string {
  const { fileNameRaw, generalPurposeBitFlag: flags, externalFileAttributes, extraFields } = entry;
  const name = fileNameRaw.toString('utf8');
  const refuse = (problem: string): never => {
    throw judge.refusal(name, problem);
  };
  if ((flags & UTF8) === 0 && fileNameRaw.some((byte) => byte > 127)) refuse('has a name that is not UTF-8');
  if (extraFields.some(({ id }) => id === UNICODE_PATH)) refuse('has two names');
  if ((flags & ENCRYPTED) !== 0) refuse('is encrypted');
  if ((flags & ~KNOWN) !== 0) refuse(`has flags that are not known (${flags})`);
  if (![STORED, DEFLATED].includes(entry.compressionMethod))
    refuse(`is compressed by method ${entry.compressionMethod}; only stored and deflated files can be read`);
  const isFolder = name.endsWith('/');
  const kind = (externalFileAttributes >>> 16) & 0o170000;
  if (kind !== 0 && kind !== (isFolder ? FOLDER : FILE))
    refuse(`is no plain file or folder (mode ${kind.toString(8)})`);
  if (isFolder && entry.uncompressedSize > 0) refuse('is a folder with content');
  return name;
}

/**
 * Proves that the zip is its files one after the other, each with a header that says the same as the central
 * directory, then that directory, and nothing besides: then no reader can find other files in it.
 * @param central the offset of the central directory; all its entries have been read
 * @throws UserError
 */
export async function checkParts(
  handle: FileHandle,
  zip: ZipFile,
  central: number,
  entries: readonly Entry[],
  judge: Judge,
): Promise<void> {
  const rest = await read(handle, Number(zip.readEntryCursor), LONGEST_END + 1);
  if (!isEnd(rest)) throw judge.whole('what follows the entries of its directory is not its end');
  const inOrder = entries.toSorted((a, b) => a.relativeOffsetOfLocalHeader - b.relativeOffsetOfLocalHeader);
  let position = 0;
  for (const [i, entry] of inOrder.entries()) {
    const name = entry.fileNameRaw.toString('utf8');
    if (entry.relativeOffsetOfLocalHeader !== position)
      throw judge.refusal(
        name,
        `begins at byte ${entry.relativeOffsetOfLocalHeader}, and ${position} is where it must`,
      );
    const local = await zip.readLocalFileHeaderPromise(entry);
    position = inOrder[i + 1]?.relativeOffsetOfLocalHeader ?? central;
    const after = position - local.fileDataStart - entry.compressedSize;
    const follows = await read(handle, position - after, Math.min(after, LONGEST_DESCRIPTOR));
    if (!saysTheSame(local, entry) || follows.length !== after || !isDescriptor(follows, entry))
      throw judge.refusal(name, 'is not described in the same way in its header and in the directory');
  }
  if (position !== central) throw judge.whole(`its directory begins at byte ${central}, not ${position}`);
}

function saysTheSame(local: LocalFileHeader, entry: Entry): boolean {
  if (!local.fileName.equals(entry.fileNameRaw)) return false;
  if (local.generalPurposeBitFlag !== entry.generalPurposeBitFlag) return false;
  if (local.compressionMethod !== entry.compressionMethod) return false;
  const isLater = (entry.generalPurposeBitFlag & DESCRIPTOR) !== 0;
  const [size, packed] = localSizes(local);
  const pairs = [
    [local.crc32, entry.crc32],
    [size, entry.uncompressedSize],
    [packed, entry.compressedSize],
  ];
  return pairs.every(([here, there]) => here === there || (isLater && here === 0));
}

/** Size and compressed size in the header before a file, of 64 bits where they stand in the extra field. */
function localSizes({ uncompressedSize, compressedSize, extraField }: LocalFileHeader): [number, number] {
  const wide = parseExtraFields(extraField).find(({ id }) => id === ZIP64)?.data;
  if (uncompressedSize !== IN_ZIP64 || compressedSize !== IN_ZIP64 || wide === undefined || wide.length < 16)
    return [uncompressedSize, compressedSize];
  return [Number(wide.readBigUInt64LE(0)), Number(wide.readBigUInt64LE(8))];
}

/** Whether what follows a file is its data descriptor (APPNOTE 4.3.9), with or without signature, of 32 or 64 bits; or nothing, where there is to be none. */
function isDescriptor(bytes: Buffer, entry: Entry): boolean {
  if ((entry.generalPurposeBitFlag & DESCRIPTOR) === 0) return bytes.length === 0;
  if (![12, 16, 20, LONGEST_DESCRIPTOR].includes(bytes.length)) return false;
  const isSigned = bytes.length % 8 === 0;
  if (isSigned && bytes.readUInt32LE() !== DESCRIPTOR_SIGNATURE) return false;
  const [crc, sizes] = [bytes.readUInt32LE(isSigned ? 4 : 0), bytes.subarray(isSigned ? 8 : 4)];
  const [packed, size] =
    sizes.length === 16
      ? [Number(sizes.readBigUInt64LE(0)), Number(sizes.readBigUInt64LE(8))]
      : [sizes.readUInt32LE(0), sizes.readUInt32LE(4)];
  return crc === entry.crc32 && packed === entry.compressedSize && size === entry.uncompressedSize;
}

/** Whether this is the end of a zip and nothing else. */
function isEnd(bytes: Buffer): boolean {
  const isWide =
    bytes.length === LONGEST_END &&
    bytes.readUInt32LE(0) === ZIP64_END &&
    bytes.readUInt32LE(56) === ZIP64_LOCATOR;
  const end = isWide ? bytes.subarray(56 + 20) : bytes;
  return end.length === 22 && end.readUInt32LE(0) === END;
}

/** Bytes at a place; fewer at the end of the file. */
async function read(handle: FileHandle, position: number, length: number): Promise<Buffer> {
  if (length <= 0) return Buffer.alloc(0);
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, position);
  return buffer.subarray(0, bytesRead);
}
