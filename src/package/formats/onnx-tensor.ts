import type { Cursor } from './cursor.ts';
import { countOf, type Part, Unfit } from './format.ts';
import { BYTES, eachField, type Field, packed, VARINT } from './protobuf.ts';

/** Bits of a value by its type, ModelPack's name of the precision, and whether such values can be weights. */
const TYPES: ReadonlyMap<number, { bits: number; precision?: string; isWeight: boolean }> = new Map([
  [1, { bits: 32, precision: 'float32', isWeight: true }],
  [2, { bits: 8, precision: 'uint8', isWeight: true }],
  [3, { bits: 8, precision: 'int8', isWeight: true }],
  [4, { bits: 16, precision: 'uint16', isWeight: true }],
  [5, { bits: 16, precision: 'int16', isWeight: true }],
  // Of these, graphs make shapes and indices.
  [6, { bits: 32, precision: 'int32', isWeight: false }],
  [7, { bits: 64, precision: 'int64', isWeight: false }],
  [9, { bits: 8, precision: 'bool', isWeight: false }],
  [10, { bits: 16, precision: 'float16', isWeight: true }],
  [11, { bits: 64, precision: 'float64', isWeight: true }],
  [12, { bits: 32, precision: 'uint32', isWeight: false }],
  [13, { bits: 64, precision: 'uint64', isWeight: false }],
  [14, { bits: 64, precision: 'complex64', isWeight: true }],
  [15, { bits: 128, precision: 'complex128', isWeight: true }],
  [16, { bits: 16, precision: 'bfloat16', isWeight: true }],
  [17, { bits: 8, precision: 'float8_e4m3', isWeight: true }],
  [18, { bits: 8, precision: 'float8_e4m3', isWeight: true }],
  [19, { bits: 8, precision: 'float8_e5m2', isWeight: true }],
  [20, { bits: 8, precision: 'float8_e5m2', isWeight: true }],
  [21, { bits: 4, isWeight: true }],
  [22, { bits: 4, isWeight: true }],
  [23, { bits: 4, isWeight: true }],
  [24, { bits: 8, isWeight: true }],
  [25, { bits: 2, isWeight: true }],
  [26, { bits: 2, isWeight: true }],
]);
/** A string has no fixed width. */
const STRING = 8;
const EXTERNAL = 1;
/** No dimension list or file name is longer, in bytes. */
const LONGEST = 4096;

export interface Tensor {
  readonly count: number;
  readonly precision: string | undefined;
  readonly isWeight: boolean;
  /** Its bytes, if they lie in another file. */
  readonly part: Part | undefined;
}

/** Reads a TensorProto without its values. @throws Unfit when values and type do not fit each other */
export async function readTensor(cursor: Cursor, end: number): Promise<Tensor> {
  const shape: number[] = [];
  const external = new Map<string, string>();
  let name = '';
  let type = 0;
  let raw: number | undefined;
  let isExternal = false;
  await eachField(cursor, end, (field) => {
    const { number, wire, value } = field;
    if (number === 1 && wire === VARINT) shape.push(value);
    else if (number === 1 && wire === BYTES) return readShape(cursor, field, shape);
    else if (number === 2 && wire === VARINT) type = value;
    else if (number === 8 && wire === BYTES)
      return readText(cursor, field).then((text) => {
        name = text;
      });
    else if (number === 9 && wire === BYTES) raw = field.end - cursor.position;
    else if (number === 13 && wire === BYTES) return readEntry(cursor, field, external);
    else if (number === 14 && wire === VARINT) isExternal = value === EXTERNAL;
    return undefined;
  });
  const known = TYPES.get(type);
  if (known === undefined && type !== STRING)
    throw new Unfit(
      `has a tensor ${JSON.stringify(name)} of type ${type}, which ONNX does not have; export it again`,
    );
  const count = countOf(shape, JSON.stringify(name));
  const bytes = known === undefined ? undefined : Math.ceil((count * known.bits) / 8);
  const isOdd = bytes === undefined ? raw !== undefined || isExternal : raw !== undefined && raw !== bytes;
  if (isOdd || (isExternal && raw !== undefined))
    throw new Unfit(
      `has a tensor ${JSON.stringify(name)} with ${raw ?? 'no'} bytes of its own, where type and shape make ${bytes ?? 'none'}; export it again`,
    );
  return {
    count,
    precision: known?.precision,
    isWeight: known?.isWeight ?? false,
    part: isExternal || external.size > 0 ? partOf(name, external, bytes ?? 0) : undefined,
  };
}

async function readShape(cursor: Cursor, field: Field, shape: number[]): Promise<void> {
  if (field.end - cursor.position > LONGEST)
    throw new Unfit('has a tensor of too many dimensions; export it again');
  shape.push(...(await packed(cursor, field)));
}

async function readText(cursor: Cursor, { end }: Field): Promise<string> {
  const length = end - cursor.position;
  if (length > LONGEST)
    throw new Unfit(`has a name of ${length} bytes, and at most ${LONGEST} are read; export it again`);
  return (await cursor.take(length)).toString('utf8');
}

/** A StringStringEntryProto. */
async function readEntry(cursor: Cursor, field: Field, into: Map<string, string>): Promise<void> {
  let [key, value] = ['', ''];
  await eachField(cursor, field.end, async (inner) => {
    if (inner.wire !== BYTES) return;
    if (inner.number === 1) key = await readText(cursor, inner);
    if (inner.number === 2) value = await readText(cursor, inner);
  });
  into.set(key, value);
}

/** Readers set what stands here as attributes of an object (CVE-2026-34445), so that other keys are refused. */
function partOf(name: string, entries: ReadonlyMap<string, string>, bytes: number): Part {
  const unknown = [...entries.keys()].find(
    (key) => !['location', 'offset', 'length', 'checksum'].includes(key),
  );
  const number = (key: string): number | undefined => {
    const text = entries.get(key);
    return text === undefined ? undefined : /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  };
  const [offset = 0, length = bytes] = [number('offset'), number('length')];
  if (unknown !== undefined || Number.isNaN(offset) || length !== bytes)
    throw new Unfit(
      `has a tensor ${JSON.stringify(name)} whose external data is given as ${JSON.stringify(Object.fromEntries(entries))}, and ${bytes} bytes with a location, an offset and a length are due; export it again`,
    );
  return { location: entries.get('location') ?? '', offset, length };
}
