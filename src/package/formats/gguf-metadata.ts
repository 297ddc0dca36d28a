import type { Cursor } from './cursor.ts';
import { quoted, Unfit } from './format.ts';
import { decodeUtf8 } from './utf8.ts';

/** Well above what any model has; lengths in bytes. */
const MOST = { entries: 65_536, name: 1024, text: 64 * 2 ** 20 };
/** Bytes of a metadata value by its type; texts (8) and lists (9) have none of their own. */
const WIDTHS = [1, 1, 2, 2, 4, 4, 4, 1, undefined, undefined, 8, 8, 8];
const [UINT32, TEXT, LIST] = [4, 8, 9];

/** What the metadata of a GGUF file say that a package tells. */
export interface Metadata {
  readonly architecture: string | undefined;
  readonly fileType: number | undefined;
  readonly alignment: number;
}

/** Reads so many metadata entries; what is of no use here is passed over. @throws Unfit */
export async function readMetadata(cursor: Cursor, entries: number): Promise<Metadata> {
  limited(entries, MOST.entries, 'metadata entries');
  const keys = new Set<string>();
  let architecture: string | undefined;
  let fileType: number | undefined;
  let alignment = 32;
  for (let i = 0; i < entries; i++) {
    const key = await readName(cursor);
    if (keys.has(key)) throw new Unfit(`has the metadata ${quoted(key)} twice; convert the model again`);
    keys.add(key);
    const type = await cursor.uint32();
    if (key === 'general.architecture' && type === TEXT) architecture = await readName(cursor);
    else if (key === 'general.file_type' && type === UINT32) fileType = await cursor.uint32();
    else if (key === 'general.alignment' && type === UINT32) alignment = await cursor.uint32();
    else await skipValue(cursor, type, key);
  }
  if (alignment === 0 || alignment % 8 !== 0 || alignment > 2 ** 20)
    throw new Unfit(`has the alignment ${alignment}, and a multiple of 8 is due; convert the model again`);
  return { architecture, fileType, alignment };
}

async function skipValue(cursor: Cursor, type: number, key: string, depth = 0): Promise<void> {
  const width = WIDTHS[type];
  if (width !== undefined) return cursor.skip(width);
  if (type === TEXT) return cursor.skip(limited(await cursor.uint64(), MOST.text, `bytes in ${quoted(key)}`));
  if (type !== LIST || depth > 3)
    throw new Unfit(`has metadata ${quoted(key)} of type ${type}, which is not known; convert it again`);
  const of = await cursor.uint32();
  const count = limited(await cursor.uint64(), cursor.size, `values in ${quoted(key)}`);
  const each = WIDTHS[of];
  if (each !== undefined) return cursor.skip(count * each);
  for (let i = 0; i < count; i++) await skipValue(cursor, of, key, depth + 1);
}

/** A name, in UTF-8. @throws Unfit for one that is too long to be one */
export async function readName(cursor: Cursor): Promise<string> {
  const length = limited(await cursor.uint64(), MOST.name, 'bytes in a name');
  return decodeUtf8(await cursor.take(length), 'GGUF');
}

/** A count that a file claims. @throws Unfit for one that no model has */
export function limited(count: number, most: number, what: string): number {
  if (count <= most) return count;
  throw new Unfit(`says that it has ${count} ${what}, and at most ${most} are read; convert the model again`);
}
