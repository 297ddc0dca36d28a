import type { Readable } from 'node:stream';

const EXECUTABLES: readonly (readonly [string, Buffer])[] = [
  ['a Linux executable', Buffer.from('\x7fELF', 'latin1')],
  ['a Windows executable', Buffer.from('MZ')],
  ['a macOS executable', Buffer.from([0xcf, 0xfa, 0xed, 0xfe])],
  ['a macOS executable', Buffer.from([0xca, 0xfe, 0xba, 0xbe])],
  ['a script', Buffer.from('#!')],
];

/**
 * Pickle protocols 2 to 5 begin with PROTO. So may the length of a safetensors header, of which zeros or at last a brace
 * follow, as after PROTO they can't. Protocols 0 and 1 are told by their first opcodes, where plain lines of words are not meant.
 */
const PICKLE =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: pickle opcodes are control characters
  /^(\x80[\x02-\x05](?!\0|[^G]\0{5}\{)|\(*c[A-Za-z_][\w.]*\n[A-Za-z_]\w*\n([()}\]]|p\d+\n|q[\0-\x1f]|S')|\([dlt]p?\d*\n)/;
/** NumPy stores arrays of objects as pickles. */
const OBJECT_ARRAY = /^\x93NUMPY[^\n]*'\|O/;

/**
 * What makes a file unfit for a package, told from its first bytes, whatever its name says; undefined when nothing does.
 * Loading a pickle runs the code in it, and a ZIP archive is how PyTorch, NumPy and Keras store pickles.
 */
export function refusalOf(head: Buffer): string | undefined {
  const executable = EXECUTABLES.find(([, magic]) => head.subarray(0, magic.length).equals(magic));
  if (executable !== undefined) return `${executable[0]}; the server's code belongs in server.source`;
  const text = head.toString('latin1');
  if (PICKLE.test(text) || OBJECT_ARRAY.test(text))
    return 'a pickle, and loading it runs the code in it; export safetensors or ONNX';
  if (head.subarray(0, 4).equals(Buffer.from('PK\x03\x04'))) {
    return 'a ZIP archive, as PyTorch, NumPy and Keras write around pickles; export safetensors or ONNX';
  }
  return undefined;
}

/** The first bytes of a stream, which is not read further. */
export async function headOf(stream: Readable, length = 512): Promise<Buffer> {
  let head = Buffer.alloc(0);
  // Leaving the loop ends the stream.
  for await (const chunk of stream) {
    head = Buffer.concat([head, chunk]);
    if (head.length >= length) break;
  }
  return head.subarray(0, length);
}
