import { BYTES, FIXED32, FIXED64, VARINT, varintAt } from '../../lib/protobuf.ts';
import type { Cursor } from './cursor.ts';
import { Unfit } from './format.ts';

/** A field of a message; the cursor stands at its content. */
export interface Field {
  readonly number: number;
  readonly wire: number;
  /** Of a varint; exact up to 2^53. */
  readonly value: number;
  /** Where its content ends. */
  readonly end: number;
}

/** A tag and a length are at most ten bytes each. */
const HEAD = 20;

/**
 * Goes through the fields of a protobuf message that ends at `end`. What the caller does not read of a field is not read at
 * all; it awaits only where it has to, as some models have millions of fields.
 * @throws Unfit for what is no message
 */
export async function eachField(
  cursor: Cursor,
  end: number,
  on: (field: Field) => Promise<void> | undefined,
): Promise<void> {
  let window: Buffer = Buffer.alloc(0);
  let start = 0;
  while (cursor.position < end) {
    let at = cursor.position - start;
    if (at < 0 || at + HEAD > window.length) {
      window = await cursor.ahead(HEAD);
      start = cursor.position;
      at = 0;
    }
    const [tag, afterTag] = numberAt(window, at);
    const number = Math.floor(tag / 8);
    const wire = tag % 8;
    const isLong = wire === VARINT || wire === BYTES;
    const [value, begin] = isLong ? numberAt(window, afterTag) : [0, afterTag];
    const length = wire === BYTES ? value : wire === FIXED64 ? 8 : wire === FIXED32 ? 4 : 0;
    cursor.position = start + begin;
    const fieldEnd = cursor.position + length;
    if (number === 0 || (!isLong && length === 0)) throw broken(cursor, `a field ${number} of type ${wire}`);
    if (fieldEnd > end) throw broken(cursor, `a field of ${length} bytes`);
    const work = on({ number, wire, value, end: fieldEnd });
    if (work !== undefined) await work;
    cursor.position = fieldEnd;
  }
}

/** The numbers of a packed field. @throws Unfit */
export async function packed(cursor: Cursor, { end }: Field): Promise<number[]> {
  const bytes = await cursor.take(end - cursor.position);
  const numbers: number[] = [];
  for (let at = 0; at < bytes.length; ) {
    const [value, next] = numberAt(bytes, at);
    numbers.push(value);
    at = next;
  }
  return numbers;
}

function numberAt(bytes: Buffer, begin: number): readonly [value: number, next: number] {
  const found = varintAt(bytes, begin);
  if (found === undefined)
    throw new Unfit('is cut off, or no protobuf: a number in it has no end; write it again');
  return found;
}

function broken(cursor: Cursor, what: string): Unfit {
  return new Unfit(`is cut off, or no protobuf: ${what} at byte ${cursor.position}; write it again`);
}
