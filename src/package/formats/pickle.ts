import { type Argument, MARK, OPCODES, PROTO, STOP } from './pickle-opcodes.ts';

/**
 * Whether bytes are a pickle: they read as one up to its end, or up to where it imports a name and calls it, or as far as
 * they are given. Protocols 0 and 1 have no magic number, and a text or weights may begin like one; so the height of the
 * stack is followed, too.
 * @param size of the whole file, of which `head` is the beginning
 */
export function isPickle(head: Buffer, size: number): boolean {
  const hasMagic = head[0] === PROTO && (head[1] ?? 0xff) <= 5;
  const marks: number[] = [];
  let height = 0;
  let imports = false;
  for (let at = 0; at < head.length; ) {
    const byte = head[at] ?? 0;
    const opcode = OPCODES.get(byte);
    if (opcode === undefined) return false;
    const base = opcode.takes === 'mark' ? marks.pop() : height - opcode.takes;
    if (base === undefined || base < (marks.at(-1) ?? 0)) return false;
    height = base + opcode.gives;
    if (byte === MARK) marks.push(height);
    if (byte === STOP) return imports || hasMagic || at + 1 === size;
    imports ||= opcode.imports === true;
    if (imports && opcode.calls) return true;
    const end = endOf(head, at + 1, opcode.argument);
    if (end === undefined || end > size) return false;
    at = end;
  }
  return hasMagic && head.length < size;
}

/** Where an argument ends; undefined where its line does not. */
function endOf(head: Buffer, begin: number, argument: Argument): number | undefined {
  if ('bytes' in argument) return begin + argument.bytes;
  if ('lines' in argument) {
    let end = begin;
    for (let i = 0; i < argument.lines; i++) {
      const newline = head.indexOf('\n', end);
      if (newline === -1) return undefined;
      end = newline + 1;
    }
    return end;
  }
  const { length } = argument;
  if (begin + length > head.length) return undefined;
  const size = length === 8 ? Number(head.readBigUInt64LE(begin)) : head.readUIntLE(begin, length);
  return begin + length + size;
}
