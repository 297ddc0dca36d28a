import type { ModelFile } from '../../src/package/formats/format.ts';

/** Bytes as a file of a model, of which tests know how much of it was read. */
export interface WatchedFile extends ModelFile {
  /** The bytes that were handed out so far. */
  readonly read: () => Promise<Buffer>;
  readonly seen: () => number;
}

/** @param holes a file that is larger than its bytes; behind them everything is zero */
export function modelFile(path: string, bytes: Buffer | string, holes = 0): WatchedFile {
  const content = Buffer.from(bytes);
  const size = content.length + holes;
  let seen = 0;
  return {
    path,
    size,
    peek: async (offset, length) => {
      const end = Math.min(offset + length, size);
      if (end - offset > 8 * 2 ** 20) throw new Error(`${end - offset} bytes were asked for at once`);
      seen += Math.max(0, end - offset);
      const found = Buffer.alloc(Math.max(0, end - offset));
      content.copy(found, 0, offset, Math.min(end, content.length));
      return found;
    },
    read: async () => content,
    seen: () => seen,
  };
}
