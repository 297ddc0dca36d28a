import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { UserError } from '../../lib/errors.ts';
import { SOCKET } from './protocol.ts';

/** Linux takes 107 bytes, macOS 103. */
const LONGEST = 103;

/**
 * Lends a path of the control socket that is short enough for the system. Where the real one is too long, Linux reaches
 * the folder through its open descriptor; the front itself listens by a path relative to its current folder.
 */
export async function withSocket<T>(state: string, use: (socketPath: string) => Promise<T>): Promise<T> {
  const path = join(state, SOCKET);
  if (Buffer.byteLength(path) <= LONGEST) return use(path);
  if (process.platform !== 'linux')
    throw new UserError(
      `${path} is too long for a socket on this system; set TRAINYARD_STATE to a shorter folder`,
    );
  const folder = await open(state, 'r');
  try {
    return await use(`/proc/self/fd/${folder.fd}/${SOCKET}`);
  } finally {
    await folder.close();
  }
}
