import { z } from 'zod';
import { type Digest, digestOf } from '../lib/digest.ts';
import { UserError } from '../lib/errors.ts';
import { tryJson } from '../lib/json.ts';

export const IMAGE_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
export const IMAGE_INDEX = 'application/vnd.oci.image.index.v1+json';
/** What a Run's program or a Deployment said. */
export const LOG_LAYER = 'application/vnd.trainyard.log.v1';
/** The path of a layer's file, as oras and others read it. */
export const TITLE = 'org.opencontainers.image.title';

export const digest = z.templateLiteral(
  ['sha256:', z.string().regex(/^[0-9a-f]{64}$/)],
  'a digest: sha256: and 64 hexadecimal digits',
);

/** OCI image specification 1.1, content descriptor. */
export const descriptor = z.object({
  mediaType: z.string(),
  digest,
  size: z.number().int().nonnegative(),
  artifactType: z.string().optional(),
  annotations: z.record(z.string(), z.string()).optional(),
});
export type Descriptor = z.infer<typeof descriptor>;

/**
 * The layer of a record that has none. The specification's schema and some registries refuse a manifest without layers,
 * and this is what it suggests then ("guidance for an empty descriptor").
 */
export const EMPTY = Buffer.from('{}');
export const EMPTY_LAYER: Descriptor = {
  mediaType: 'application/vnd.oci.empty.v1+json',
  digest: digestOf(EMPTY),
  size: EMPTY.length,
};

/** OCI image specification 1.1, image manifest. */
export const manifest = z.object({
  schemaVersion: z.literal(2),
  mediaType: z.literal(IMAGE_MANIFEST),
  artifactType: z.string().optional(),
  config: descriptor,
  layers: z.array(descriptor),
  subject: descriptor.optional(),
  annotations: z.record(z.string(), z.string()).optional(),
});
export type Manifest = z.infer<typeof manifest>;

/** OCI image specification 1.1, image index. */
export const index = z.object({
  schemaVersion: z.literal(2),
  mediaType: z.literal(IMAGE_INDEX).optional(),
  manifests: z.array(descriptor),
});

/** Parses the bytes of a manifest; `place` says in the error where they lie. */
export function manifestOf(bytes: Uint8Array, place: string): Manifest {
  try {
    return manifest.parse(JSON.parse(Buffer.from(bytes).toString('utf8')));
  } catch (cause) {
    throw new UserError(
      `${place} holds something that is not an OCI image manifest where a record was expected`,
      { cause },
    );
  }
}

/** What kind of manifest bytes are: an image's, of which records are made, or an index. @throws UserError for another */
export function mediaTypeOf(bytes: Uint8Array, place: string): string {
  if (index.safeParse(tryJson(Buffer.from(bytes).toString())).success) return IMAGE_INDEX;
  return manifestOf(bytes, place).mediaType;
}

/** What an image manifest names as its subject; undefined for one without, and for anything else that a tool may keep. */
export function subjectIn(bytes: Uint8Array): Digest | undefined {
  try {
    return manifestOf(bytes, '').subject?.digest;
  } catch {
    return undefined;
  }
}
