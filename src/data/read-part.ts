import type { Builtins, Made } from '../lib/threads.ts';

const BLOCK = 512;

/** A file to be read. Its stamp says which state of it is meant; without one any is taken that has the size. */
export interface PartFile {
  readonly path: string;
  readonly size: number;
  readonly stamp?: string | undefined;
}

export interface PartTask {
  readonly root: string;
  /** `git`: one file, hashed as git does; `md5`: one file, by MD5. */
  readonly kind: 'shard' | 'file' | 'git' | 'md5';
  readonly files: readonly PartFile[];
  /** Gets a shard's tar; used again and again, because fresh memory costs as much as hashing it. */
  readonly into?: SharedArrayBuffer | undefined;
}

/** What a part is as a layer. */
export interface ReadPart {
  /** SHA-256, of `git` SHA-1, of `md5` MD5; hexadecimal. */
  readonly hex: string;
  readonly size: number;
  /** The file that was not, or did not stay, what was asked for; the rest means nothing then. */
  readonly changed?: string;
}

/** How much of a tar a file takes, but for a long name. */
export function paddedSize(size: number): number {
  return BLOCK + Math.ceil(size / BLOCK) * BLOCK;
}

/** The most bytes that a shard's tar may have. */
export function largestTar(files: readonly { readonly path: string; readonly size: number }[]): number {
  // A long name takes a header more, and three bytes in UTF-8 for each of its characters.
  const most = files.map(({ path, size }) => paddedSize(size) + 2 * BLOCK + paddedSize(3 * path.length));
  return most.reduce((sum, bytes) => sum + bytes, 2 * BLOCK);
}

/**
 * Reads a part and hashes it: a large file as it is, small ones as a plain tar (POSIX ustar; pax records for names that are
 * long or not ASCII) whose bytes depend on paths and contents alone.
 * Runs in a thread, see `Threads`: it uses nothing from around it.
 */
export function readPart(
  { root, kind, files, into }: PartTask,
  { fs, crypto, path }: Builtins,
): Made<ReadPart> {
  const padded = (size: number): number => Math.ceil(size / 512) * 512;
  const octal = (value: number, length: number): string => `${value.toString(8).padStart(length - 1, '0')}\0`;
  const header = (name: string, size: number, type: string): Buffer => {
    const block = Buffer.alloc(512);
    block.write(name, 0, 100);
    block.write(`${octal(0o644, 8)}${octal(0, 8)}${octal(0, 8)}${octal(size, 12)}${octal(0, 12)}`, 100);
    block.write(`        ${type}`, 148);
    block.write('ustar\x0000', 257);
    block.write(`${octal(0, 8)}${octal(0, 8)}`, 329);
    const sum = block.reduce((total, byte) => total + byte, 0);
    block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    return block;
  };
  /** `LENGTH path=NAME`, where the length counts its own digits. */
  const paxRecord = (name: string): Buffer => {
    const rest = Buffer.byteLength(` path=${name}\n`);
    const guess = rest + String(rest).length;
    return Buffer.from(`${rest + String(guess).length} path=${name}\n`);
  };
  const headOf = ({ path: name, size }: PartFile): Buffer => {
    if (/^[\x20-\x7e]{1,100}$/.test(name)) return header(name, size, '0');
    const record = paxRecord(name);
    const padding = Buffer.alloc(padded(record.length) - record.length);
    return Buffer.concat([
      header('PaxHeader', record.length, 'x'),
      record,
      padding,
      header('file', size, '0'),
    ]);
  };
  const hash = crypto.createHash({ shard: 'sha256', file: 'sha256', git: 'sha1', md5: 'md5' }[kind]);
  const tar = into === undefined ? undefined : Buffer.from(into);
  const piece = Buffer.allocUnsafe(into === undefined ? 1 << 18 : 0);
  let at = 0;
  const add = (bytes: Buffer): void => {
    hash.update(bytes);
    if (tar !== undefined) bytes.copy(tar, at);
    at += bytes.length;
  };
  /** Whether the file was what was asked for, to its end. */
  const addFile = ({ path: name, size, stamp }: PartFile): boolean => {
    const file = fs.openSync(path.join(root, name), fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW);
    try {
      let done = 0;
      for (let step = 1; done < size && step > 0; done += step) {
        const place = tar?.subarray(at) ?? piece;
        step = fs.readSync(file, place, 0, Math.min(place.length, size - done), done);
        hash.update(place.subarray(0, step));
        at += step;
      }
      const { dev, ino, size: found, mtimeNs, ctimeNs } = fs.fstatSync(file, { bigint: true });
      const isSame = stamp === undefined || stamp === `${dev}:${ino}:${found}:${mtimeNs}:${ctimeNs}`;
      return isSame && done === size && found === BigInt(size);
    } finally {
      fs.closeSync(file);
    }
  };
  for (const file of files) {
    if (kind === 'shard') add(headOf(file));
    if (kind === 'git') hash.update(`blob ${file.size}\0`);
    if (!addFile(file)) return { result: { hex: '', size: 0, changed: file.path } };
    if (kind === 'shard') add(Buffer.alloc(padded(file.size) - file.size));
  }
  if (kind === 'shard') add(Buffer.alloc(1024));
  return { result: { hex: hash.digest('hex'), size: at } };
}
