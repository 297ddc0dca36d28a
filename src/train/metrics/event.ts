import { BYTES, FIXED32, fieldsOf, VARINT, type WireField } from '../../lib/protobuf.ts';

/** A scalar of a TensorBoard event. */
export interface Scalar {
  readonly tag: string;
  readonly step: number;
  readonly value: number;
}

/** TensorFlow's numbers of types. */
const [FLOAT, DOUBLE] = [1, 2];
const isBytes = ({ wire }: WireField): boolean => wire === BYTES;

/** The scalars of a serialised `tensorflow.Event`; undefined for bytes that are none. Images, texts and histograms are passed over. */
export function scalarsOf(event: Buffer): readonly Scalar[] | undefined {
  const fields = fieldsOf(event);
  if (fields === undefined) return undefined;
  const step = signed(fields.findLast(({ number, wire }) => number === 2 && wire === VARINT)?.value ?? 0);
  const values = fields
    .filter((field) => field.number === 5 && isBytes(field))
    .flatMap(({ bytes }) => fieldsOf(bytes) ?? [])
    .filter((field) => field.number === 1 && isBytes(field));
  return values.flatMap(({ bytes }) => {
    const parts = fieldsOf(bytes) ?? [];
    const tag = parts.find((part) => part.number === 1 && isBytes(part))?.bytes.toString('utf8');
    const value = simpleValue(parts) ?? tensorValue(parts);
    return tag === undefined || value === undefined ? [] : [{ tag, step, value }];
  });
}

function simpleValue(parts: readonly WireField[]): number | undefined {
  return parts.find(({ number, wire }) => number === 2 && wire === FIXED32)?.bytes.readFloatLE();
}

/** A tensor of one float or double, as content or as a list of one (packed or not: both are the value's own bytes). */
function tensorValue(parts: readonly WireField[]): number | undefined {
  const tensor = parts.find((part) => part.number === 8 && isBytes(part));
  const fields = tensor === undefined ? [] : (fieldsOf(tensor.bytes) ?? []);
  const type = fields.find(({ number, wire }) => number === 1 && wire === VARINT)?.value;
  const bytesOf = (...numbers: number[]): Buffer =>
    Buffer.concat(fields.filter(({ number }) => numbers.includes(number)).map(({ bytes }) => bytes));
  if (type === FLOAT) {
    const bytes = bytesOf(4, 5);
    return bytes.length === 4 ? bytes.readFloatLE() : undefined;
  }
  const bytes = type === DOUBLE ? bytesOf(4, 6) : Buffer.alloc(0);
  return bytes.length === 8 ? bytes.readDoubleLE() : undefined;
}

/** An int64 that was read as an unsigned number. */
function signed(value: number): number {
  return value < 2 ** 63 ? value : value - 2 ** 64;
}
