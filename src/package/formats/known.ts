import { isPickle } from './pickle.ts';

/** What a file is, though it is none that a package takes. */
export interface Known {
  /** With what to do instead: "a Windows program; …". */
  readonly what: string;
  /** Whether it can hold pickles, and `model.allow: [pickle]` lets them be looked at. */
  readonly mayHoldPickles: boolean;
}

const CODE = 'the server’s code belongs in server.source';
const EXPORT = 'export safetensors or ONNX';
const PICKLES = `${EXPORT}, or write allow: [pickle] under model and have it scanned`;
const ARCHIVE = 'list the files themselves in model.files';

const MAGIC: readonly (readonly [magic: string, what: string, mayHoldPickles?: boolean])[] = [
  ['\x7fELF', `a Linux program; ${CODE}`],
  ['\xca\xfe\xba\xbe', `a macOS or Java program; ${CODE}`],
  ['\xcf\xfa\xed\xfe', `a macOS program; ${CODE}`],
  ['\xce\xfa\xed\xfe', `a macOS program; ${CODE}`],
  ['\xfe\xed\xfa\xce', `a macOS program; ${CODE}`],
  ['\xfe\xed\xfa\xcf', `a macOS program; ${CODE}`],
  ['#!', `a script; ${CODE}`],
  [
    'PK\x03\x04',
    `a ZIP archive, as PyTorch, NumPy and Keras write around pickles and code; ${PICKLES}`,
    true,
  ],
  ['PK\x05\x06', `an empty ZIP archive; ${EXPORT}`],
  ['7z\xbc\xaf\x27\x1c', `a 7z archive; ${ARCHIVE}`],
  ['\x1f\x8b', `a gzip archive; ${ARCHIVE}`],
  ['\xfd7zXZ\0', `an xz archive; ${ARCHIVE}`],
  ['\x28\xb5\x2f\xfd', `a Zstandard archive; ${ARCHIVE}`],
  ['Rar!', `a RAR archive; ${ARCHIVE}`],
  ['\x89HDF\r\n\x1a\n', `an HDF5 file, in which Keras keeps layers of code (Lambda); ${EXPORT}`],
  ['\x93NUMPY', `a NumPy array, which may be a pickle; ${PICKLES}`, true],
];

/** How many bytes `recognise` wants to see. */
export const HEAD = 64 * 1024;

/** Tells what a file is that no package takes as it is; undefined for one that may be taken. */
export function recognise(path: string, head: Buffer, size: number): Known | undefined {
  if (/\.keras$/i.test(path))
    return { what: `a Keras archive, which can hold code (Lambda layers); ${EXPORT}`, mayHoldPickles: false };
  if (/\.(pyc?|sh|bash|bat|cmd|ps1|js|exe|dll|so|dylib)$/i.test(path))
    return { what: `code, by its name; ${CODE}`, mayHoldPickles: false };
  const start = head.subarray(0, 512).toString('latin1');
  for (const [magic, what, mayHoldPickles = false] of MAGIC)
    if (start.startsWith(magic)) return { what, mayHoldPickles };
  if (/^MZ[^\t\n\r -~]/.test(start)) return { what: `a Windows program; ${CODE}`, mayHoldPickles: false };
  if (/^BZh[1-9]1AY&SY/.test(start)) return { what: `a bzip2 archive; ${ARCHIVE}`, mayHoldPickles: false };
  if (start.slice(257, 262) === 'ustar') return { what: `a tar archive; ${ARCHIVE}`, mayHoldPickles: false };
  if (isPickle(head, size))
    return { what: `a pickle, and loading it runs the code in it; ${PICKLES}`, mayHoldPickles: true };
  return undefined;
}
