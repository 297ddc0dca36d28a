import { open } from 'node:fs/promises';
import { stripVTControlCharacters } from 'node:util';

const BYTES = 64 * 1024;

/** The last lines of a file that a program printed, without what steers a terminal. */
export async function lastLines(path: string, count: number): Promise<string[]> {
  const file = await open(path, 'r').catch(() => undefined);
  if (file === undefined) return [];
  try {
    const { size } = await file.stat();
    const start = Math.max(0, size - BYTES);
    const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(BYTES), position: start });
    const text = stripVTControlCharacters(buffer.subarray(0, bytesRead).toString('utf8'));
    // A progress bar writes its line again and again; what it looked like at the end is what counts.
    const lines = text.split('\n').map((line) => line.replace(/\r$/, '').replace(/^.*\r/, ''));
    if (lines.at(-1) === '') lines.pop();
    return lines.slice(-count).map((line) => line.replace(/[^\P{Cc}\t]/gu, '').slice(0, 500));
  } finally {
    await file.close();
  }
}
