import type { FileState } from './file-state.ts';
import type { Builtins, Made } from './threads.ts';

/** A file to be hashed; with `to`, it is copied to that place, where nothing is yet. */
export interface HashTask {
  readonly path: string;
  readonly to?: string | undefined;
}

/** What was read of a file. */
export interface FileRead {
  /** SHA-256, hexadecimal. */
  readonly hex: string;
  readonly size: number;
  /** The state of what was opened, before a byte was read, and when that was, in milliseconds since 1970. */
  readonly before: FileState;
  readonly at: number;
  /** The state of what lies at the path when all is read. */
  readonly after: FileState;
}

/** Reads files from their first to their last byte. Runs in a thread, see `Threads`: it uses nothing from around it. */
export function hashWork(
  tasks: readonly HashTask[],
  { fs, crypto, tell }: Pick<Builtins, 'fs' | 'crypto' | 'tell'>,
): Made<FileRead[]> {
  // As much as stays in a core's own cache; less for small files, of which there may be many.
  const mostRoom = 256 * 1024;
  const tellEvery = 32 * mostRoom;
  let buffer = Buffer.alloc(0);
  const big = { bigint: true } as const;
  const stateOf = ({ dev, ino, size, mtimeNs, ctimeNs }: FileState): FileState => ({
    dev,
    ino,
    size,
    mtimeNs,
    ctimeNs,
  });
  const append = (target: number, bytes: Buffer): void => {
    for (let done = 0; done < bytes.length; ) done += fs.writeSync(target, bytes, done);
  };
  let untold = 0;
  const count = (bytes: number, most: number): void => {
    untold += bytes;
    if (untold <= most) return;
    tell(untold);
    untold = 0;
  };
  const read = ({ path, to }: HashTask): FileRead => {
    const file = fs.openSync(path, 'r');
    const target = to === undefined ? undefined : fs.openSync(to, 'wx', 0o600);
    try {
      const at = Date.now();
      const before = stateOf(fs.fstatSync(file, big));
      const hash = crypto.createHash('sha256');
      const room = Math.min(mostRoom, Number(before.size) + 1);
      if (buffer.length < room) buffer = Buffer.allocUnsafeSlow(room);
      let size = 0;
      // One that grows as fast as it is read would have no end.
      for (let step = -1; step !== 0 && size <= before.size; size += step) {
        step = fs.readSync(file, buffer);
        const bytes = buffer.subarray(0, step);
        hash.update(bytes);
        if (target !== undefined) append(target, bytes);
        count(step, tellEvery);
      }
      return { hex: hash.digest('hex'), size, before, at, after: stateOf(fs.statSync(path, big)) };
    } finally {
      fs.closeSync(file);
      if (target !== undefined) fs.closeSync(target);
    }
  };
  const result = tasks.map(read);
  count(0, 0);
  return { result };
}
