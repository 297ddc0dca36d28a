import { join } from 'node:path';
import type { Digest } from '../lib/digest.ts';
import { UserError } from '../lib/errors.ts';
import { type Manifest, manifestOf } from '../records/oci.ts';
import { LayoutStore } from './layout.ts';
import { LARGEST_CONFIG, readBytes } from './records.ts';

/** A record without its layers, as one artifact holds it. */
export interface RecordFiles {
  readonly digest: Digest;
  readonly manifest: Manifest;
  readonly bytes: Uint8Array;
  readonly config: Uint8Array;
}

/** Writes a record into an empty folder as an image layout that names it, and says which files to upload. */
export async function packRecord(folder: string, tag: string, record: RecordFiles): Promise<string[]> {
  const layout = new LayoutStore(folder);
  const { digest } = await layout.write({ bytes: record.config }, record.manifest.config.digest);
  await layout.put(record.bytes, [tag]);
  const blobs = [...new Set([record.digest, digest])].map((blob) => layout.pathOf(blob));
  return [join(folder, 'oci-layout'), join(folder, 'index.json'), ...blobs];
}

/** Reads what packRecord wrote, every byte verified. @throws UserError when it is not there or differs */
export async function unpackRecord(folder: string, tag: string): Promise<RecordFiles> {
  const layout = new LayoutStore(folder, 'its layout');
  const digest = await layout.resolve(tag);
  const bytes = digest && (await layout.get(digest));
  if (digest === undefined || bytes === undefined) throw new UserError(`it holds no record ${tag}`);
  const manifest = manifestOf(bytes, 'it');
  return { digest, manifest, bytes, config: await readBytes(layout, manifest.config.digest, LARGEST_CONFIG) };
}
