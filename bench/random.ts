import { randomFillSync } from 'node:crypto';
import { open } from 'node:fs/promises';

const CHUNK = 16 * 2 ** 20;

/** Writes a file of so many random bytes. */
export async function fillRandom(path: string, size: number): Promise<void> {
  const file = await open(path, 'w');
  const chunk = Buffer.alloc(CHUNK);
  for (let at = 0; at < size; at += CHUNK)
    await file.write(randomFillSync(chunk), 0, Math.min(CHUNK, size - at));
  await file.close();
}
