import { Readable } from 'node:stream';
import { extractInto } from '../lib/archive/extract.ts';
import { UserError } from '../lib/errors.ts';
import type { Manifest } from '../records/oci.ts';
import { LARGEST_SOURCE, MOST_SOURCE_FILES, SOURCE_LAYER } from '../records/program.ts';
import { readBytes } from './records.ts';
import type { Store } from './store.ts';

const LIMITS = { entries: MOST_SOURCE_FILES, bytes: LARGEST_SOURCE, fileBytes: LARGEST_SOURCE, ratio: 1 };

/**
 * Unpacks a program's source into an absent or empty folder. Its digest is proved before its first byte is parsed.
 * @throws UserError for an archive that build does not write; then nothing is in the folder
 */
export async function unpackSource(store: Store, program: Manifest, folder: string): Promise<void> {
  const source = program.layers.find(({ mediaType }) => mediaType === SOURCE_LAYER);
  if (source === undefined) throw new UserError('the program has no source; build it again');
  const bytes = await readBytes(store, source.digest);
  const what = `the program's source ${source.digest}`;
  const fix = 'build does not write such an archive; build it again';
  await extractInto(folder, { what, fix, limits: LIMITS }, (into) => into.tar(Readable.from([bytes])));
}
