import { z } from 'zod';
import { defineKind } from './kind.ts';
import { insidePath, projectName } from './names.ts';
import { digest } from './oci.ts';

export const dataConfig = z.strictObject({
  name: projectName,
  /** What the trainer gets: the path of one file, or of a folder. */
  form: z.enum(['file', 'folder']),
  files: z.int().positive(),
  /** Of all files together. */
  bytes: z.int().nonnegative(),
});
export type DataConfig = z.infer<typeof dataConfig>;

/** A data set. It stands alone, and holds nothing but names and contents: the same files have the same digest. */
export const dataSet = defineKind({
  kind: 'data',
  schema: dataConfig,
  tagPart: ({ name }) => name,
});

/** A plain tar of many small files, in the order of their paths; modes, owners and times are always the same. */
export const SHARD_LAYER = 'application/vnd.trainyard.data.shard.v1.tar';
/** One large file as it is. */
export const FILE_LAYER = 'application/vnd.trainyard.data.file.v1';
export const INDEX_LAYER = 'application/vnd.trainyard.data.index.v1+json';

/** Which file lies in which layer. The layers are in the order of the manifest, the index's own left out. */
export const dataIndex = z.strictObject({
  layers: z.array(
    z.strictObject({
      digest,
      /** Path and size in bytes, in the order of the UTF-8 bytes of the paths. */
      files: z.array(z.tuple([insidePath, z.int().nonnegative()])).min(1),
    }),
  ),
});
export type DataIndex = z.infer<typeof dataIndex>;
