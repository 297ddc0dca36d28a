import type { Readable } from 'node:stream';

const EXECUTABLES: readonly (readonly [string, Buffer])[] = [
  ['a Linux executable', Buffer.from('\x7fELF', 'latin1')],
  ['a Windows executable', Buffer.from('MZ')],
  ['a macOS executable', Buffer.from([0xcf, 0xfa, 0xed, 0xfe])],
  ['a macOS executable', Buffer.from([0xca, 0xfe, 0xba, 0xbe])],
  ['a script', Buffer.from('#!')],
];

/** Pickle protocols 2 to 5 begin with PROTO; 0 and 1 are told by their first opcodes. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: pickle opcodes are control characters
const PICKLE = /^(\x80[\x02-\x05]|\(*c[A-Za-z_][\w.]*\n[A-Za-z_]\w*\n|\([dlt]p?\d*\n)/;

/**
 * What makes a file unfit for a package, told from its first bytes, whatever its name says; undefined when nothing does.
 * Loading a pickle runs the code in it, and a ZIP archive is how PyTorch, NumPy and Keras store pickles.
 */
export function refusalOf(head: Buffer): string | undefined {
  const executable = EXECUTABLES.find(([, magic]) => head.subarray(0, magic.length).equals(magic));
  if (executable !== undefined) return `${executable[0]}; the server's code belongs in server.source`;
  if (PICKLE.test(head.toString('latin1')))
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
