import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { digestOf } from '../lib/digest.ts';

/** What stands in a commit for a file that Git LFS keeps. */
export interface Pointer {
  /** SHA-256 of the file, in hexadecimal. */
  readonly oid: string;
  /** In bytes. */
  readonly size: number;
}

const VERSIONS = ['https://git-lfs.github.com/spec/v1', 'https://hawser.github.com/spec/v1'];
/** A pointer is shorter than this, in bytes. */
const LONGEST = 1024;

/** Whether bytes are meant to be a pointer. */
export function isPointer(bytes: Buffer): boolean {
  return (
    bytes.length < LONGEST &&
    VERSIONS.some((version) => bytes.toString('latin1').startsWith(`version ${version}`))
  );
}

/** Reads a pointer (git-lfs specification v1); or says why it cannot be followed. */
export function parsePointer(bytes: Buffer): Pointer | string {
  const lines = bytes.toString('utf8').split('\n').slice(0, -1);
  const pairs = new Map(
    lines.map((line) => [line.slice(0, line.indexOf(' ')), line.slice(line.indexOf(' ') + 1)]),
  );
  if ([...pairs.keys()].some((key) => key.startsWith('ext-')))
    return 'was stored through an extension of Git LFS, which is not supported';
  const [, oid] = /^sha256:([0-9a-f]{64})$/.exec(pairs.get('oid') ?? '') ?? [];
  const [size] = /^\d{1,15}$/.exec(pairs.get('size') ?? '') ?? [];
  if (oid === undefined || size === undefined) return 'is a damaged pointer of Git LFS; add the file again';
  return { oid, size: Number(size) };
}

/** Reads an object of Git LFS from the folder of objects, verified; or says why it cannot be had. */
export async function readLfsObject(objects: string, { oid, size }: Pointer): Promise<Buffer | string> {
  const path = join(objects, oid.slice(0, 2), oid.slice(2, 4), oid);
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) return `${path} is not there`;
  if (found.size !== size) return `${path} has ${found.size} bytes, not ${size}; remove it`;
  const bytes = await readFile(path);
  return digestOf(bytes) === `sha256:${oid}`
    ? bytes
    : `${path} differs from its name, it is damaged; remove it`;
}
