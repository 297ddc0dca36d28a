import { once } from 'node:events';
import { posix } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { pack } from 'tar-stream';
import { type Blob, HashingStream } from '../lib/digest.ts';
import type { Store } from '../store/store.ts';

const OURS = { mtime: new Date(0), uid: 0, gid: 0 };

/**
 * A tar of one file and the folders above it, as it flows: its bytes depend on path, size and content alone. Not compressed:
 * weights do not get smaller, and a registry would have to keep them twice.
 */
export async function* tarOf(
  path: string,
  size: number,
  open: () => Promise<Readable>,
): AsyncGenerator<Buffer> {
  const tar = pack();
  const stop = new AbortController();
  const fill = async (): Promise<void> => {
    for (const folder of foldersOf(path))
      tar.entry({ ...OURS, name: `${folder}/`, type: 'directory', mode: 0o755 });
    const entry = tar.entry({ ...OURS, name: path, size, mode: 0o644 });
    entry.on('error', (error) => tar.destroy(error));
    for await (const chunk of await open())
      if (!entry.write(chunk)) await once(entry, 'drain', { signal: stop.signal });
    entry.end(null);
    tar.finalize();
  };
  const filled = fill().catch((error: unknown) => {
    if (!stop.signal.aborted) tar.destroy(error instanceof Error ? error : new Error(String(error)));
  });
  try {
    yield* Readable.from(tar);
  } finally {
    stop.abort();
    await filled;
  }
}

/** The folders above a path, the outermost first. */
function foldersOf(path: string): string[] {
  const folder = posix.dirname(path);
  return folder === '.' ? [] : [...foldersOf(folder), folder];
}

/** Keeps a stream that can be read again. A registry wants the digest first, so it is read twice for one. */
export async function putStream(store: Store, open: () => AsyncGenerator<Buffer>): Promise<Blob> {
  if (store.pathOf !== undefined) return store.write({ stream: Readable.from(open()) });
  const hash = new HashingStream();
  await pipeline(open(), hash, async (bytes) => {
    for await (const _ of bytes);
  });
  const { digest, size } = hash.blob;
  if (await store.has(digest)) return { digest, size };
  return store.write({ open: async () => Readable.from(open()), size }, digest);
}
