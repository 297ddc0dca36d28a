import { BYTES, VARINT } from '../../lib/protobuf.ts';
import type { Cursor } from './cursor.ts';
import { countOf, type Part, quoted, Unfit } from './format.ts';
import { partOf, readEntry, readString } from './onnx-external.ts';
import { ONNX_TYPES } from './onnx-types.ts';
import { eachField, type Field, packed } from './protobuf.ts';

/** A string has no fixed width. */
const STRING = 8;
const EXTERNAL = 1;
const MOST_DIMENSIONS = 64;

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
    if (shape.length > MOST_DIMENSIONS)
      throw new Unfit('has a tensor of too many dimensions; export it again');
    if (number === 1 && wire === VARINT) shape.push(value);
    else if (number === 1 && wire === BYTES) return readShape(cursor, field, shape);
    else if (number === 2 && wire === VARINT) type = value;
    else if (number === 8 && wire === BYTES)
      return readString(cursor, field).then((text) => {
        name = text;
      });
    else if (number === 9 && wire === BYTES) raw = field.end - cursor.position;
    else if (number === 13 && wire === BYTES) return readEntry(cursor, field, external);
    else if (number === 14 && wire === VARINT) isExternal = value === EXTERNAL;
    return undefined;
  });
  const known = ONNX_TYPES.get(type);
  if (known === undefined && type !== STRING)
    throw new Unfit(
      `has a tensor ${quoted(name)} of type ${type}, which ONNX does not have; export it again`,
    );
  const count = countOf(shape, name);
  const bytes = known === undefined ? undefined : Math.ceil((count * known.bits) / 8);
  const isOdd = bytes === undefined ? raw !== undefined || isExternal : raw !== undefined && raw !== bytes;
  if (isOdd || (isExternal && raw !== undefined))
    throw new Unfit(
      `has a tensor ${quoted(name)} with ${raw ?? 'no'} bytes of its own, where type and shape make ${bytes ?? 'none'}; export it again`,
    );
  return {
    count,
    precision: known?.precision,
    isWeight: known?.isWeight ?? false,
    part: isExternal || external.size > 0 ? partOf(name, external, bytes ?? 0) : undefined,
  };
}

async function readShape(cursor: Cursor, field: Field, shape: number[]): Promise<void> {
  if (field.end - cursor.position > MOST_DIMENSIONS * 10)
    throw new Unfit('has a tensor of too many dimensions; export it again');
  shape.push(...(await packed(cursor, field)));
}
