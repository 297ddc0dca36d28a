import type { FileState } from './file-state.ts';
import type { FileRead } from './hash-work.ts';
import type { Builtins, Made } from './threads.ts';

/** A large file to be copied to a place where nothing is yet, and hashed. */
export interface CopyTask {
  readonly path: string;
  readonly to: string;
}

/**
 * Copies a file and hashes the very bytes that it writes, in the time that the slower of both takes: while one part is hashed, the
 * system writes it, reads the next, and brings to the disk what was written before. Runs in a thread, see `Threads`: it uses nothing
 * from around it.
 */
export async function copyWork(
  { path, to }: CopyTask,
  { fs, crypto, tell }: Pick<Builtins, 'fs' | 'crypto' | 'tell'>,
): Promise<Made<FileRead>> {
  const room = 2 ** 20;
  const tellEvery = 8 * room;
  const syncEvery = 128 * room;
  const big = { bigint: true } as const;
  const stateOf = ({ dev, ino, size, mtimeNs, ctimeNs }: FileState): FileState => ({
    dev,
    ino,
    size,
    mtimeNs,
    ctimeNs,
  });
  const source = await fs.promises.open(path, 'r');
  try {
    const target = await fs.promises.open(to, 'wx', 0o600);
    try {
      const at = Date.now();
      const before = stateOf(await source.stat(big));
      const hash = crypto.createHash('sha256');
      // One is hashed and written, one is read into, and one may be on its way from this to that.
      const buffers = [0, 1, 2].map(() => Buffer.allocUnsafeSlow(room));
      const fill = async (turn: number): Promise<Buffer> => {
        const buffer = buffers[turn % 3] ?? Buffer.alloc(0);
        const { bytesRead } = await source.read(buffer, 0, room, null);
        return buffer.subarray(0, bytesRead);
      };
      const append = async (bytes: Buffer): Promise<void> => {
        for (let done = 0; done < bytes.length; )
          done += (await target.write(bytes, done, bytes.length - done, null)).bytesWritten;
      };
      let size = 0;
      let untold = 0;
      let unsynced = 0;
      let isSyncing = false;
      // A disk that fails says so once: to the first who asks.
      let syncing: Promise<unknown> = Promise.resolve();
      let next = fill(0);
      // One that grows as fast as it is read would have no end.
      for (let turn = 1; size <= before.size; turn++) {
        const bytes = await next;
        if (bytes.length === 0) break;
        next = fill(turn);
        const written = append(bytes);
        hash.update(bytes);
        const [failed] = (await Promise.allSettled([written, next])).filter(
          ({ status }) => status === 'rejected',
        );
        if (failed?.status === 'rejected') throw failed.reason;
        size += bytes.length;
        untold += bytes.length;
        unsynced += bytes.length;
        if (unsynced >= syncEvery && !isSyncing) {
          unsynced = 0;
          isSyncing = true;
          syncing = syncing
            .then(() => target.datasync())
            .then(() => {
              isSyncing = false;
            });
          syncing.catch(() => {});
        }
        if (untold < tellEvery) continue;
        tell(untold);
        untold = 0;
      }
      tell(untold);
      await syncing;
      const after = stateOf(await fs.promises.stat(path, big));
      return { result: { hex: hash.digest('hex'), size, before, at, after } };
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}
