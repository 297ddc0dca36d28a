/** The wire types that are in use. */
export const [VARINT, FIXED64, BYTES, FIXED32] = [0, 1, 2, 5];

/** A field of a message that is in memory. */
export interface WireField {
  readonly number: number;
  readonly wire: number;
  /** Of a varint; exact up to 2^53. */
  readonly value: number;
  /** What it holds; empty for a varint. */
  readonly bytes: Buffer;
}

/** The number at a place, and what follows it; undefined where it has no end. A varint has at most ten bytes. */
export function varintAt(bytes: Buffer, begin: number): readonly [value: number, next: number] | undefined {
  let value = 0;
  for (let at = begin; at < begin + 10; at++) {
    const byte = bytes[at];
    if (byte === undefined) return undefined;
    value += (byte & 0x7f) * 2 ** (7 * (at - begin));
    if (byte < 0x80) return [value, at + 1];
  }
  return undefined;
}

/** The fields of a small protobuf message, in their order; undefined for bytes that are none. */
export function fieldsOf(message: Buffer): readonly WireField[] | undefined {
  const fields: WireField[] = [];
  for (let at = 0; at < message.length; ) {
    const tag = varintAt(message, at);
    if (tag === undefined) return undefined;
    const [number, wire] = [Math.floor(tag[0] / 8), tag[0] % 8];
    const isLong = wire === VARINT || wire === BYTES;
    const head = isLong ? varintAt(message, tag[1]) : ([0, tag[1]] as const);
    if (head === undefined) return undefined;
    const [value, begin] = head;
    const length = wire === BYTES ? value : wire === FIXED64 ? 8 : wire === FIXED32 ? 4 : 0;
    if (number === 0 || (!isLong && length === 0) || begin + length > message.length) return undefined;
    at = begin + length;
    fields.push({ number, wire, value, bytes: message.subarray(begin, at) });
  }
  return fields;
}
