import { z } from 'zod';
import type { Digest } from '../lib/digest.ts';
import { UserError } from '../lib/errors.ts';
import { defineKind } from './kind.ts';
import { isInside } from './names.ts';
import { type Descriptor, digest, type Manifest, TITLE } from './oci.ts';

/** The part of the ModelPack v0.0.7 configuration that Trainyard writes: nothing that changes from run to run. */
export const modelConfig = z.strictObject({
  descriptor: z.strictObject({ name: z.string(), family: z.string().optional() }),
  config: z.strictObject({
    architecture: z.string().optional(),
    format: z.string().optional(),
    paramSize: z.string().optional(),
    precision: z.string().optional(),
    quantization: z.string().optional(),
  }),
  modelfs: z.strictObject({ type: z.literal('layers'), diffIds: z.array(digest).min(1) }),
});
export type ModelConfig = z.infer<typeof modelConfig>;

/** ModelPack v0.0.7 media types, raw: one file a layer, neither archived nor compressed. */
export const modelLayer = (kind: 'weight' | 'weight.config' | 'doc' | 'code' | 'dataset'): string =>
  `application/vnd.cncf.model.${kind}.v1.raw`;
export const FILEPATH = 'org.cncf.model.filepath';

/** A model ready to be released (CNCF ModelPack). Its subject is the Run that made it. */
export const modelPackage = defineKind({
  kind: 'package',
  schema: modelConfig,
  artifactType: 'application/vnd.cncf.model.manifest.v1+json',
  configType: 'application/vnd.cncf.model.config.v1+json',
});

/**
 * The files of a package that a server loads, each with its path.
 * @throws UserError for a path that leads out of its folder
 */
export function modelFilesOf({ layers }: Manifest): (Descriptor & { readonly path: string })[] {
  const types = [modelLayer('weight'), modelLayer('weight.config')];
  return layers
    .filter(({ mediaType }) => types.includes(mediaType))
    .map((layer) => {
      const path = layer.annotations?.[TITLE] ?? '';
      if (!isInside(path))
        throw new UserError(
          `the package holds a file ${JSON.stringify(path)}, which leads out of its folder`,
        );
      return { ...layer, path };
    });
}

const facts = z.object({
  'vnd.trainyard.name': z.string(),
  'vnd.trainyard.metrics': z.string(),
  'vnd.trainyard.training-id': digest,
  'vnd.trainyard.server': digest.optional(),
  'vnd.trainyard.allow': z.string().optional(),
});

/** Trainyard's own facts about a package, which ModelPack has no field for. */
export interface PackageFacts {
  readonly name: string;
  readonly metrics: Readonly<Record<string, number>>;
  readonly trainingId: Digest;
  readonly server: Digest | undefined;
  /** What the project let into the package that others are refused for. */
  readonly allow: readonly string[];
}

/** Our facts as annotations of the manifest. */
export function packageAnnotations({
  name,
  metrics,
  trainingId,
  server,
  allow,
}: PackageFacts): Record<string, string> {
  return {
    'vnd.trainyard.name': name,
    'vnd.trainyard.metrics': JSON.stringify(metrics),
    'vnd.trainyard.training-id': trainingId,
    ...(server !== undefined && { 'vnd.trainyard.server': server }),
    ...(allow.length > 0 && { 'vnd.trainyard.allow': allow.join(',') }),
  };
}

/** Reads our facts back. @throws UserError for a ModelPack that another tool made */
export function packageFacts(manifest: Manifest): PackageFacts {
  const parsed = facts.safeParse(manifest.annotations ?? {});
  if (!parsed.success)
    throw new UserError(
      'this model package was not made by Trainyard: its annotations vnd.trainyard.* are missing',
    );
  const found = parsed.data;
  return {
    name: found['vnd.trainyard.name'],
    metrics: z.record(z.string(), z.number()).parse(JSON.parse(found['vnd.trainyard.metrics'])),
    trainingId: found['vnd.trainyard.training-id'],
    server: found['vnd.trainyard.server'],
    allow: found['vnd.trainyard.allow']?.split(',') ?? [],
  };
}
