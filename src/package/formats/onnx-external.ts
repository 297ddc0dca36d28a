import { BYTES } from '../../lib/protobuf.ts';
import type { Cursor } from './cursor.ts';
import { type Part, quoted, Unfit } from './format.ts';
import { eachField, type Field } from './protobuf.ts';

/** No name of a tensor or a file is longer, in bytes. */
const LONGEST = 4096;
/** Readers set what stands here as attributes of an object (CVE-2026-34445), so that other keys are refused. */
const KEYS = ['location', 'offset', 'length', 'checksum'];

/** A short text. @throws Unfit for a long one */
export async function readString(cursor: Cursor, { end }: Field): Promise<string> {
  const length = end - cursor.position;
  if (length > LONGEST)
    throw new Unfit(`has a name of ${length} bytes, and at most ${LONGEST} are read; export it again`);
  return (await cursor.take(length)).toString('utf8');
}

/** Reads one StringStringEntryProto of a tensor's external data. @throws Unfit for a key that is not ONNX's, or there twice */
export async function readEntry(cursor: Cursor, field: Field, into: Map<string, string>): Promise<void> {
  let [key, value] = ['', ''];
  await eachField(cursor, field.end, async (inner) => {
    if (inner.wire !== BYTES) return;
    if (inner.number === 1) key = await readString(cursor, inner);
    if (inner.number === 2) value = await readString(cursor, inner);
  });
  if (!KEYS.includes(key) || into.has(key))
    throw new Unfit(
      `has external data with the key ${quoted(key)}${into.has(key) ? ' twice' : ''}; keys are ${KEYS.join(', ')}, each once: export it again`,
    );
  into.set(key, value);
}

/** The place of a tensor that has so many bytes. @throws Unfit where its entries say anything else */
export function partOf(name: string, entries: ReadonlyMap<string, string>, bytes: number): Part {
  const number = (key: string): number | undefined => {
    const text = entries.get(key);
    return text === undefined ? undefined : /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  };
  const [offset = 0, length = bytes] = [number('offset'), number('length')];
  if (Number.isNaN(offset) || length !== bytes)
    throw new Unfit(
      `has a tensor ${quoted(name)} with external data at ${quoted(entries.get('offset') ?? '0')} of ${quoted(entries.get('length') ?? '')} bytes, and ${bytes} bytes are due; export it again`,
    );
  return { location: entries.get('location') ?? '', offset, length };
}
