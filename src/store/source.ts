import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { extract } from 'tar-stream';
import { UserError } from '../lib/errors.ts';
import { isInside } from '../records/names.ts';
import type { Manifest } from '../records/oci.ts';
import { SOURCE_LAYER } from '../records/program.ts';
import { readBytes } from './records.ts';
import type { Store } from './store.ts';

/**
 * Unpacks a program's source into a folder. Its digest is proved before its first byte is parsed.
 * @throws UserError for an archive that build does not write: names that lead out of it, links, one name twice
 */
export async function unpackSource(store: Store, program: Manifest, folder: string): Promise<void> {
  const source = program.layers.find(({ mediaType }) => mediaType === SOURCE_LAYER);
  if (source === undefined) throw new UserError('the program has no source; build it again');
  const archive = extract();
  archive.end(await readBytes(store, source.digest));
  const seen = new Set<string>();
  for await (const entry of archive) {
    const { name, type, mode } = entry.header;
    if (type !== 'file' || !isInside(name) || seen.has(name)) {
      throw new UserError(
        `the program's source holds ${JSON.stringify(name)} (${type}), which build does not write; build it again`,
      );
    }
    seen.add(name);
    const path = join(folder, name);
    await mkdir(dirname(path), { recursive: true });
    const executable = ((mode ?? 0) & 0o100) !== 0;
    await pipeline(entry, createWriteStream(path, { flags: 'wx', mode: executable ? 0o755 : 0o644 }));
  }
}
