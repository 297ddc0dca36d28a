import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Figure } from './figure.ts';

const dist = join(import.meta.dirname, '..', 'dist');

/** The bytes that every `uses:` downloads. */
export async function sizes(): Promise<Figure[]> {
  const files = readdirSync(dist, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const bytes = files.reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0);
  return [{ name: 'whole dist', measured: bytes / 1e6, limit: 4, unit: 'MB', how: `${files.length} files` }];
}
