import type { z } from 'zod';
import { type Digest, hexOf } from '../lib/digest.ts';
import type { Manifest } from './oci.ts';

export type KindName =
  | 'program'
  | 'source'
  | 'run'
  | 'package'
  | 'release'
  | 'deployment'
  | 'data'
  | 'checkpoint';

/** A kind of record: how its manifest is typed, what its configuration holds, and how it is named in a store. */
export interface Kind<C> {
  readonly name: KindName;
  readonly artifactType: string;
  readonly configType: string;
  readonly schema: z.ZodType<C>;
  /** The tag of its own that keeps a registry's clean-up away from it. */
  tag(config: C, digest: Digest): string;
  /** The same for a configuration of which the schema is yet to be checked. */
  tagOf(config: unknown, digest: Digest): string;
}

/** A record as it was read: parsed, and verified against its digest. */
export interface Stored<C> {
  readonly digest: Digest;
  /** Of the manifest, in bytes. */
  readonly size: number;
  readonly manifest: Manifest;
  readonly config: C;
}

/** The version is part of the type: a later one is refused by readers that do not know it. */
export function defineKind<C>(definition: {
  kind: KindName;
  schema: z.ZodType<C>;
  artifactType?: string;
  configType?: string;
  tagPart?: (config: C) => string;
}): Kind<C> {
  const own = `application/vnd.trainyard.${definition.kind}.v1+json`;
  const { tagPart, schema } = definition;
  const tag = (config: C, digest: Digest): string =>
    [definition.kind, ...(tagPart ? [tagPart(config)] : []), hexOf(digest, 12)].join('-');
  return {
    name: definition.kind,
    artifactType: definition.artifactType ?? own,
    configType: definition.configType ?? own,
    schema,
    tag,
    tagOf: (config, digest) => tag(schema.parse(config), digest),
  };
}
