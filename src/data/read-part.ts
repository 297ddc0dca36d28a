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
  /** `git`: one file, hashed as git does. */
  readonly kind: 'shard' | 'file' | 'git';
  readonly files: readonly PartFile[];
}

/** What a part is as a layer. */
export interface ReadPart {
  /** SHA-256, of `git` SHA-1; hexadecimal. */
  readonly hex: string;
  readonly size: number;
  /** A shard's tar; of a large file nothing is kept. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The file that was not, or did not stay, what was asked for; the rest means nothing then. */
  readonly changed?: string;
}

/** How much of a tar a file takes, but for a long name. */
export function paddedSize(size: number): number {
  return BLOCK + Math.ceil(size / BLOCK) * BLOCK;
}

/**
 * Reads a part and hashes it: a large file as it is, small ones as a plain tar (POSIX ustar; pax records for names that are
 * long or not ASCII) whose bytes depend on paths and contents alone.
 * Runs in a thread, see `Threads`: it uses nothing from around it.
 */
export function readPart({ root, kind, files }: PartTask, { fs, crypto, path }: Builtins): Made<ReadPart> {
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
  /** Gives a file's bytes piece by piece into the buffer that `into` names; whether it was what was asked for, to its end. */
  const read = ({ path: name, size, stamp }: PartFile, into: (done: number) => Buffer): boolean => {
    const file = fs.openSync(path.join(root, name), fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW);
    try {
      let done = 0;
      for (let step = 1; done < size && step > 0; done += step) {
        const place = into(done);
        step = fs.readSync(file, place, 0, Math.min(place.length, size - done), done);
        hash.update(place.subarray(0, step));
      }
      const { dev, ino, size: found, mtimeNs, ctimeNs } = fs.fstatSync(file, { bigint: true });
      const isSame = stamp === undefined || stamp === `${dev}:${ino}:${found}:${mtimeNs}:${ctimeNs}`;
      return isSame && done === size && found === BigInt(size);
    } finally {
      fs.closeSync(file);
    }
  };
  const hash = crypto.createHash(kind === 'git' ? 'sha1' : 'sha256');
  const changed = (name: string): Made<ReadPart> => ({
    result: { hex: '', size: 0, bytes: new Uint8Array(), changed: name },
  });
  if (kind !== 'shard') {
    const piece = Buffer.allocUnsafe(1 << 20);
    if (kind === 'git') for (const { size } of files) hash.update(`blob ${size}\0`);
    for (const file of files) if (!read(file, () => piece)) return changed(file.path);
    const size = files.reduce((sum, file) => sum + file.size, 0);
    return { result: { hex: hash.digest('hex'), size, bytes: new Uint8Array() } };
  }
  const heads = files.map(headOf);
  const end = 1024;
  const total = files.reduce((sum, { size }, i) => sum + (heads[i]?.length ?? 0) + padded(size), end);
  const bytes = Buffer.from(new ArrayBuffer(total));
  let at = 0;
  for (const [i, file] of files.entries()) {
    at += heads[i]?.copy(bytes, at) ?? 0;
    hash.update(heads[i] ?? '');
    const start = at;
    if (!read(file, (done) => bytes.subarray(start + done))) return changed(file.path);
    at += padded(file.size);
    hash.update(bytes.subarray(start + file.size, at));
  }
  hash.update(bytes.subarray(at));
  return { result: { hex: hash.digest('hex'), size: total, bytes }, transfer: [bytes.buffer] };
}
