/** How long the argument of an opcode is: so many bytes, so many lines, or a length before it of so many bytes. */
export type Argument = { readonly bytes: number } | { readonly lines: number } | { readonly length: number };

/** What an opcode does: how many values it needs, or all since the last mark, and how many it leaves in their place. */
export interface Opcode {
  readonly argument: Argument;
  readonly takes: number | 'mark';
  readonly gives: number;
  readonly imports?: boolean;
  readonly calls?: boolean;
}

const none: Argument = { bytes: 0 };
const import_ = { imports: true };
const call = { calls: true };

/** MARK, whose place is kept, and STOP, which wants one value. */
export const [MARK, STOP, PROTO] = [0x28, 0x2e, 0x80];

/** All opcodes of pickle, protocols 0 to 5, by their byte (Python's `pickletools`). */
export const OPCODES: ReadonlyMap<number, Opcode> = new Map([
  ...group('(', none, 0, 0),
  ...group('.', none, 1, 0),
  // Constants, empty collections, and what a memo holds.
  ...group('N)]}\x88\x89\x8f\x97', none, 0, 1),
  ...group('Kh', { bytes: 1 }, 0, 1),
  ...group('M', { bytes: 2 }, 0, 1),
  ...group('Jj', { bytes: 4 }, 0, 1),
  ...group('G', { bytes: 8 }, 0, 1),
  ...group('FILPSVg', { lines: 1 }, 0, 1),
  ...group('CU\x8a\x8c', { length: 1 }, 0, 1),
  ...group('BTX\x8b', { length: 4 }, 0, 1),
  ...group('\x8d\x8e\x96', { length: 8 }, 0, 1),
  // Names: GLOBAL, EXT1 to EXT4, STACK_GLOBAL; and INST and OBJ, which call them, too.
  ...group('c', { lines: 2 }, 0, 1, import_),
  ...group('\x82', { bytes: 1 }, 0, 1, import_),
  ...group('\x83', { bytes: 2 }, 0, 1, import_),
  ...group('\x84', { bytes: 4 }, 0, 1, import_),
  ...group('\x93', none, 2, 1, import_),
  ...group('i', { lines: 2 }, 'mark', 1, { ...import_, ...call }),
  ...group('o', none, 'mark', 1, call),
  // REDUCE, BUILD, NEWOBJ, NEWOBJ_EX.
  ...group('Rb\x81', none, 2, 1, call),
  ...group('\x92', none, 3, 1, call),
  // Collections out of what lies on the stack.
  ...group('ltd\x91', none, 'mark', 1),
  ...group('eu\x90', none, 'mark', 0),
  ...group('1', none, 'mark', 0),
  ...group('a', none, 2, 1),
  ...group('s', none, 3, 1),
  ...group('\x85', none, 1, 1),
  ...group('\x86', none, 2, 1),
  ...group('\x87', none, 3, 1),
  ...group('0', none, 1, 0),
  ...group('2', none, 1, 2),
  ...group('Q\x98', none, 1, 1),
  // PUT and its kin, MEMOIZE, PROTO, FRAME.
  ...group('p', { lines: 1 }, 1, 1),
  ...group('q', { bytes: 1 }, 1, 1),
  ...group('r', { bytes: 4 }, 1, 1),
  ...group('\x94', none, 1, 1),
  ...group('\x80', { bytes: 1 }, 0, 0),
  ...group('\x95', { bytes: 8 }, 0, 0),
]);

function group(
  characters: string,
  argument: Argument,
  takes: Opcode['takes'],
  gives: number,
  more: Pick<Opcode, 'imports' | 'calls'> = {},
): [number, Opcode][] {
  return [...Buffer.from(characters, 'latin1')].map((byte) => [byte, { argument, takes, gives, ...more }]);
}
